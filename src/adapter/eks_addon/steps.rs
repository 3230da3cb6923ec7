//! The commands that make, change and delete an add-on. An add-on that failed is
//! updated, never deleted to try again: what it put into the cluster would go
//! with it. This module must not read.

use crate::adapter::eks::tag_steps;
use crate::adapter::{Blocker, Desired, Operation, Step, Verb};
use crate::command::Command;
use crate::value::{Map, Value};

pub(super) fn steps(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let name = operation.identity.part("addonName");
    match operation.verb {
        Verb::Create => Ok(operation.desired.map(creation).into_iter().collect()),
        Verb::Update => update(operation, false),
        Verb::Repair => update(operation, true),
        Verb::Delete => {
            let status = operation.object.and_then(|object| object.outputs.get("status"));
            if status.and_then(Value::as_str) == Some("DELETING") {
                return Ok(Vec::new());
            }
            let settings = operation
                .desired
                .map(|desired| &desired.settings)
                .or(operation.prior.map(|prior| &prior.settings));
            let preserve = settings.and_then(|settings| settings.get("preserve")).cloned();
            let mut input = operation.identity.0.clone();
            input.insert("preserve".to_owned(), preserve.unwrap_or_else(|| false.into()));
            Ok(vec![Step::new(
                format!("delete the add-on {name}"),
                Command::aws_write("eks", "delete-addon", input.into()),
            )])
        }
    }
}

/// What create and update are both told. Values that are not declared and are
/// there are sent as they are, so that the update leaves them.
fn input(operation_facts: Option<&Map>, desired: &Desired) -> Map {
    let declared = &desired.attributes;
    let mut input = desired.identity.0.clone();
    if let Some(version) = declared.get("version") {
        input.insert("addonVersion".to_owned(), version.clone());
    }
    let fact = |name: &str| operation_facts.and_then(|facts| facts.get(name)).cloned();
    let values = match declared.get("configurationValues") {
        // A part of it that is not known yet makes the whole text unknown.
        Some(values) if values.has_unknown() => Some(Value::Unknown("the configuration".into())),
        Some(values) => Some(values.redacted_json().to_string().into()),
        None => fact("configurationValues"),
    };
    input.extend(values.map(|values| ("configurationValues".to_owned(), values)));
    let role = declared.get("serviceAccountRoleArn").cloned();
    let role = role.or_else(|| fact("serviceAccountRoleArn"));
    input.extend(role.map(|role| ("serviceAccountRoleArn".to_owned(), role)));
    if let Some(roles) = declared.get("podIdentityAssociations").and_then(Value::as_map) {
        let one = |(account, role): (&String, &Value)| {
            Value::Map(Map::from([
                ("serviceAccount".to_owned(), account.as_str().into()),
                ("roleArn".to_owned(), role.clone()),
            ]))
        };
        let roles = Value::List(roles.iter().map(one).collect());
        input.insert("podIdentityAssociations".to_owned(), roles);
    }
    if let Some(how) = desired.settings.get("resolveConflicts") {
        input.insert("resolveConflicts".to_owned(), how.clone());
    }
    input
}

fn creation(desired: &Desired) -> Step {
    let mut input = input(None, desired);
    if let Some(tags) = desired.attributes.get("tags").filter(|tags| **tags != Value::map()) {
        input.insert("tags".to_owned(), tags.clone());
    }
    // Nothing is there whose roles could be removed.
    input.retain(|name, value| {
        name != "podIdentityAssociations" || value.as_list().is_none_or(|list| !list.is_empty())
    });
    Step::new(
        format!("install the add-on {}", desired.identity.part("addonName")),
        Command::aws_write("eks", "create-addon", input.into()),
    )
}

fn update(operation: &Operation<'_>, repair: bool) -> Result<Vec<Step>, Vec<Blocker>> {
    let Some(desired) = operation.desired else { return Ok(Vec::new()) };
    let name = operation.identity.part("addonName");
    if let Some(blocker) = not_offered(operation, desired, name) {
        return Err(vec![blocker]);
    }
    let mut steps =
        tag_steps(operation.changes, operation.object, "arn").map_err(|blocker| vec![blocker])?;
    let changes = operation
        .changes
        .iter()
        .filter_map(|change| change.path.segments().first())
        .any(|attribute| attribute != "tags");
    if changes || repair {
        let input = input(operation.object.map(|object| &object.facts), desired);
        steps.push(Step::new(
            format!("{} the add-on {name}", if repair { "repair" } else { "update" }),
            Command::aws_write("eks", "update-addon", input.into()),
        ));
    }
    Ok(steps)
}

/// A version that EKS does not offer.
fn not_offered(operation: &Operation<'_>, desired: &Desired, name: &str) -> Option<Blocker> {
    let wanted = desired.attributes.get("version")?.as_str()?;
    let offered = operation.object?.facts.get("offered")?.as_list()?;
    let offered: Vec<&str> = offered.iter().filter_map(Value::as_str).collect();
    if offered.is_empty() || offered.contains(&wanted) {
        return None;
    }
    let shown = offered.iter().take(8).copied().collect::<Vec<_>>().join(", ");
    Some(Blocker {
        code: "AddonVersionUnknown".to_owned(),
        message: format!("EKS offers no version {wanted} of the add-on {name}"),
        next: format!("set spec.version to one of {shown}"),
    })
}
