//! `EksAddon`: an add-on that EKS installs and keeps in a cluster.
//!
//! EKS never takes over what others have changed unless it is told to, and
//! neither does this module: conflicts are told. It must not look at the
//! add-on's workloads; EKS judges their health.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::eks::{
    self, LONGEST_KEY, check_cluster_name, check_role_arn, check_tags, cluster_is_absent,
    condition, member, problem, tags_of, tags_value, text, typed,
};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Health, Identity, Live, Object,
    OnChange, Operation, Problem, Questions, ReadError, Readiness, Reading, Rule, Step, Subject,
};
use crate::command::{Answer, Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

mod steps;
#[cfg(test)]
mod tests;

/// The adapter.
#[derive(Debug)]
pub struct EksAddon;

/// How long an add-on may take, degraded or not: its pods wait for nodes and
/// images.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// An add-on of EKS, such as `aws-ebs-csi-driver`. What is left out is as EKS
/// makes it, and stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The name of the cluster.
    cluster_name: String,
    /// The name of the add-on. The command `aws eks describe-addon-versions`
    /// lists them.
    #[schemars(length(min = 1))]
    addon_name: String,
    /// The version, such as `v1.53.0-eksbuild.1`. Left out or null, a new add-on
    /// gets the one that EKS offers first, and an existing one stays.
    version: Option<String>,
    /// The add-on's own configuration, as a tree. The command `aws eks
    /// describe-addon-configuration` tells what there is.
    configuration_values: Option<serde_json::Map<String, Json>>,
    /// The ARN of a role that the add-on's service account assumes by way of the
    /// cluster's `OpenID` Connect provider. Prefer `podIdentityAssociations`.
    service_account_role_arn: Option<String>,
    /// The roles of the add-on's service accounts. Left out: they stay as they
    /// are. An empty list: those that the add-on has are removed.
    pod_identity_associations: Option<Vec<Association>>,
    /// What happens to what others have changed in the add-on's objects: `NONE`
    /// leaves it and fails, `OVERWRITE` takes it back, `PRESERVE` keeps it.
    #[serde(default)]
    resolve_conflicts: ResolveConflicts,
    /// Whether what the add-on installed stays in the cluster when it is
    /// deleted.
    #[serde(default)]
    preserve: bool,
    /// The add-on's tags: keys of up to 128 characters, values of up to 256.
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// The role of a service account of an add-on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Association {
    /// The name of the service account, such as `ebs-csi-controller-sa`.
    service_account: String,
    /// The ARN of the role, which trusts `pods.eks.amazonaws.com` with
    /// sts:AssumeRole and sts:TagSession.
    role_arn: String,
}

/// What happens to what others have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ResolveConflicts {
    /// It is left, and the add-on says so.
    #[default]
    None,
    /// It is taken back.
    Overwrite,
    /// It is kept.
    Preserve,
}

impl Adapter for EksAddon {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        use OnChange::Update;
        &[
            Attribute { name: "version", rule: Rule::Exact, on_change: Update },
            Attribute { name: "configurationValues", rule: Rule::Tree, on_change: Update },
            Attribute { name: "serviceAccountRoleArn", rule: Rule::Exact, on_change: Update },
            Attribute { name: "podIdentityAssociations", rule: Rule::Entries, on_change: Update },
            Attribute { name: "tags", rule: Rule::Entries, on_change: Update },
        ]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "the add-on's name"),
            ("arn", "the add-on's ARN"),
            ("status", "CREATING, ACTIVE, UPDATING, DELETING, DEGRADED, ..._FAILED"),
            ("version", "the add-on's version"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(spec) = typed::<Spec>(spec, &mut problems) else { return Err(problems) };
        check(&spec, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let name = Value::from_spec_text(&spec.addon_name);
        let mut attributes = attributes(&spec);
        if context.external {
            attributes.clear();
        }
        Ok(Desired {
            identity: Identity::new([
                ("clusterName", Value::from_spec_text(&spec.cluster_name)),
                ("addonName", name.clone()),
            ]),
            attributes,
            exclusive: BTreeSet::from(["podIdentityAssociations"]),
            outputs: Map::from([("name".into(), name)]),
            settings: Map::from([
                (
                    "resolveConflicts".to_owned(),
                    Value::from_spec(&spec.resolve_conflicts).unwrap_or_default(),
                ),
                ("preserve".to_owned(), spec.preserve.into()),
            ]),
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let cluster = subject.identity.part("clusterName");
        let name = subject.identity.part("addonName");
        let describe = Command::read(Tool::Aws, &["eks", "describe-addon"])
            .flag("--cluster-name", cluster)
            .flag("--addon-name", name);
        let mut questions = Questions::new(answers);
        let Some(answer) = questions.ask(describe.clone()) else { return Ok(questions.asking()) };
        if cluster_is_absent(answer) && subject.desired.is_some() {
            let why = format!("the cluster {cluster} does not exist");
            return Err(ReadError::new(describe, answer, why));
        }
        if answer.is_service_error("ResourceNotFoundException") {
            return Ok(Reading::Live(Live::Absent));
        }
        let addon = member(&describe, answer, "addon")?;
        let mut attributes = live_attributes(&addon);
        let wanted = |name: &str| subject.desired.and_then(|desired| desired.attributes.get(name));

        // Which roles its service accounts have, where the manifest says some.
        let associations: Vec<Command> = wanted("podIdentityAssociations")
            .map(|_| association_reads(cluster, &addon))
            .unwrap_or_default();
        let told: Vec<Option<&Answer>> =
            associations.iter().map(|command| questions.ask(command.clone())).collect();
        // Which versions there are, where it is to have another.
        let moves = wanted("version").and_then(Value::as_str).is_some_and(|version| {
            attributes.get("version").and_then(Value::as_str) != Some(version)
        });
        let offers = moves.then(|| {
            let offers = Command::read(Tool::Aws, &["eks", "describe-addon-versions"])
                .flag("--addon-name", name);
            (offers.clone(), questions.ask(offers))
        });
        if told.iter().any(Option::is_none) || matches!(offers, Some((_, None))) {
            return Ok(questions.asking());
        }
        let mut roles = Map::new();
        for (command, answer) in associations.iter().zip(told) {
            let Some(answer) = answer else { continue };
            if answer.is_service_error("ResourceNotFoundException") {
                // It was deleted after the add-on was read.
                continue;
            }
            let association = member(command, answer, "association")?;
            if let (Some(account), Some(role)) =
                (text(&association, "/serviceAccount"), text(&association, "/roleArn"))
            {
                roles.insert(account.to_owned(), role.into());
            }
        }
        attributes.insert("podIdentityAssociations".to_owned(), roles.into());
        let issues = condition::issues(&addon);
        let health = health(text(&addon, "/status").unwrap_or(""), &issues);
        let mut facts = Map::from([("issues".to_owned(), issues)]);
        if let Some((_, Some(answer))) = offers {
            // What can't be told is left to EKS to say.
            facts.extend(offered(answer).map(|versions| ("offered".to_owned(), versions)));
        }
        for (fact, pointer) in [
            ("configurationValues", "/configurationValues"),
            ("serviceAccountRoleArn", "/serviceAccountRoleArn"),
        ] {
            if let Some(text) = text(&addon, pointer) {
                facts.insert(fact.to_owned(), text.into());
            }
        }
        condition::only_declared(&mut attributes, subject.desired, &["tags"]);
        let outputs = outputs(&addon);
        let object = Object { attributes, outputs, health, facts, ..Object::default() };
        Ok(Reading::Live(Live::Present(Box::new(object))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        steps::steps(operation)
    }

    fn readiness(&self, desired: &Desired, object: &Object) -> Readiness {
        let status = object.outputs.get("status").and_then(Value::as_str).unwrap_or("");
        if status == "ACTIVE" {
            return Readiness::Ready;
        }
        let name = desired.identity.part("addonName");
        let cluster = desired.identity.part("clusterName");
        let mut blockers = condition::blockers(&format!("the add-on {name}"), object);
        if blockers.is_empty() {
            blockers.push(Blocker {
                code: "AddonNotActive".to_owned(),
                message: format!("the add-on {name} has status {status}, not ACTIVE"),
                next: format!(
                    "aws eks describe-addon --cluster-name {cluster} --addon-name {name}"
                ),
            });
        }
        match status {
            // A failed update may have been carried out all the same, and heal.
            "CREATING" | "UPDATING" | "DEGRADED" | "UPDATE_FAILED" => Readiness::Waiting(blockers),
            _ => Readiness::NotReady(blockers),
        }
    }

    fn patience(&self, _desired: &Desired) -> Duration {
        PATIENCE
    }
}

fn check(spec: &Spec, problems: &mut Vec<Problem>) {
    check_cluster_name(&spec.cluster_name, "clusterName", problems);
    if let Some(version) = &spec.version
        && !is_unknown_text(version)
        && !version.starts_with('v')
    {
        problems.push(problem(
            Path::new("version"),
            format!("`{version}` is not the version of an add-on"),
            "versions look like v1.53.0-eksbuild.1; leave it out for the one that EKS offers first",
        ));
    }
    if let Some(role) = &spec.service_account_role_arn {
        check_role_arn(role, "serviceAccountRoleArn", problems);
    }
    let mut accounts = BTreeSet::new();
    for (at, association) in spec.pod_identity_associations.iter().flatten().enumerate() {
        let place = Path::new("podIdentityAssociations").join(at.to_string());
        let before = problems.len();
        check_role_arn(&association.role_arn, "roleArn", problems);
        for problem in problems.iter_mut().skip(before) {
            problem.path = place.join("roleArn");
        }
        if !accounts.insert(&association.service_account) {
            problems.push(problem(
                place,
                format!("`{}` has two roles", association.service_account),
                "a service account has one",
            ));
        }
    }
    check_tags(&spec.tags, LONGEST_KEY, problems);
}

fn attributes(spec: &Spec) -> Map {
    let text = |text: &Option<String>| text.as_deref().map(Value::from_spec_text);
    let roles = spec.pod_identity_associations.as_ref().map(|associations| {
        let roles = associations.iter().map(|association| {
            let role = Value::from_spec_text(&association.role_arn);
            (association.service_account.clone(), role)
        });
        Value::Map(roles.collect())
    });
    let given = [
        ("version", text(&spec.version)),
        (
            "configurationValues",
            spec.configuration_values.as_ref().and_then(|values| Value::from_spec(values).ok()),
        ),
        ("serviceAccountRoleArn", text(&spec.service_account_role_arn)),
        ("podIdentityAssociations", roles),
        ("tags", Some(tags_value(&spec.tags))),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The reads of the associations that an add-on owns, which it names by ARN.
fn association_reads(cluster: &str, addon: &Json) -> Vec<Command> {
    let arns = addon.get("podIdentityAssociations").and_then(Json::as_array);
    let ids = arns.into_iter().flatten().filter_map(Json::as_str);
    let ids = ids.filter_map(|arn| arn.rsplit('/').next().filter(|id| !id.is_empty()));
    ids.map(|id| {
        Command::read(Tool::Aws, &["eks", "describe-pod-identity-association"])
            .flag("--cluster-name", cluster)
            .flag("--association-id", id)
    })
    .collect()
}

/// The versions on offer, newest first; `None` where the answer does not tell.
fn offered(answer: &Answer) -> Option<Value> {
    let command = Command::read(Tool::Aws, &["eks", "describe-addon-versions"]);
    let addons = eks::list(&command, answer, "addons").ok()?;
    let versions = addons.first()?.get("addonVersions")?.as_array()?;
    let names = versions.iter().filter_map(|version| text(version, "/addonVersion"));
    let mut names: Vec<&str> = names.collect();
    names.sort_by_key(|name| std::cmp::Reverse(version_order(name)));
    Some(Value::List(names.into_iter().map(Value::from).collect()))
}

/// How versions are ordered: number by number, the build last.
fn version_order(version: &str) -> Vec<u64> {
    let numbers = version.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

fn live_attributes(addon: &Json) -> Map {
    let mut attributes = Map::from([("tags".to_owned(), tags_of(addon))]);
    for (name, pointer) in
        [("version", "/addonVersion"), ("serviceAccountRoleArn", "/serviceAccountRoleArn")]
    {
        if let Some(text) = text(addon, pointer) {
            attributes.insert(name.to_owned(), text.into());
        }
    }
    // EKS keeps the text that it was given. One that is no JSON is another text,
    // and is told as it stands.
    let values = text(addon, "/configurationValues").map(|text| {
        serde_json::from_str::<Json>(text)
            .map_or_else(|_| text.into(), |json| Value::from_json(&json))
    });
    attributes.insert("configurationValues".to_owned(), values.unwrap_or_else(Value::map));
    attributes
}

fn outputs(addon: &Json) -> Map {
    [
        ("name", "/addonName"),
        ("arn", "/addonArn"),
        ("status", "/status"),
        ("version", "/addonVersion"),
    ]
    .into_iter()
    .filter_map(|(name, pointer)| Some((name.to_owned(), text(addon, pointer)?.into())))
    .collect()
}

fn health(status: &str, issues: &Value) -> Health {
    match status {
        "CREATING" | "UPDATING" | "DELETING" => {
            Health::Busy(format!("the add-on has status {status}"))
        }
        "CREATE_FAILED" | "DELETE_FAILED" => {
            Health::Broken(format!("it has status {status}{}", condition::because(issues)))
        }
        _ => Health::Sound,
    }
}
