//! IAM policy equality.
use crate::value::Value;
/// Equal by meaning.
pub fn equal(a: &Value, b: &Value) -> bool {
    a == b
}
