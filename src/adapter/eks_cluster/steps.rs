//! The commands that make, change and delete a cluster. EKS takes one change at
//! a time, so the commands of several wait for one another. This module must
//! not read.

use crate::adapter::eks::{condition, tag_steps};
use crate::adapter::{Blocker, Desired, Operation, Step, Verb};
use crate::command::Command;
use crate::diff::FieldChange;
use crate::value::{Map, Value};

pub(super) fn steps(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let name = operation.identity.part("name");
    let status = operation
        .object
        .and_then(|object| object.outputs.get("status"))
        .and_then(Value::as_str)
        .unwrap_or("");
    let create = || operation.desired.map(|desired| creation(name, desired));
    match operation.verb {
        Verb::Create => Ok(create().into_iter().collect()),
        Verb::Update => update(operation),
        // It never worked: a cluster that was ACTIVE once does not fail.
        Verb::Repair => {
            let mut steps = vec![deletion(operation), gone(name)];
            steps.extend(create());
            Ok(steps)
        }
        Verb::Delete => {
            let protected = operation
                .object
                .and_then(|object| object.attributes.get("deletionProtection"))
                .and_then(Value::as_bool);
            if protected == Some(true) {
                return Err(vec![Blocker {
                    code: "DeletionProtected".to_owned(),
                    message: format!("the cluster {name} is protected against deletion"),
                    next: "set spec.deletionProtection to false and apply that first".to_owned(),
                }]);
            }
            let mut steps = Vec::new();
            if status != "DELETING" {
                steps.push(deletion(operation));
            }
            if operation.desired.is_some() {
                steps.push(gone(name));
            }
            Ok(steps)
        }
    }
}

fn deletion(operation: &Operation<'_>) -> Step {
    let input = Value::Map(operation.identity.0.clone());
    Step::new(
        format!("delete the cluster {}", operation.identity.part("name")),
        Command::aws_write("eks", "delete-cluster", input),
    )
}

fn gone(name: &str) -> Step {
    condition::wait_step("cluster-deleted", &[("--name", name)])
}

/// Puts what is declared of these into one map.
fn pick(from: &Map, names: &[&str]) -> Map {
    names.iter().filter_map(|name| Some(((*name).to_owned(), from.get(*name)?.clone()))).collect()
}

const ENDPOINT: [&str; 3] = ["endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"];
const NETWORK: [&str; 2] = ["subnetIds", "securityGroupIds"];
const COMPUTE: [&str; 3] = ["autoMode", "nodePools", "nodeRoleArn"];
const LOGS: [&str; 5] = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

fn of(key: &str, value: Value) -> Map {
    Map::from([(key.to_owned(), value)])
}

fn creation(name: &str, desired: &Desired) -> Step {
    let declared = &desired.attributes;
    let mut input = desired.identity.0.clone();
    input.extend(pick(declared, &["version", "roleArn", "deletionProtection"]));
    let network = [NETWORK.as_slice(), ENDPOINT.as_slice()].concat();
    input.insert("resourcesVpcConfig".into(), pick(declared, &network).into());
    let mut access = pick(&desired.settings, &["bootstrapClusterCreatorAdminPermissions"]);
    let mode = declared.get("authenticationMode").cloned().unwrap_or_else(|| "API".into());
    access.insert("authenticationMode".into(), mode);
    input.insert("accessConfig".into(), access.into());
    if let Some(kept) = declared.get("logTypes").and_then(Value::as_list) {
        input.insert("logging".into(), logging(kept));
    }
    if let Some(key) = declared.get("encryptionKeyArn") {
        input.insert("encryptionConfig".into(), encryption(key));
    }
    if let Some(policy) = declared.get("upgradePolicy") {
        input.insert("upgradePolicy".into(), of("supportType", policy.clone()).into());
    }
    input.extend(pick(&desired.settings, &["bootstrapSelfManagedAddons"]));
    if declared.get("autoMode").and_then(Value::as_bool) == Some(true) {
        input.extend(auto_mode(declared));
        // Auto Mode brings its own.
        input.insert("bootstrapSelfManagedAddons".into(), false.into());
    }
    if let Some(tags) = declared.get("tags").filter(|tags| **tags != Value::map()) {
        input.insert("tags".into(), tags.clone());
    }
    Step::new(
        format!("make the cluster {name}"),
        Command::aws_write("eks", "create-cluster", input.into()),
    )
}

/// The logs that are kept, and those that are not.
fn logging(kept: &[Value]) -> Value {
    let (on, off): (Vec<&str>, Vec<&str>) =
        LOGS.into_iter().partition(|name| kept.iter().any(|kept| kept.as_str() == Some(name)));
    let setups = [(on, true), (off, false)].into_iter().filter(|(types, _)| !types.is_empty());
    let setups = setups.map(|(types, enabled)| {
        let types = types.into_iter().map(Value::from).collect();
        Value::Map(Map::from([
            ("types".to_owned(), Value::List(types)),
            ("enabled".to_owned(), enabled.into()),
        ]))
    });
    of("clusterLogging", Value::List(setups.collect())).into()
}

fn encryption(key: &Value) -> Value {
    Value::List(vec![Value::Map(Map::from([
        ("resources".to_owned(), Value::List(vec!["secrets".into()])),
        ("provider".to_owned(), of("keyArn", key.clone()).into()),
    ]))])
}

/// The three parts of Auto Mode, which EKS only takes together.
fn auto_mode(declared: &Map) -> Map {
    let on = declared.get("autoMode").cloned().unwrap_or_else(|| false.into());
    let mut compute = of("enabled", on.clone());
    if on.as_bool() == Some(true) {
        compute.extend(pick(declared, &["nodePools", "nodeRoleArn"]));
    }
    let enabled = || Value::Map(of("enabled", on.clone()));
    Map::from([
        ("computeConfig".to_owned(), compute.into()),
        ("storageConfig".to_owned(), of("blockStorage", enabled()).into()),
        ("kubernetesNetworkConfig".to_owned(), of("elasticLoadBalancing", enabled()).into()),
    ])
}

fn update(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let Some(desired) = operation.desired else { return Ok(Vec::new()) };
    let name = operation.identity.part("name");
    let changed = |names: &[&str]| -> Option<&FieldChange> {
        operation.changes.iter().find(|change| {
            change.path.segments().first().is_some_and(|first| names.contains(&first.as_str()))
        })
    };
    let blockers = blockers(operation, name);
    if !blockers.is_empty() {
        return Err(blockers);
    }
    let declared = &desired.attributes;
    let mut updates: Vec<(&str, &str, Map)> = Vec::new();
    if changed(&["authenticationMode"]).is_some() {
        let access = pick(declared, &["authenticationMode"]);
        updates.push(("the access mode", "accessConfig", access));
    }
    if changed(&ENDPOINT).is_some() {
        updates.push(("the endpoints", "resourcesVpcConfig", pick(declared, &ENDPOINT)));
    }
    if changed(&NETWORK).is_some() {
        updates.push(("the network", "resourcesVpcConfig", pick(declared, &NETWORK)));
    }
    if changed(&["logTypes"]).is_some() {
        let kept = declared.get("logTypes").and_then(Value::as_list).unwrap_or_default();
        if let Value::Map(logging) = logging(kept) {
            updates.push(("the logs", "logging", logging));
        }
    }
    if changed(&["upgradePolicy"]).is_some() {
        let policy = declared.get("upgradePolicy").cloned().unwrap_or_default();
        updates.push(("the upgrade policy", "upgradePolicy", of("supportType", policy)));
    }
    let mut steps: Vec<Step> = Vec::new();
    let config = |what: &str, parts: Map| {
        let mut input = operation.identity.0.clone();
        input.extend(parts);
        let command = Command::aws_write("eks", "update-cluster-config", input.into());
        Step::new(format!("change {what} of the cluster {name}"), command)
    };
    for (what, member, parts) in updates {
        steps.push(config(what, of(member, parts.into())));
    }
    if changed(&COMPUTE).is_some() {
        steps.push(config("the Auto Mode", auto_mode(declared)));
    }
    if changed(&["deletionProtection"]).is_some() {
        steps.push(config("the protection", pick(declared, &["deletionProtection"])));
    }
    if let Some(key) = changed(&["encryptionKeyArn"]).and_then(|_| declared.get("encryptionKeyArn"))
    {
        let cluster = operation.identity.0.get("name").cloned().unwrap_or_default();
        let mut input = of("clusterName", cluster);
        input.insert("encryptionConfig".into(), encryption(key));
        let command = Command::aws_write("eks", "associate-encryption-config", input.into());
        steps.push(Step::new(format!("encrypt the secrets of the cluster {name}"), command));
    }
    if changed(&["version"]).is_some() {
        let mut input = operation.identity.0.clone();
        input.extend(pick(declared, &["version"]));
        let version = declared.get("version").cloned().unwrap_or_default();
        let version = version.as_str().unwrap_or("another version").to_owned();
        let command = Command::aws_write("eks", "update-cluster-version", input.into());
        steps.push(Step::new(format!("move the cluster {name} to Kubernetes {version}"), command));
    }
    let mut all =
        tag_steps(operation.changes, operation.object, "arn").map_err(|blocker| vec![blocker])?;
    for (number, step) in steps.into_iter().enumerate() {
        if number > 0 {
            all.push(condition::wait_step("cluster-active", &[("--name", name)]));
        }
        all.push(step);
    }
    Ok(all)
}

/// What can't be done to a cluster.
fn blockers(operation: &Operation<'_>, name: &str) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    for change in operation.changes {
        let text =
            |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        let (before, after) = (text(&change.before), text(&change.after));
        let (Some(before), Some(after)) = (before, after) else { continue };
        match change.path.segments().first().map_or("", String::as_str) {
            "version" => {
                let what = format!("the cluster {name}");
                blockers.extend(condition::version_blocker(&what, &before, &after, true));
            }
            "authenticationMode" if before == "API" => blockers.push(Blocker {
                code: "AuthenticationModeFixed".to_owned(),
                message: format!("the cluster {name} has the mode API, and there is no way back"),
                next: "set spec.authenticationMode to API".to_owned(),
            }),
            "encryptionKeyArn" => blockers.push(Blocker {
                code: "EncryptionKeyFixed".to_owned(),
                message: format!("the secrets of the cluster {name} are encrypted with {before}"),
                next: format!("set spec.encryptionKeyArn to {before}, or make another cluster"),
            }),
            _ => {}
        }
    }
    blockers
}
