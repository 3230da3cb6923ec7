//! Whether the caller may do what the plan says, as far as IAM's simulation
//! tells.
//!
//! The simulation knows the caller's own policies. A denial counts where it is
//! certain: outright, or for the very object and without a condition that was
//! left open. Anything else is unknown: a policy may allow a call for certain
//! resources only, and the plan does not always know the ARN. This module must
//! not take silence for a permission.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::account::Caller;
use super::{Check, Planned, Verdict, blocked, commands};
use crate::command::{Command, Tool};
use crate::engine::Engine;
use crate::plan::{Change, PlannedCommand};
use crate::value::Value;

/// S3's actions are called otherwise than its calls.
const S3_ACTIONS: &[(&str, &str)] = &[
    ("create-bucket", "CreateBucket"),
    ("delete-bucket", "DeleteBucket"),
    ("delete-bucket-lifecycle", "PutLifecycleConfiguration"),
    ("delete-bucket-policy", "DeleteBucketPolicy"),
    ("delete-bucket-tagging", "PutBucketTagging"),
    ("delete-public-access-block", "PutBucketPublicAccessBlock"),
    ("put-bucket-encryption", "PutEncryptionConfiguration"),
    ("put-bucket-lifecycle-configuration", "PutLifecycleConfiguration"),
    ("put-bucket-ownership-controls", "PutBucketOwnershipControls"),
    ("put-bucket-policy", "PutBucketPolicy"),
    ("put-bucket-tagging", "PutBucketTagging"),
    ("put-bucket-versioning", "PutBucketVersioning"),
    ("put-public-access-block", "PutBucketPublicAccessBlock"),
];
/// Services whose actions are called as their calls.
const SAME_NAMES: &[&str] =
    &["acm", "cloudformation", "ec2", "eks", "iam", "route53", "sqs", "service-quotas"];

/// So many objects are simulated one by one.
const MOST_OBJECTS: usize = 20;

/// How a simulation answers for one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Allowed,
    Denied,
    Open,
}

impl Engine {
    /// Whether the caller may do what is planned.
    pub(super) async fn permissions(&self, planned: &Planned, caller: &Caller) -> Vec<Check> {
        let wanted = wanted(planned, caller);
        if wanted.is_empty() {
            return Vec::new();
        }
        let check = |verdict| Check::new("permissions", "", verdict);
        let principal = match principal(&caller.arn) {
            Principal::Root => {
                let known = "the account's root user may do everything that no organization denies";
                return vec![check(Verdict::Good(known.into()))];
            }
            Principal::Other => {
                let why = format!("IAM simulates users and roles, and this is {}", caller.arn);
                return vec![check(Verdict::Unknown(why))];
            }
            Principal::User(arn) => arn,
            Principal::Role { name, arn } => {
                // Its path is not in the ARN of the session.
                let command =
                    Command::read(Tool::Aws, &["iam", "get-role"]).flag("--role-name", &name);
                let told = self.ask(&command).await.ok();
                let whole = told.as_ref().and_then(|json| json.pointer("/Role/Arn")?.as_str());
                whole.map_or(arn, str::to_owned)
            }
        };
        let actions: Vec<&str> = wanted.keys().map(String::as_str).collect();
        let decisions = match self.simulate(&principal, &actions, None).await {
            Ok(decisions) => decisions,
            Err(verdict) => return vec![check(verdict)],
        };
        let (mut denied, mut open) = (BTreeSet::new(), BTreeSet::new());
        let mut asked = 0;
        for (action, objects) in &wanted {
            match decisions.get(&action.to_lowercase()) {
                Some(Decision::Allowed) => continue,
                Some(Decision::Denied) => {
                    denied.insert(action.clone());
                    continue;
                }
                Some(Decision::Open) | None => {}
            }
            if objects.is_empty() || asked == MOST_OBJECTS {
                open.insert(action.clone());
                continue;
            }
            // Certain objects may be allowed where "all" are not. An implicit
            // denial of all of them is certain too.
            for object in objects.iter().take(MOST_OBJECTS - asked) {
                asked += 1;
                let told = self.simulate(&principal, &[action.as_str()], Some(object)).await;
                match told.ok().and_then(|told| told.get(&action.to_lowercase()).copied()) {
                    Some(Decision::Allowed) => {}
                    Some(Decision::Denied) => {
                        denied.insert(format!("{action} on {object}"));
                    }
                    Some(Decision::Open) | None => {
                        open.insert(action.clone());
                    }
                }
            }
        }
        let mut checks = Vec::new();
        if !denied.is_empty() {
            let verdict = blocked(
                "PermissionMissing",
                format!("{principal} may not {}", listed(&denied)),
                "let an administrator allow it, or use other credentials (--profile)",
            );
            checks.push(check(verdict));
        }
        if !open.is_empty() {
            let why =
                format!("IAM does not tell for certain whether {principal} may {}", listed(&open));
            checks.push(check(Verdict::Unknown(why)));
        }
        if checks.is_empty() {
            let known = format!("{principal} may do all {} planned actions", wanted.len());
            checks.push(check(Verdict::Good(known)));
        }
        checks
    }

    async fn simulate(
        &self,
        principal: &str,
        actions: &[&str],
        object: Option<&str>,
    ) -> Result<BTreeMap<String, Decision>, Verdict> {
        let mut command = Command::read(Tool::Aws, &["iam", "simulate-principal-policy"])
            .flag("--policy-source-arn", principal)
            .arg("--action-names");
        for action in actions {
            command = command.arg(*action);
        }
        if let Some(object) = object {
            command = command.flag("--resource-arns", object);
        }
        let json = self.ask(&command).await?;
        Ok(decisions(&json, object.is_some()))
    }
}

/// What a simulation decided, by action in lowercase.
fn decisions(json: &Json, of_object: bool) -> BTreeMap<String, Decision> {
    let results = json.get("EvaluationResults").and_then(Json::as_array);
    results
        .into_iter()
        .flatten()
        .filter_map(|result| {
            let action = result.get("EvalActionName")?.as_str()?.to_lowercase();
            let decision = match (result.get("EvalDecision")?.as_str()?, is_open(result)) {
                ("allowed", _) => Decision::Allowed,
                (_, true) => Decision::Open,
                ("explicitDeny", false) => Decision::Denied,
                ("implicitDeny", false) if of_object => Decision::Denied,
                (_, false) => Decision::Open,
            };
            Some((action, decision))
        })
        .collect()
}

/// Whether a condition was left open, for all resources or for one.
fn is_open(result: &Json) -> bool {
    let missing = |json: &Json| {
        let values = json.get("MissingContextValues").and_then(Json::as_array);
        values.is_some_and(|values| !values.is_empty())
    };
    let each = result.get("ResourceSpecificResults").and_then(Json::as_array);
    missing(result) || each.is_some_and(|each| each.iter().any(missing))
}

/// Whose policies are simulated.
#[derive(Debug, PartialEq, Eq)]
enum Principal {
    Root,
    User(String),
    Role { name: String, arn: String },
    Other,
}

/// Who stands behind the ARN of a caller.
fn principal(arn: &str) -> Principal {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, service, _, account, resource] = parts[..] else { return Principal::Other };
    match (service, resource.split_once('/')) {
        ("iam", None) if resource == "root" => Principal::Root,
        ("iam", Some(("user", _))) => Principal::User(arn.to_owned()),
        ("sts", Some(("assumed-role", rest))) => {
            let name = rest.split('/').next().unwrap_or(rest).to_owned();
            let arn = format!("arn:{partition}:iam::{account}:role/{name}");
            Principal::Role { name, arn }
        }
        _ => Principal::Other,
    }
}

/// The actions that the plan's commands take, each with the objects that are
/// known; an action on an object that is not has none.
fn wanted(planned: &Planned, caller: &Caller) -> BTreeMap<String, BTreeSet<String>> {
    let mut wanted: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    for (change, command) in commands(planned) {
        let Some(action) = action(&command.argv) else { continue };
        let known = wanted.entry(action).or_insert_with(|| Some(BTreeSet::new()));
        match (object(change, command, caller), known.as_mut()) {
            (Some(object), Some(known)) => drop(known.insert(object)),
            (None, _) => *known = None,
            (Some(_), None) => {}
        }
    }
    wanted.into_iter().map(|(action, known)| (action, known.unwrap_or_default())).collect()
}

/// The action of a call; `None` where that is not known.
fn action(argv: &[String]) -> Option<String> {
    let [program, service, call, ..] = argv else { return None };
    if program != "aws" {
        return None;
    }
    if service == "s3api" {
        let known = S3_ACTIONS.iter().find(|(name, _)| name == call)?;
        return Some(format!("s3:{}", known.1));
    }
    let service = SAME_NAMES.iter().find(|name| *name == service)?;
    let camel = call.split('-').map(|word| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| {
            first.to_ascii_uppercase().to_string() + chars.as_str()
        })
    });
    // IAM does not look at the case of an action.
    Some(format!("{service}:{}", camel.collect::<String>()))
}

/// The ARN of the object of a call, where the plan tells it for certain.
fn object(change: &Change, command: &PlannedCommand, caller: &Caller) -> Option<String> {
    let text = |command: &PlannedCommand, key: &str| {
        command.input.as_ref()?.get(key).and_then(Value::as_str).map(str::to_owned)
    };
    let partition = caller.arn.split(':').nth(1)?;
    let account = &caller.account;
    let call = command.argv.get(2)?.as_str();
    if command.argv.get(1).is_none_or(|service| service != "iam") {
        return None;
    }
    if call == "create-policy" {
        let (path, name) = (text(command, "Path"), text(command, "PolicyName")?);
        let path = path.unwrap_or_else(|| "/".to_owned());
        return Some(format!("arn:{partition}:iam::{account}:policy{path}{name}"));
    }
    // A role's path is known where the same change makes the role.
    let name = text(command, "RoleName")?;
    let made = change.commands.iter().find(|one| {
        one.argv.get(2).is_some_and(|call| call == "create-role")
            && text(one, "RoleName").as_ref() == Some(&name)
    })?;
    let path = text(made, "Path").unwrap_or_else(|| "/".to_owned());
    Some(format!("arn:{partition}:iam::{account}:role{path}{name}"))
}

/// The first few of a set, and how many more there are.
fn listed(set: &BTreeSet<String>) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = set.iter().take(SHOWN).map(String::as_str).collect();
    let more = set.len().saturating_sub(SHOWN);
    let end = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &end
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_principal_behind_a_caller() {
        assert_eq!(principal("arn:aws:iam::111122223333:root"), Principal::Root);
        let user = "arn:aws:iam::111122223333:user/ops/ann";
        assert_eq!(principal(user), Principal::User(user.into()));
        assert_eq!(
            principal("arn:aws-cn:sts::111122223333:assumed-role/Admin/me"),
            Principal::Role {
                name: "Admin".into(),
                arn: "arn:aws-cn:iam::111122223333:role/Admin".into()
            }
        );
        let federated = "arn:aws:sts::111122223333:federated-user/me";
        assert_eq!(principal(federated), Principal::Other);
        assert_eq!(principal("nothing"), Principal::Other);
    }

    #[test]
    fn calls_and_their_actions() {
        let action = |text: &str| action(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(action("aws iam create-role").as_deref(), Some("iam:CreateRole"));
        assert_eq!(
            action("aws s3api put-bucket-encryption").as_deref(),
            Some("s3:PutEncryptionConfiguration")
        );
        assert_eq!(action("helm upgrade x"), None);
        assert_eq!(action("aws s3api put-object"), None);
    }

    #[test]
    fn only_a_certain_denial_counts() {
        let result = |decision: &str, missing: &[&str]| {
            json!({"EvaluationResults": [{
                "EvalActionName": "iam:CreateRole",
                "EvalDecision": decision,
                "MissingContextValues": missing,
            }]})
        };
        let of = |decision, missing: &[&str], of_object| {
            decisions(&result(decision, missing), of_object)["iam:createrole"]
        };
        assert_eq!(of("allowed", &[], false), Decision::Allowed);
        assert_eq!(of("explicitDeny", &[], false), Decision::Denied);
        assert_eq!(of("explicitDeny", &["aws:SourceIp"], false), Decision::Open);
        assert_eq!(of("implicitDeny", &[], false), Decision::Open);
        assert_eq!(of("implicitDeny", &[], true), Decision::Denied);
        assert_eq!(of("implicitDeny", &["aws:RequestTag/x"], true), Decision::Open);
    }
}
