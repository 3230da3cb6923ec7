//! `aws iam`: roles, policies, instance profiles, service-linked roles.
//!
//! Keys, all below `iam/`; names in keys are in lower case, because IAM takes
//! names that differ only in case for the same:
//!
//! | key | entry |
//! | --- | --- |
//! | `role/ROLE` | the role as `get-role` answers, and what only the sandbox knows |
//! | `role-inline/ROLE/POLICY` | an inline policy's text |
//! | `role-attached/ROLE/ARN` | name of an attached policy |
//! | `role-profile/ROLE/PROFILE` | an instance profile that holds the role |
//! | `policy/OWNER/POLICY` | a policy; OWNER is `account`, or `aws` for its counts |
//! | `policy-version/POLICY/NUMBER` | one version |
//! | `policy-role/OWNER/POLICY/ROLE` | a role that the policy is attached to |
//! | `policy-boundary/OWNER/POLICY/ROLE` | a role that it bounds |
//! | `profile/PROFILE` | an instance profile |
//! | `deletion/TASK` | the deletion of a service-linked role |
//! | `quota/NAME` | a quota that was set |
//!
//! So that everything about one role or one policy is found by prefix, however
//! many others there are. Quotas of a whole account (such as 1,000 roles) are
//! reported but not enforced: plans over more resources than that run here.

mod attachments;
mod boundary;
mod details;
mod document;
mod inline;
mod linked;
mod managed;
mod names;
mod operations;
mod policies;
mod profiles;
mod roles;
mod shapes;
mod simulate;
mod summary;
mod tags;
mod versions;

use serde_json::Value;

use super::facts;
use super::model::{Fault, Service, fault};
use crate::sandbox::world::World;

/// The service.
pub const SERVICE: Service = Service { command: "iam", operations: operations::OPERATIONS };

// What the seed makes through the same code.
pub use linked::put_linked_role;
pub use profiles::{profile, put_profile, remove_profile};
pub use roles::{NewRole, put_role};

// What a person may set.
pub use summary::set_quota;

/// The role behind an ARN, if there is one at exactly that path.
pub fn role_by_arn<'w>(world: &'w World, arn: &str) -> Option<&'w Value> {
    let rest = arn.strip_prefix("arn:aws:iam::")?.strip_prefix(facts::ACCOUNT)?;
    let name = rest.strip_prefix(":role/")?.rsplit('/').next()?;
    let role = world.get(&roles::key(name))?;
    (role.get("Arn").and_then(Value::as_str) == Some(arn)).then_some(role)
}

/// Whether IAM knows a principal of this account by ARN.
pub fn principal_exists(world: &World, arn: &str) -> bool {
    arn == facts::CALLER_ARN || role_by_arn(world, arn).is_some()
}

/// A text member of a stored entry.
fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number member of a stored entry.
fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or_default()
}

fn no_such_entity(message: impl Into<String>) -> Fault {
    fault("NoSuchEntity", message)
}
