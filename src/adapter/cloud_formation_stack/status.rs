//! What the status of a stack means, and which of its events tells why it came
//! to that.

use serde_json::Value as Json;

use super::super::Health;
use super::super::eks::text;

/// What a status means for what can be done with the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is as it was last asked to be.
    Sound,
    /// The last change failed, and it is again what it was before.
    RolledBack,
    /// CloudFormation works on it.
    Busy,
    /// Somebody has planned it with a change set and carried nothing out.
    Review,
    /// It can only be deleted.
    Dead,
    /// It is neither what it was nor what it was to be, and can be led back.
    Stuck,
}

impl State {
    /// What a status means.
    pub(super) fn of(status: &str) -> Self {
        match status {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => Self::Sound,
            "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => Self::RolledBack,
            "REVIEW_IN_PROGRESS" => Self::Review,
            "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_FAILED" => {
                Self::Dead
            }
            "UPDATE_ROLLBACK_FAILED" | "UPDATE_FAILED" | "IMPORT_ROLLBACK_FAILED" => Self::Stuck,
            // What AWS may add: as long as nothing is known of it, wait.
            _ => Self::Busy,
        }
    }

    /// Whether something failed that the events tell of.
    pub(super) fn has_cause(self) -> bool {
        match self {
            Self::RolledBack | Self::Dead | Self::Stuck => true,
            Self::Sound | Self::Busy | Self::Review => false,
        }
    }
}

/// A stack's status and what led to it, in a sentence.
pub(super) fn told(name: &str, status: &str, cause: &str) -> String {
    match cause {
        "" if State::of(status) == State::Review => format!(
            "the stack {name} has status {status}: a change set was made for it and not executed"
        ),
        "" => format!("the stack {name} has status {status}"),
        cause => format!("the stack {name} has status {status}: {cause}"),
    }
}

pub(super) fn health(name: &str, status: &str, cause: &str) -> Health {
    let told = told(name, status, cause);
    match State::of(status) {
        State::Sound | State::RolledBack => Health::Sound,
        State::Busy | State::Review => Health::Busy(told),
        State::Dead => Health::Outdated(told),
        State::Stuck => Health::Broken(told),
    }
}

/// The first failure of the stack's last operation, out of its events, newest
/// first; empty where none is told.
pub(super) fn cause(events: &[Json], stack: &str, status: &str) -> String {
    // A rollback that failed has a cause of its own, after that of the update.
    let rollback = status == "UPDATE_ROLLBACK_FAILED" || status == "ROLLBACK_FAILED";
    let begins = |event: &&Json| {
        let status = text(event, "/ResourceStatus").unwrap_or("");
        text(event, "/ResourceType") == Some("AWS::CloudFormation::Stack")
            && text(event, "/LogicalResourceId") == Some(stack)
            && (matches!(
                status,
                "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS"
            ) || (rollback && status.ends_with("ROLLBACK_IN_PROGRESS")))
    };
    let failed = |event: &&Json| {
        let reason = text(event, "/ResourceStatusReason").unwrap_or("");
        text(event, "/ResourceStatus").is_some_and(|status| status.ends_with("_FAILED"))
            && !reason.is_empty()
            // What was stopped because something else had failed.
            && !reason.to_ascii_lowercase().contains("cancelled")
    };
    let last: Vec<&Json> = events.iter().take_while(|event| !begins(event)).collect();
    let Some(event) = last.into_iter().rev().find(failed) else { return String::new() };
    let reason = text(event, "/ResourceStatusReason").unwrap_or("").trim();
    match (text(event, "/LogicalResourceId"), text(event, "/ResourceType")) {
        (Some(id), Some(kind)) if id != stack => format!("{id} ({kind}): {reason}"),
        _ => reason.to_owned(),
    }
}
