use serde_json::json;

use super::*;
use crate::adapter::Prior;
use crate::adapter::eks::testing::{call, change, failed, ok, present, read, value};

const LIST: &str = "aws route53 list-resource-record-sets --hosted-zone-id Z1";

fn spec() -> Json {
    json!({
        "zoneId": "/hostedzone/Z1",
        "name": "*.K8.Example.com.",
        "type": "CNAME",
        "values": ["LB.example.net."],
    })
}

fn desired(spec: &Json) -> Result<Desired, Vec<Problem>> {
    Route53Record.desired(&value(spec), &Context::default())
}

fn sets(sets: impl Into<Json>) -> crate::command::Answer {
    let sets = sets.into();
    ok(&json!({ "ResourceRecordSets": sets }))
}

#[test]
fn spelling_is_no_difference() {
    let desired = desired(&spec()).unwrap();
    assert_eq!(desired.identity.to_string(), "name=*.k8.example.com type=CNAME zoneId=Z1");
    let raw = json!({
        "Name": "\\052.k8.example.com.", "Type": "CNAME", "TTL": 300,
        "ResourceRecords": [{"Value": "lb.EXAMPLE.net"}],
    });
    let table = [(
        LIST,
        sets(json!([
            {"Name": "k8.example.com.", "Type": "CNAME", "TTL": 1, "ResourceRecords": [{"Value": "x.org"}]},
            {"Name": "\\052.k8.example.com.", "Type": "TXT", "TTL": 1, "ResourceRecords": [{"Value": "\"x\""}]},
            raw,
        ])),
    )];
    let object = present(read(&Route53Record, Some(&desired), None, &table).0);
    assert_eq!(object.attributes, desired.attributes);
    // A deletion names all of it as it was answered.
    let prior = Prior { identity: desired.identity.clone(), ..Prior::default() };
    let operation = Operation {
        verb: Verb::Delete,
        identity: &desired.identity,
        desired: None,
        prior: Some(&prior),
        object: Some(&object),
        changes: &[],
    };
    let steps = Route53Record.steps(&operation).unwrap();
    let (name, input) = call(&steps[0].command);
    assert_eq!(name, "route53 change-resource-record-sets");
    assert_eq!(input["HostedZoneId"], "Z1");
    let expected = json!([{"Action": "DELETE", "ResourceRecordSet": raw}]);
    assert_eq!(input["ChangeBatch"]["Changes"], expected);
}

#[test]
fn a_new_one_overwrites_nobody_and_a_changed_one_is_set() {
    let record = desired(&spec()).unwrap();
    let operation = |verb| Operation {
        verb,
        identity: &record.identity,
        desired: Some(&record),
        prior: None,
        object: None,
        changes: &[],
    };
    for (verb, action) in [(Verb::Create, "CREATE"), (Verb::Update, "UPSERT")] {
        let steps = Route53Record.steps(&operation(verb)).unwrap();
        let (_, input) = call(&steps[0].command);
        let expected = json!([{"Action": action, "ResourceRecordSet": {
            "Name": "*.k8.example.com", "Type": "CNAME", "TTL": 300,
            "ResourceRecords": [{"Value": "lb.example.net"}],
        }}]);
        assert_eq!(input["ChangeBatch"]["Changes"], expected);
    }
    let alias = desired(&json!({
        "zoneId": "Z1", "name": "example.com", "type": "A",
        "alias": {"dnsName": "LB.example.net.", "zoneId": "Z3"},
    }))
    .unwrap();
    let changes = [change(&["alias"], None, alias.attributes.get("alias").cloned())];
    let operation = Operation {
        identity: &alias.identity,
        desired: Some(&alias),
        changes: &changes,
        ..operation(Verb::Update)
    };
    let (_, input) = call(&Route53Record.steps(&operation).unwrap()[0].command);
    assert_eq!(
        input["ChangeBatch"]["Changes"][0]["ResourceRecordSet"],
        json!({"Name": "example.com", "Type": "A", "AliasTarget": {
            "DNSName": "lb.example.net", "HostedZoneId": "Z3", "EvaluateTargetHealth": false,
        }})
    );
}

#[test]
fn records_with_a_routing_policy_are_others() {
    let desired = desired(&spec()).unwrap();
    let table = [(
        LIST,
        sets(json!([{
            "Name": "\\052.k8.example.com.", "Type": "CNAME", "TTL": 300, "SetIdentifier": "a", "Weight": 1,
            "ResourceRecords": [{"Value": "x.org"}],
        }])),
    )];
    let object = present(read(&Route53Record, Some(&desired), None, &table).0);
    let operation = Operation {
        verb: Verb::Update,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object: Some(&object),
        changes: &[],
    };
    assert_eq!(Route53Record.steps(&operation).unwrap_err()[0].code, "RecordIsRouted");
    assert!(matches!(Route53Record.readiness(&desired, &object), Readiness::NotReady(_)));
}

#[test]
fn absent_is_what_the_list_does_not_hold() {
    let desired = desired(&spec()).unwrap();
    let told = |prior: Option<&Prior>, answer| {
        read(&Route53Record, Some(&desired), prior, &[(LIST, answer)]).0
    };
    assert_eq!(told(None, sets(json!([]))), Ok(Live::Absent));
    let no_zone = || failed("NoSuchHostedZone", "ListResourceRecordSets", "no");
    let prior = Prior { identity: desired.identity.clone(), ..Prior::default() };
    assert_eq!(told(Some(&prior), no_zone()), Ok(Live::Absent));
    for answer in
        [no_zone(), failed("AccessDenied", "ListResourceRecordSets", "no"), ok(&json!({}))]
    {
        assert!(told(None, answer).is_err());
    }
}

#[test]
fn problems_name_the_place() {
    for (field, told, path) in [
        ("zoneId", json!("example.com"), "zoneId"),
        ("name", json!("no spaces"), "name"),
        ("values", json!(["a.org", "b.org"]), "values"),
        ("values", json!(["not a host"]), "values.0"),
        ("values", json!([]), ""),
        ("type", json!("A"), "values.0"),
        ("alias", json!({"dnsName": "a.org", "zoneId": "Z3"}), "alias"),
    ] {
        let mut spec = spec();
        spec[field] = told;
        let problems = desired(&spec).unwrap_err();
        assert!(problems.iter().any(|p| p.path.to_string() == path), "{spec}: {problems:?}");
    }
    let mut unknown = spec();
    unknown["values"] = json!([]);
    let mut unknown = value(&unknown);
    if let Value::Map(spec) = &mut unknown {
        let host = Value::Unknown("${HelmRelease.ingress.host}".into());
        spec.insert("values".into(), Value::List(vec![host]));
    }
    let desired = Route53Record.desired(&unknown, &Context::default()).unwrap();
    assert!(desired.attributes["values"].has_unknown() && desired.identity.is_known());
}
