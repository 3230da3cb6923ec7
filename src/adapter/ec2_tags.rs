//! `Ec2Tags`.

use schemars::Schema;

use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Operation, Problem, ReadError, Reading,
    Step, Subject,
};
use crate::value::Value;

/// The adapter.
#[derive(Debug)]
pub struct Ec2Tags;

impl Adapter for Ec2Tags {
    fn schema(&self) -> Schema {
        Schema::default()
    }
    fn attributes(&self) -> &'static [Attribute] {
        &[]
    }
    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    fn desired(&self, _spec: &Value, _context: &Context) -> Result<Desired, Vec<Problem>> {
        Err(vec![])
    }
    fn read(&self, _subject: &Subject<'_>, _answers: &Answers) -> Result<Reading, ReadError> {
        Ok(Reading::Ask(vec![]))
    }
    fn steps(&self, _operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        Ok(vec![])
    }
}
