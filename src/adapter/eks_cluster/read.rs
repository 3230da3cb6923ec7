//! What is read of a cluster. This module must not decide what is done with it.

use serde_json::Value as Json;

use crate::adapter::eks::{account_of, condition, list, list_value, member, tags_of, text, texts};
use crate::adapter::{Answers, Health, Live, Object, Questions, ReadError, Reading, Subject};
use crate::command::{Command, Tool};
use crate::value::{Map, Value};

pub(super) fn read(subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
    let name = subject.identity.part("name");
    let describe = Command::read(Tool::Aws, &["eks", "describe-cluster"]).flag("--name", name);
    let mut questions = Questions::new(answers);
    let Some(answer) = questions.ask(describe.clone()) else { return Ok(questions.asking()) };
    if answer.is_service_error("ResourceNotFoundException") {
        return Ok(Reading::Live(Live::Absent));
    }
    let cluster = member(&describe, answer, "cluster")?;
    let mut outputs = outputs(&cluster);
    let subnets = text(&cluster, "/resourcesVpcConfig/vpcId").map(|vpc| {
        Command::read(Tool::Aws, &["ec2", "describe-subnets"])
            .flag("--filters", &format!("Name=vpc-id,Values={vpc}"))
    });
    // Of a cluster that this stack makes or made: what would keep it from being
    // deleted.
    let is_external = |desired: &crate::adapter::Desired| desired.settings.contains_key("external");
    let is_ours = match subject.desired {
        Some(desired) => !is_external(desired),
        None => subject.prior.is_some(),
    };
    let groups = is_ours.then(|| {
        Command::read(Tool::Aws, &["eks", "list-nodegroups"]).flag("--cluster-name", name)
    });
    let told = subnets.as_ref().map(|command| questions.ask(command.clone()));
    let grouped = groups.as_ref().map(|command| questions.ask(command.clone()));
    if matches!(told, Some(None)) || matches!(grouped, Some(None)) {
        return Ok(questions.asking());
    }
    if let (Some(command), Some(answer)) = (subnets, told.flatten()) {
        let subnets = member(&command, answer, "Subnets")?;
        let Some(mut ids) = subnet_ids(&subnets) else {
            return Err(ReadError::new(command, answer, "the answer has a subnet without an id"));
        };
        ids.sort();
        outputs.insert("subnetIds".into(), list_value(ids));
    }
    let mut facts = Map::new();
    if let (Some(command), Some(answer)) = (groups, grouped.flatten())
        // It may be gone since it was described.
        && !answer.is_service_error("ResourceNotFoundException")
    {
        let names = list(&command, answer, "nodegroups")?;
        let names = names.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        facts.insert("nodegroups".into(), list_value(names));
    }
    let mut attributes = attributes(&cluster);
    facts.insert("autoMode".into(), attributes.get("autoMode").cloned().unwrap_or_default());
    let issues = condition::issues(&cluster);
    let status = text(&cluster, "/status").unwrap_or("");
    let health = health(status, &issues);
    condition::only_declared(&mut attributes, subject.desired, &["tags"]);
    let mut notes = notes(subject, &cluster);
    if !is_ours && status == "ACTIVE" {
        let told = issues.as_list().unwrap_or_default().iter();
        let told = told.filter_map(|issue| issue.get("message")?.as_str());
        notes.extend(told.map(|message| format!("EKS tells of the cluster: {message}")));
    }
    facts.insert("issues".into(), issues);
    let object = Object { attributes, outputs, health, facts, notes, ..Object::default() };
    Ok(Reading::Live(Live::Present(Box::new(object))))
}

/// What a person should know of an external cluster.
fn notes(subject: &Subject<'_>, cluster: &Json) -> Vec<String> {
    let version = subject
        .desired
        .map(|desired| &desired.settings)
        .or(subject.prior.map(|prior| &prior.settings))
        .and_then(|settings| settings.get("version"))
        .and_then(Value::as_str);
    match (version, text(cluster, "/version")) {
        (Some(version), Some(live)) if version != live => {
            vec![format!("the cluster runs Kubernetes {live}, the manifest says {version}")]
        }
        _ => Vec::new(),
    }
}

fn attributes(cluster: &Json) -> Map {
    let mut attributes = Map::new();
    for (name, pointer) in [
        ("version", "/version"),
        ("roleArn", "/roleArn"),
        ("authenticationMode", "/accessConfig/authenticationMode"),
        ("encryptionKeyArn", "/encryptionConfig/0/provider/keyArn"),
        ("upgradePolicy", "/upgradePolicy/supportType"),
        ("nodeRoleArn", "/computeConfig/nodeRoleArn"),
    ] {
        if let Some(text) = text(cluster, pointer) {
            attributes.insert(name.to_owned(), text.into());
        }
    }
    for (name, pointer, default) in [
        ("endpointPublicAccess", "/resourcesVpcConfig/endpointPublicAccess", true),
        ("endpointPrivateAccess", "/resourcesVpcConfig/endpointPrivateAccess", false),
        ("deletionProtection", "/deletionProtection", false),
        ("autoMode", "/computeConfig/enabled", false),
    ] {
        let flag = cluster.pointer(pointer).and_then(Json::as_bool).unwrap_or(default);
        attributes.insert(name.to_owned(), flag.into());
    }
    for (name, pointer) in [
        ("subnetIds", "/resourcesVpcConfig/subnetIds"),
        ("securityGroupIds", "/resourcesVpcConfig/securityGroupIds"),
        ("publicAccessCidrs", "/resourcesVpcConfig/publicAccessCidrs"),
        ("nodePools", "/computeConfig/nodePools"),
    ] {
        attributes.insert(name.to_owned(), list_value(texts(cluster, pointer)));
    }
    let setups = cluster.pointer("/logging/clusterLogging").and_then(Json::as_array);
    let kept = setups
        .into_iter()
        .flatten()
        .filter(|setup| setup.get("enabled") == Some(&Json::Bool(true)))
        .flat_map(|setup| texts(setup, "/types"));
    attributes.insert("logTypes".to_owned(), list_value(kept.collect()));
    attributes.insert("tags".to_owned(), tags_of(cluster));
    attributes
}

fn outputs(cluster: &Json) -> Map {
    let places = [
        ("name", "/name"),
        ("arn", "/arn"),
        ("status", "/status"),
        ("version", "/version"),
        ("endpoint", "/endpoint"),
        ("certificateAuthority", "/certificateAuthority/data"),
        ("vpcId", "/resourcesVpcConfig/vpcId"),
        ("clusterSecurityGroupId", "/resourcesVpcConfig/clusterSecurityGroupId"),
        ("oidcIssuer", "/identity/oidc/issuer"),
        ("authenticationMode", "/accessConfig/authenticationMode"),
    ];
    let mut outputs: Map = places
        .into_iter()
        .filter_map(|(name, pointer)| Some((name.to_owned(), text(cluster, pointer)?.into())))
        .collect();
    if let Some(account) = text(cluster, "/arn").and_then(account_of) {
        outputs.insert("accountId".into(), account.into());
    }
    let subnets = texts(cluster, "/resourcesVpcConfig/subnetIds");
    outputs.insert("clusterSubnetIds".into(), list_value(subnets));
    outputs
}

fn subnet_ids(subnets: &Json) -> Option<Vec<String>> {
    let id = |subnet: &Json| text(subnet, "/SubnetId").map(str::to_owned);
    subnets.as_array()?.iter().map(id).collect()
}

fn health(status: &str, issues: &Value) -> Health {
    match status {
        "CREATING" | "UPDATING" | "DELETING" | "PENDING" => {
            Health::Busy(format!("the cluster has status {status}"))
        }
        "FAILED" => {
            Health::Broken(format!("the cluster has status FAILED{}", condition::because(issues)))
        }
        _ => Health::Sound,
    }
}
