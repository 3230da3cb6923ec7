//! `Route53Zone`: the public hosted zone that a domain lies in, looked up and
//! never made.
//!
//! The zone with the longest name counts. Private zones don't: nobody outside
//! of their networks sees them.

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::domain;
use super::eks::{list, problem, text, texts, typed};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, Operation,
    Problem, Questions, ReadError, Reading, Step, Subject, iam,
};
use crate::command::{Command, Tool};
use crate::value::{Path, Value};

/// The adapter.
#[derive(Debug)]
pub struct Route53Zone;

const DOMAIN_NAME: &str = "domainName";
/// So many zones that don't fit are told of.
const TOLD: usize = 10;

/// The public hosted zone of a domain; always external.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ZoneSpec {
    /// The domain, such as `lakehouse.example.com`: its zone is the public one
    /// with the longest name that it lies in.
    domain_name: String,
}

impl Adapter for Route53Zone {
    fn schema(&self) -> Schema {
        schema_for!(ZoneSpec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        &[]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("zoneId", "the zone's id, such as Z0123456789ABCDEFGHIJ"),
            ("name", "the zone's name, such as example.com"),
            ("nameServers", "the servers that answer for the zone: a list"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        if !context.external {
            problems.push(problem(
                Path::default(),
                "hosted zones are looked up, not made",
                "write `external: true` beside the spec",
            ));
        }
        let Some(spec) = typed::<ZoneSpec>(spec, &mut problems) else { return Err(problems) };
        domain::check(&spec.domain_name, DOMAIN_NAME, false, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let name = match Value::from_spec_text(&spec.domain_name) {
            Value::String(name) => Value::String(domain::normal(&name)),
            other => other,
        };
        Ok(Desired { identity: Identity::new([(DOMAIN_NAME, name)]), ..Desired::default() })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let name = subject.identity.part(DOMAIN_NAME);
        let mut questions = Questions::new(answers);
        let command = Command::read(Tool::Aws, &["route53", "list-hosted-zones"]);
        let Some(answer) = questions.ask(command.clone()) else { return Ok(questions.asking()) };
        let zones = list(&command, answer, "HostedZones")?;
        let mut found: Option<(String, &str)> = None;
        for zone in &zones {
            let (Some(id), Some(of)) = (text(zone, "/Id"), text(zone, "/Name")) else {
                let why = "the answer has a zone without an id or a name";
                return Err(ReadError::new(command, answer, why));
            };
            let of = domain::normal(of);
            let longer = found.as_ref().is_none_or(|(best, _)| of.len() > best.len());
            if !is_private(zone) && domain::is_in_zone(name, &of) && longer {
                found = Some((of, id));
            }
        }
        let Some((of, id)) = found else { return Ok(Reading::Missing(none_fits(name, &zones))) };
        let id = id.trim_start_matches("/hostedzone/");
        let get = Command::read(Tool::Aws, &["route53", "get-hosted-zone"]).flag("--id", id);
        let Some(answer) = questions.ask(get.clone()) else { return Ok(questions.asking()) };
        let whole = iam::whole(&get, answer)?;
        let servers = texts(&whole, "/DelegationSet/NameServers");
        let servers = servers.into_iter().map(|server| domain::normal(&server).into()).collect();
        let outputs = iam::map([
            ("zoneId", id.into()),
            ("name", of.into()),
            ("nameServers", Value::List(servers)),
        ]);
        let object = Object { outputs, ..Object::default() };
        Ok(Reading::Live(Live::Present(Box::new(object))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        Err(vec![Blocker {
            code: "ZoneNotManaged".into(),
            message: format!("the zone of {} is only looked up", operation.identity),
            next: "write `external: true` beside the spec".into(),
        }])
    }
}

fn is_private(zone: &Json) -> bool {
    zone.pointer("/Config/PrivateZone").and_then(Json::as_bool) == Some(true)
}

fn none_fits(name: &str, zones: &[Json]) -> Blocker {
    let mut told: Vec<String> = zones
        .iter()
        .filter_map(|zone| {
            let private = if is_private(zone) { " (private)" } else { "" };
            Some(format!("{}{private}", domain::normal(text(zone, "/Name")?)))
        })
        .collect();
    told.sort();
    let more = told.len().saturating_sub(TOLD);
    told.truncate(TOLD);
    let there = match (told.is_empty(), more) {
        (true, _) => "there is no zone at all".to_owned(),
        (false, 0) => format!("there are {}", told.join(", ")),
        (false, more) => format!("there are {} and {more} more", told.join(", ")),
    };
    Blocker {
        code: "ZoneMissing".into(),
        message: format!("the account has no public hosted zone for {name}: {there}"),
        next: format!(
            "make a hosted zone for the domain of {name} and let its registrar point there; or keep \
             DNS elsewhere, and remove this resource and the record"
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapter::eks::testing::{failed, ok, present, read, value};

    const LIST: &str = "aws route53 list-hosted-zones";

    fn desired(name: &str) -> Result<Desired, Vec<Problem>> {
        let context = Context { external: true, ..Context::default() };
        Route53Zone.desired(&value(&json!({"domainName": name})), &context)
    }

    fn zone(id: &str, name: &str, private: bool) -> Json {
        json!({"Id": format!("/hostedzone/{id}"), "Name": name, "Config": {"PrivateZone": private}})
    }

    #[test]
    fn the_longest_public_zone_counts() {
        let zones = ok(&json!({"HostedZones": [
            zone("Z1", "example.com.", false),
            zone("Z2", "K8.example.com.", false),
            zone("Z3", "lakehouse.k8.example.com.", true),
            zone("Z4", "ample.com.", false),
        ]}));
        let servers = ok(&json!({
            "HostedZone": {"Id": "/hostedzone/Z2"},
            "DelegationSet": {"NameServers": ["ns-2.awsdns-1.org.", "ns-1.awsdns-2.com"]},
        }));
        for (name, id, of) in [
            ("lakehouse.k8.example.com", "Z2", "k8.example.com"),
            ("K8.Example.com.", "Z2", "k8.example.com"),
            ("other.example.com", "Z1", "example.com"),
        ] {
            let get = format!("aws route53 get-hosted-zone --id {id}");
            let table = [(LIST, zones.clone()), (get.as_str(), servers.clone())];
            let (live, _) = read(&Route53Zone, Some(&desired(name).unwrap()), None, &table);
            assert_eq!(
                Value::Map(present(live).outputs),
                value(&json!({
                    "zoneId": id,
                    "name": of,
                    "nameServers": ["ns-1.awsdns-2.com", "ns-2.awsdns-1.org"],
                }))
            );
        }
        let wanted = desired("a.elsewhere.org").unwrap();
        let subject = Subject::alone(&wanted.identity, Some(&wanted), None);
        let mut answers = Answers::default();
        answers.insert(&Command::read(Tool::Aws, &["route53", "list-hosted-zones"]), zones);
        let Ok(Reading::Missing(blocker)) = Route53Zone.read(&subject, &answers) else { panic!() };
        assert_eq!(blocker.code, "ZoneMissing");
        assert!(blocker.message.contains("lakehouse.k8.example.com (private)"), "{blocker:?}");
        assert!(blocker.next.contains("DNS elsewhere"));
    }

    #[test]
    fn a_failure_is_not_absence() {
        let wanted = desired("a.example.com").unwrap();
        for answer in [
            failed("AccessDenied", "ListHostedZones", "no"),
            ok(&json!({})),
            ok(&json!({"HostedZones": [], "NextToken": "x"})),
            ok(&json!({"HostedZones": [{"Id": "/hostedzone/Z1"}]})),
        ] {
            let (live, _) = read(&Route53Zone, Some(&wanted), None, &[(LIST, answer)]);
            assert!(live.is_err());
        }
        assert!(desired("not a domain").is_err());
        let spec = value(&json!({"domainName": "example.com"}));
        assert!(Route53Zone.desired(&spec, &Context::default()).is_err());
    }
}
