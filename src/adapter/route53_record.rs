//! `Route53Record`: a record set in a hosted zone, such as the name of the load
//! balancer.
//!
//! A record set is one object, found by zone, name and type; every other record
//! of the zone is left alone. Sets with a routing policy, of which there may be
//! several with one name, are others'.

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::eks::{list, problem, text, typed};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, OnChange,
    Operation, Problem, Questions, ReadError, Readiness, Reading, Rule, Step, Subject, Verb,
    domain, iam,
};
use crate::command::{Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

/// The adapter.
#[derive(Debug)]
pub struct Route53Record;

// Parts of the identity, and attributes of the normal form.
const ZONE_ID: &str = "zoneId";
const NAME: &str = "name";
const TYPE: &str = "type";
const TTL: &str = "ttl";
const VALUES: &str = "values";
const ALIAS: &str = "alias";

// Facts.
/// The record set as Route 53 answered it: a deletion names all of it.
const RAW: &str = "raw";
/// Whether it has a routing policy.
const ROUTED: &str = "routed";

/// How long a record may be remembered, in seconds, where the manifest does not
/// say.
const DEFAULT_TTL: u64 = 300;

/// A record in a hosted zone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RecordSpec {
    /// The id of the zone, such as `${Route53Zone.main.zoneId}`. Another zone
    /// means another record.
    zone_id: String,
    /// The record's name, whole: `lakehouse.example.com`; a star may be its
    /// first label. Another name means another record.
    name: String,
    /// The record's type. Another type means another record.
    r#type: RecordType,
    /// What the name leads to: host names for a `CNAME`, addresses for an `A`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    /// How long resolvers may remember the values, in seconds. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
    /// In place of `values`: a name of AWS (of a load balancer), followed by
    /// Route 53 itself; also for the name of the zone itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alias: Option<AliasSpec>,
}

/// What an alias follows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AliasSpec {
    /// The name that is followed, such as a load balancer's host name.
    dns_name: String,
    /// The zone that this name lies in: AWS's own one for load balancers of the
    /// region.
    zone_id: String,
    /// Whether Route 53 looks if what is followed is healthy. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evaluate_target_health: Option<bool>,
}

/// The types of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum RecordType {
    /// IPv4 addresses, or an alias.
    A,
    /// IPv6 addresses, or an alias.
    #[serde(rename = "AAAA")]
    Aaaa,
    /// Another name for a host.
    #[serde(rename = "CNAME")]
    Cname,
    /// Texts, each in quotes.
    #[serde(rename = "TXT")]
    Txt,
}

impl RecordType {
    fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Txt => "TXT",
        }
    }
}

impl Adapter for Route53Record {
    fn schema(&self) -> Schema {
        schema_for!(RecordSpec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        const fn attribute(name: &'static str) -> Attribute {
            Attribute { name, rule: Rule::Exact, on_change: OnChange::Update }
        }
        const ATTRIBUTES: &[Attribute] = &[attribute(TTL), attribute(VALUES), attribute(ALIAS)];
        ATTRIBUTES
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "the record's name")]
    }

    fn desired(&self, spec: &Value, _context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(spec) = typed::<RecordSpec>(spec, &mut problems) else { return Err(problems) };
        check(&spec, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(normal_form(&spec))
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let part = |name: &str| subject.identity.part(name);
        // The whole zone: one read for all records in it, and small zones are
        // the rule.
        let command = Command::read(Tool::Aws, &["route53", "list-resource-record-sets"])
            .flag("--hosted-zone-id", part(ZONE_ID));
        let mut questions = Questions::new(answers);
        let Some(answer) = questions.ask(command.clone()) else { return Ok(questions.asking()) };
        // With its zone the record is gone too.
        if answer.is_service_error("NoSuchHostedZone") && subject.prior.is_some() {
            return Ok(Reading::Live(Live::Absent));
        }
        let sets = list(&command, answer, "ResourceRecordSets")?;
        let is_it = |set: &&Json| {
            text(set, "/Type") == Some(part(TYPE))
                && text(set, "/Name").is_some_and(|name| domain::normal(name) == part(NAME))
        };
        let live = match sets.iter().find(is_it) {
            None => Live::Absent,
            Some(set) => Live::Present(Box::new(object(set, part(TYPE)))),
        };
        Ok(Reading::Live(live))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        if let Some(blocker) = operation.object.and_then(|o| routed(operation.identity, o)) {
            return Err(vec![blocker]);
        }
        Ok(steps(operation))
    }

    fn readiness(&self, desired: &Desired, object: &Object) -> Readiness {
        match routed(&desired.identity, object) {
            Some(blocker) => Readiness::NotReady(vec![blocker]),
            None => Readiness::Ready,
        }
    }
}

/// What keeps a record set of others' from being changed.
fn routed(identity: &Identity, object: &Object) -> Option<Blocker> {
    let routed = object.facts.get(ROUTED).and_then(Value::as_bool) == Some(true);
    routed.then(|| Blocker {
        code: "RecordIsRouted".into(),
        message: format!(
            "the record {} {} has a routing policy (weights, places, failover): it was not made \
             here",
            identity.part(NAME),
            identity.part(TYPE)
        ),
        next: "remove it, or give the record of this manifest another name".into(),
    })
}

fn check(spec: &RecordSpec, problems: &mut Vec<Problem>) {
    let zone = spec.zone_id.trim_start_matches("/hostedzone/");
    let is_zone = (1..=32).contains(&zone.len()) && zone.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_unknown_text(&spec.zone_id) && !is_zone {
        problems.push(problem(
            Path::new(ZONE_ID),
            format!("`{}` is not the id of a hosted zone", spec.zone_id),
            "refer to the zone: ${Route53Zone.NAME.zoneId}",
        ));
    }
    domain::check(&spec.name, NAME, true, problems);
    let values = spec.values.as_deref().unwrap_or_default();
    match (&spec.alias, values) {
        (Some(_), []) if spec.ttl.is_some() => problems.push(problem(
            Path::new(TTL),
            "an alias has no `ttl`: that of what it follows counts",
            "remove it",
        )),
        (None, []) => problems.push(problem(
            Path::default(),
            "the record leads nowhere",
            "add `values` or `alias`",
        )),
        (Some(_), [_, ..]) => problems.push(problem(
            Path::new(ALIAS),
            "the record has both `values` and `alias`",
            "keep one of them",
        )),
        (Some(_), []) | (None, [_, ..]) => {}
    }
    let path = Path::new(VALUES);
    if spec.r#type == RecordType::Cname && values.len() > 1 {
        problems.push(problem(path.clone(), "a CNAME has one value", "keep one of them"));
    }
    for (index, value) in values.iter().enumerate().filter(|(_, value)| !is_unknown_text(value)) {
        let (good, help) = match spec.r#type {
            RecordType::A => (value.parse::<std::net::Ipv4Addr>().is_ok(), "write an IPv4 address"),
            RecordType::Aaaa => {
                (value.parse::<std::net::Ipv6Addr>().is_ok(), "write an IPv6 address")
            }
            RecordType::Cname => (domain::is_domain(value, false), "write a host name"),
            RecordType::Txt => (
                value.len() >= 2 && value.starts_with('"') && value.ends_with('"'),
                "put it in quotes: '\"text\"'",
            ),
        };
        if !good {
            problems.push(problem(
                path.join(index.to_string()),
                format!("`{value}` can't be a value of a record of type {}", spec.r#type.as_str()),
                help,
            ));
        }
    }
    if let Some(alias) = &spec.alias {
        if !is_unknown_text(&alias.dns_name) && !domain::is_domain(&alias.dns_name, false) {
            problems.push(problem(
                Path::new(ALIAS).join("dnsName"),
                format!("`{}` is not a host name", alias.dns_name),
                "",
            ));
        }
        if matches!(spec.r#type, RecordType::Cname | RecordType::Txt) {
            problems.push(problem(
                Path::new(TYPE),
                "an alias to a load balancer has type A or AAAA",
                "write `type: A`, or `values` in place of `alias`",
            ));
        }
    }
    if spec.ttl.is_some_and(|ttl| ttl > 2_147_483_647) {
        problems.push(problem(Path::new(TTL), "a ttl has 2147483647 seconds at most", ""));
    }
}

/// A text of the spec, brought into normal form where it is known.
fn with(text: &str, normal: impl Fn(&str) -> String) -> Value {
    match Value::from_spec_text(text) {
        Value::String(text) => Value::String(normal(&text)),
        other => other,
    }
}

fn zone_of(id: &str) -> String {
    id.trim_start_matches("/hostedzone/").to_owned()
}

/// A value as Route 53 means it: host names whatever their case and last dot.
fn value_of(kind: &str, value: &str) -> String {
    match kind {
        "CNAME" => domain::normal(value),
        "AAAA" => value.parse::<std::net::Ipv6Addr>().map_or(value.to_owned(), |a| a.to_string()),
        _ => value.to_owned(),
    }
}

fn sorted(mut values: Vec<Value>) -> Value {
    values.sort_by_key(ToString::to_string);
    Value::List(values)
}

fn normal_form(spec: &RecordSpec) -> Desired {
    let kind = spec.r#type.as_str();
    let name = with(&spec.name, domain::normal);
    let mut attributes = Map::new();
    if let Some(alias) = &spec.alias {
        let alias = iam::map([
            ("dnsName", with(&alias.dns_name, domain::normal)),
            ("zoneId", with(&alias.zone_id, zone_of)),
            ("evaluateTargetHealth", alias.evaluate_target_health.unwrap_or(false).into()),
        ]);
        attributes.insert(ALIAS.into(), alias.into());
    } else {
        let values = spec.values.iter().flatten();
        let values = values.map(|value| with(value, |value| value_of(kind, value))).collect();
        attributes.insert(VALUES.into(), sorted(values));
        attributes.insert(TTL.into(), spec.ttl.unwrap_or(DEFAULT_TTL).into());
    }
    Desired {
        identity: Identity::new([
            (ZONE_ID, with(&spec.zone_id, zone_of)),
            (NAME, name.clone()),
            (TYPE, kind.into()),
        ]),
        attributes,
        outputs: iam::map([("name", name)]),
        ..Desired::default()
    }
}

fn object(set: &Json, kind: &str) -> Object {
    let mut attributes = Map::new();
    if let Some(alias) = set.get("AliasTarget").filter(|alias| alias.is_object()) {
        let health = alias.get("EvaluateTargetHealth").and_then(Json::as_bool).unwrap_or(false);
        let alias = iam::map([
            ("dnsName", domain::normal(text(alias, "/DNSName").unwrap_or("")).into()),
            ("zoneId", zone_of(text(alias, "/HostedZoneId").unwrap_or("")).into()),
            ("evaluateTargetHealth", health.into()),
        ]);
        attributes.insert(ALIAS.into(), alias.into());
    } else {
        let records = set.get("ResourceRecords").and_then(Json::as_array);
        let values = records
            .into_iter()
            .flatten()
            .filter_map(|record| Some(value_of(kind, text(record, "/Value")?).into()))
            .collect();
        attributes.insert(VALUES.into(), sorted(values));
        if let Some(ttl) = set.get("TTL") {
            attributes.insert(TTL.into(), Value::from_json(ttl));
        }
    }
    let name = domain::normal(text(set, "/Name").unwrap_or(""));
    let facts = iam::map([
        (RAW, Value::from_json(set)),
        (ROUTED, set.get("SetIdentifier").is_some().into()),
    ]);
    Object { attributes, outputs: iam::map([("name", name.into())]), facts, ..Object::default() }
}

fn steps(operation: &Operation<'_>) -> Vec<Step> {
    let part = |name: &str| iam::part(operation.identity, name);
    let (title, action, set) = match (operation.verb, operation.desired) {
        (Verb::Delete, _) => {
            let raw = operation.object.and_then(|object| object.facts.get(RAW));
            ("delete the record", "DELETE", raw.cloned().unwrap_or_default())
        }
        // One that someone has made since is not overwritten.
        (Verb::Create, Some(desired)) => {
            ("create the record", "CREATE", record_set(operation, desired))
        }
        (Verb::Update | Verb::Repair, Some(desired)) => {
            ("set the record", "UPSERT", record_set(operation, desired))
        }
        // Only a delete comes without a desired value.
        (Verb::Create | Verb::Update | Verb::Repair, None) => return Vec::new(),
    };
    let change = iam::map([("Action", action.into()), ("ResourceRecordSet", set)]);
    let batch = iam::map([("Changes", Value::List(vec![change.into()]))]);
    let input = iam::map([("HostedZoneId", part(ZONE_ID)), ("ChangeBatch", batch.into())]);
    let title = format!("{title} {} {}", iam::label(&part(NAME)), iam::label(&part(TYPE)));
    let command = Command::aws_write("route53", "change-resource-record-sets", Value::Map(input));
    vec![Step::new(title, command)]
}

fn record_set(operation: &Operation<'_>, desired: &Desired) -> Value {
    let part = |name: &str| iam::part(operation.identity, name);
    let mut set = iam::map([("Name", part(NAME)), ("Type", part(TYPE))]);
    if let Some(alias) = desired.attributes.get(ALIAS) {
        let of = |name: &str| alias.get(name).cloned().unwrap_or_default();
        let target = iam::map([
            ("DNSName", of("dnsName")),
            ("HostedZoneId", of("zoneId")),
            ("EvaluateTargetHealth", of("evaluateTargetHealth")),
        ]);
        set.insert("AliasTarget".into(), target.into());
    } else {
        let values = desired.attributes.get(VALUES).and_then(Value::as_list).unwrap_or_default();
        let records = values.iter().map(|value| iam::map([("Value", value.clone())]).into());
        set.insert("ResourceRecords".into(), Value::List(records.collect()));
        set.insert("TTL".into(), desired.attributes.get(TTL).cloned().unwrap_or_default());
    }
    Value::Map(set)
}

#[cfg(test)]
mod tests;
