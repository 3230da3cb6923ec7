//! The commands that carry a change of an object out.

use super::read::{document, forces, reference};
use super::{FIXED, OBJECT};
use crate::adapter::kube::MANAGER;
use crate::adapter::{Blocker, Operation, Step, Subject, Verb};
use crate::command::{Command, Tool};
use crate::diff::{FieldChange, Origin};
use crate::value::Value;

/// Who owns what `kubectl apply` without `--server-side` has set: nobody else
/// than whoever applies the object.
const CLIENT_SIDE: &str = "kubectl-client-side-apply";

/// The commands that carry an operation out.
///
/// # Errors
/// What the API server would not allow.
pub fn steps(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let identity = operation.identity;
    let kind = identity.part("kind").to_lowercase();
    let mut at = format!("{kind} {}", identity.part("name"));
    if !identity.part("namespace").is_empty() {
        at = format!("{at} in {}", identity.part("namespace"));
    }
    if operation.verb == Verb::Delete {
        let subject = Subject::alone(
            identity,
            operation.desired.filter(|_| operation.prior.is_none()),
            operation.prior,
        );
        let delete = Command::write(
            Tool::Kubectl,
            &["delete", "-f", "-", "--ignore-not-found", "--wait=false"],
        );
        let delete = delete.with_stdin(Value::Map(reference(&subject).unwrap_or_default()));
        return Ok(vec![Step::new(format!("delete {at}"), delete)]);
    }
    let Some(desired) = operation.desired else { return Ok(Vec::new()) };
    let Some(document) = document(desired, identity) else { return Ok(Vec::new()) };
    check(operation, &at)?;
    let conflicts = conflicts(operation);
    let mut refused = Vec::new();
    for (manager, field) in &conflicts {
        let ours = forces(desired) || *manager == CLIENT_SIDE;
        if !ours && !operation.changes.iter().any(|change| reverts(operation, change, field)) {
            refused.push(Blocker {
                code: "FieldConflict".into(),
                message: format!("{manager} has set {field} of {at}, and the manifest differs"),
                next: format!(
                    "take the field out of the manifest, or take it over with spec.force: true \
                     ({manager} may set it again)"
                ),
            });
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut apply = Command::write(Tool::Kubectl, &["apply", "--server-side"])
        .arg(format!("--field-manager={MANAGER}"));
    if !conflicts.is_empty() || (operation.verb == Verb::Create && forces(desired)) {
        apply = apply.arg("--force-conflicts");
    }
    let apply = apply.arg("-f").arg("-").with_stdin(Value::Map(document));
    Ok(vec![Step::new(format!("apply {at}"), apply)])
}

fn facts<'o>(operation: &Operation<'o>, name: &str) -> &'o [Value] {
    let found = operation.object.and_then(|object| object.facts.get(name)?.as_list());
    found.unwrap_or_default()
}

fn conflicts<'o>(operation: &Operation<'o>) -> Vec<(&'o str, &'o str)> {
    let pair = |one: &'o Value| match one.as_list() {
        Some([manager, field]) => Some((manager.as_str()?, field.as_str()?)),
        _ => None,
    };
    if operation.verb == Verb::Create {
        return Vec::new();
    }
    facts(operation, "conflicts").iter().filter_map(pair).collect()
}

/// Refuses what the API server has refused already.
fn check(operation: &Operation<'_>, at: &str) -> Result<(), Vec<Blocker>> {
    if operation.verb == Verb::Create {
        return Ok(());
    }
    let fields: Vec<&str> =
        facts(operation, "immutable").iter().filter_map(Value::as_str).collect();
    if !fields.is_empty() {
        let fields = fields.join(", ");
        return Err(vec![Blocker {
            code: "FieldImmutable".into(),
            message: format!("{fields} of {at} can't be changed once it exists"),
            next: format!(
                "undo the change; or list it in spec.replaceOnChange, which deletes the object and \
                 makes it anew: replaceOnChange: [{fields}]"
            ),
        }]);
    }
    let invalid = operation.object.and_then(|object| object.facts.get("invalid")?.as_str());
    match invalid {
        Some(why) => Err(vec![Blocker {
            code: "ObjectInvalid".into(),
            message: format!("the API server refuses the manifest of {at}: {why}"),
            next: "correct the manifest".into(),
        }]),
        None => Ok(()),
    }
}

/// Whether a planned change undoes what someone else did to a field that was
/// applied: then the plan shows it, and taking the field back is what is planned.
fn reverts(operation: &Operation<'_>, change: &FieldChange, field: &str) -> bool {
    let drift = match change.origin {
        Origin::Drift | Origin::Both => true,
        // Of a secret that was applied the state does not know what it was.
        Origin::Undetermined => {
            operation.prior.is_some() && change.after.as_ref().is_some_and(Value::has_sensitive)
        }
        Origin::Change => false,
    };
    let segments = change.path.segments();
    let of_object = segments.first().is_some_and(|first| first == OBJECT || first == FIXED);
    let path = segments.get(2..).unwrap_or_default().join(".");
    // A member of a list is named by all of its keys there, by one of them here.
    let (field, listed) = match field.trim_start_matches('.').split_once('[') {
        Some((before, _)) => (before, true),
        None => (field.trim_start_matches('.'), false),
    };
    let below =
        |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('.'));
    drift
        && of_object
        && (below(&path, field) || (!listed && below(field, &path)))
        && !path.is_empty()
}
