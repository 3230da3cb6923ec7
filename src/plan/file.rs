//! The saved plan: the plan as a file, sealed by its digest.
//!
//! Applying a saved plan means planning again and going on only if that gives
//! the same plan. So a saved plan needs no secrets, and it can't be carried out
//! after anything that it saw has moved.

use serde::{Deserialize, Serialize};

use super::{FORMAT_VERSION, Plan};
use crate::seeded::{self, Bug};
use crate::value::Digest;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sealed {
    plan: Plan,
    /// For people and scripts: what is approved.
    meaning: Digest,
    digest: Digest,
}

/// Why a file is not a plan that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFileError {
    /// It is not a plan at all.
    #[error("it is not a saved plan: {0}")]
    Malformed(String),
    /// A newer program wrote it.
    #[error("its format version {0} is newer than this lkh reads; install a newer lkh")]
    Newer(u64),
    /// An older program wrote it. A plan lives for hours, so none is carried over.
    #[error(
        "its format version {0} is older than {FORMAT_VERSION}, the one that this lkh writes and \
         reads; plan again with this lkh"
    )]
    Older(u64),
    /// Someone edited it.
    #[error("its content does not match its digest: it was edited or damaged; plan again")]
    Edited,
}

/// The bytes of a saved plan.
///
/// # Errors
/// When the plan can't be written as JSON.
pub fn to_bytes(plan: &Plan) -> Result<Vec<u8>, PlanFileError> {
    let malformed = |error: serde_json::Error| PlanFileError::Malformed(error.to_string());
    let sealed = Sealed { digest: plan.digest(), meaning: plan.meaning(), plan: plan.clone() };
    let json = serde_json::to_value(&sealed).map_err(malformed)?;
    let mut bytes = serde_json::to_vec_pretty(&json).map_err(malformed)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads the bytes of a saved plan.
///
/// # Errors
/// When they are not a whole, unedited plan of a known version.
pub fn from_bytes(bytes: &[u8]) -> Result<Plan, PlanFileError> {
    let malformed = |error: serde_json::Error| PlanFileError::Malformed(error.to_string());
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(malformed)?;
    let version = json.pointer("/plan/formatVersion").and_then(serde_json::Value::as_u64);
    match version {
        Some(found) if found > u64::from(FORMAT_VERSION) => {
            return Err(PlanFileError::Newer(found));
        }
        Some(found) if found < u64::from(FORMAT_VERSION) => {
            return Err(PlanFileError::Older(found));
        }
        Some(_) => {}
        None => return Err(PlanFileError::Malformed("it has no formatVersion".into())),
    }
    let sealed: Sealed = serde_json::from_value(json).map_err(malformed)?;
    // Only the very bytes that are written of a plan are that plan: digest and
    // meaning are among them, and so are spaces and unknown fields.
    if to_bytes(&sealed.plan)? != bytes {
        return Err(PlanFileError::Edited);
    }
    Ok(sealed.plan)
}

/// What of a saved plan is not so any more, each in a sentence. Empty: both
/// plans do the same. What others own, notes and readiness may differ.
pub fn moved(saved: &Plan, now: &Plan) -> Vec<String> {
    let mut moved = Vec::new();
    if saved.mode != now.mode || saved.targets != now.targets {
        moved.push("the plan is of another kind, or has other targets".to_owned());
    }
    let mut differs = |what: &str, saved: &str, now: &str| {
        if saved != now {
            moved.push(format!("the {what} was {saved} and is {now}"));
        }
    };
    differs("stack", &saved.stack, &now.stack);
    differs("account", &saved.account, &now.account);
    differs("region", &saved.region, &now.region);
    let none = "none";
    differs(
        "state's lineage",
        saved.lineage.as_deref().unwrap_or(none),
        now.lineage.as_deref().unwrap_or(none),
    );
    differs("state's serial", &saved.serial.to_string(), &now.serial.to_string());
    if saved.manifests != now.manifests {
        moved.push("the manifests or variables changed".to_owned());
    }
    for change in &saved.changes {
        match now.change(&change.address) {
            None => moved.push(format!("{} is not planned any more", change.address)),
            Some(other) if other.action != change.action => moved.push(format!(
                "{} {} now, because {}",
                change.address,
                other.action.phrase(),
                other.reason
            )),
            Some(other) if other.identity != change.identity => {
                moved.push(format!("{} stands for {} now", change.address, other.identity));
            }
            Some(other) if !same(&other.fields, &change.fields) => {
                moved.push(format!("the fields of {} differ from what was seen", change.address));
            }
            Some(other)
                if !same(&other.commands, &change.commands)
                    && !seeded::is(Bug::CommandsUnchecked) =>
            {
                moved.push(format!("{} would take other commands", change.address));
            }
            Some(other) if other.depends_on != change.depends_on => {
                moved.push(format!("{} depends on other resources now", change.address));
            }
            Some(other) if other.prevent_destroy != change.prevent_destroy => {
                moved.push(format!("the protection of {} is another now", change.address));
            }
            Some(_) => {}
        }
    }
    for change in &now.changes {
        if saved.change(&change.address).is_none() {
            moved.push(format!("{} {} now", change.address, change.action.phrase()));
        }
    }
    // Whatever else there may be: nothing is done that was not reviewed.
    let unchecked = seeded::is(Bug::CommandsUnchecked);
    if moved.is_empty() && saved.meaning() != now.meaning() && !unchecked {
        moved.push(format!("the plan hash was {} and is {}", saved.meaning(), now.meaning()));
    }
    moved
}

/// Whether two parts of plans are the same in a file, which holds no secret.
fn same<T: Serialize>(a: &T, b: &T) -> bool {
    match (serde_json::to_value(a), serde_json::to_value(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Mode;
    use crate::value::Map;

    fn plan() -> Plan {
        Plan {
            format_version: FORMAT_VERSION,
            stack: "s".into(),
            mode: Mode::Apply,
            account: "111122223333".into(),
            region: "us-east-2".into(),
            lineage: None,
            serial: 4,
            after: None,
            manifests: Digest::of(b"m"),
            variables: Map::new(),
            targets: vec![],
            changes: vec![],
            outputs: vec![],
        }
    }

    #[test]
    fn a_saved_plan_reads_back_and_an_edit_shows() {
        let bytes = to_bytes(&plan()).unwrap();
        assert_eq!(from_bytes(&bytes).unwrap(), plan());
        let edited = String::from_utf8(bytes).unwrap().replace("us-east-2", "us-east-1");
        assert_eq!(from_bytes(edited.as_bytes()), Err(PlanFileError::Edited));
    }

    #[test]
    fn a_plan_of_another_version_is_refused() {
        let refused = |version: u64| {
            let text = format!(r#"{{"plan": {{"formatVersion": {version}}}}}"#);
            from_bytes(text.as_bytes()).unwrap_err()
        };
        assert_eq!(refused(1), PlanFileError::Older(1));
        assert_eq!(refused(3), PlanFileError::Newer(3));
    }

    #[test]
    fn what_moved_is_named() {
        let now = Plan { serial: 5, ..plan() };
        assert_eq!(moved(&plan(), &now), ["the state's serial was 4 and is 5"]);
        assert!(moved(&plan(), &plan()).is_empty());
    }
}
