//! `aws route53`: hosted zones and their records.
//!
//! `route53/zone/ID` holds a zone, `route53/record/ID/NAME/TYPE` a record set,
//! both as they are answered. The service has no region. Sets with routing
//! policies are not simulated.

use serde_json::{Value, json};

use super::facts::{self, to_second};
use super::model::{
    Answer, Call, Fault, Field, NUMBER, Operation, Service, Shape, TEXT, TEXTS, fault, may, need,
};
use crate::sandbox::world::World;

/// The service.
pub const SERVICE: Service = Service { command: "route53", operations: OPERATIONS };

const CONFIG: Shape = Shape::Structure(&[may("Comment", TEXT), may("PrivateZone", Shape::Flag)]);
const ZONE: Shape = Shape::Structure(&[
    may("Id", TEXT),
    may("Name", TEXT),
    may("CallerReference", TEXT),
    may("Config", CONFIG),
    may("ResourceRecordSetCount", NUMBER),
]);
const SET: Shape = Shape::Structure(&[
    need("Name", TEXT),
    need("Type", TEXT),
    may("TTL", NUMBER),
    may("ResourceRecords", Shape::List(&Shape::Structure(&[need("Value", TEXT)]))),
    may(
        "AliasTarget",
        Shape::Structure(&[
            need("HostedZoneId", TEXT),
            need("DNSName", TEXT),
            need("EvaluateTargetHealth", Shape::Flag),
        ]),
    ),
]);
const CHANGE_INFO: Field = may(
    "ChangeInfo",
    Shape::Structure(&[may("Id", TEXT), may("Status", TEXT), may("SubmittedAt", TEXT)]),
);
const DELEGATION: Field = may("DelegationSet", Shape::Structure(&[may("NameServers", TEXTS)]));
const ZONE_ID: Field = need("HostedZoneId", TEXT);
const ID: Field = need("Id", TEXT);

const OPERATIONS: &[Operation] = &[
    Operation {
        command: "change-resource-record-sets",
        name: "ChangeResourceRecordSets",
        input: &[
            ZONE_ID,
            need(
                "ChangeBatch",
                Shape::Structure(&[
                    may("Comment", TEXT),
                    need(
                        "Changes",
                        Shape::List(&Shape::Structure(&[
                            need("Action", TEXT),
                            need("ResourceRecordSet", SET),
                        ])),
                    ),
                ]),
            ),
        ],
        output: &[CHANGE_INFO],
        run: change,
    },
    Operation {
        command: "create-hosted-zone",
        name: "CreateHostedZone",
        input: &[need("Name", TEXT), need("CallerReference", Shape::Text(1))],
        output: &[may("HostedZone", ZONE), CHANGE_INFO, DELEGATION],
        run: create,
    },
    Operation {
        command: "delete-hosted-zone",
        name: "DeleteHostedZone",
        input: &[ID],
        output: &[CHANGE_INFO],
        run: delete,
    },
    Operation {
        command: "get-hosted-zone",
        name: "GetHostedZone",
        input: &[ID],
        output: &[may("HostedZone", ZONE), DELEGATION],
        run: get,
    },
    Operation {
        command: "list-hosted-zones",
        name: "ListHostedZones",
        input: &[],
        output: &[may("HostedZones", Shape::List(&ZONE))],
        run: list,
    },
    Operation {
        command: "list-resource-record-sets",
        name: "ListResourceRecordSets",
        input: &[ZONE_ID],
        output: &[may("ResourceRecordSets", Shape::List(&SET))],
        run: records,
    },
];

const SERVERS: [&str; 4] = [
    "ns-101.awsdns-12.com",
    "ns-722.awsdns-26.net",
    "ns-1288.awsdns-33.org",
    "ns-1801.awsdns-33.co.uk",
];

fn zone_key(id: &str) -> String {
    format!("route53/zone/{}", id.trim_start_matches("/hostedzone/"))
}

fn record_key(id: &str, name: &str, kind: &str) -> String {
    format!("route53/record/{}/{name}/{kind}", id.trim_start_matches("/hostedzone/"))
}

/// A name as the service answers it: lowercase, a dot at its end, a star as
/// `\052`.
fn normal(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('*', "\\052");
    if name.ends_with('.') { name } else { name + "." }
}

/// Makes a public zone with the records that every zone has.
pub fn put_zone(world: &mut World, name: &str, reference: &str) -> Value {
    let name = normal(name);
    let id = facts::unique_id(world, "Z0");
    let zone = json!({
        "Id": format!("/hostedzone/{id}"),
        "Name": name,
        "CallerReference": reference,
        "Config": {"PrivateZone": false},
    });
    world.put(zone_key(&id), zone.clone());
    let servers = SERVERS.map(|server| json!({"Value": format!("{server}.")}));
    let soa = "ns-101.awsdns-12.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400";
    for (kind, ttl, values) in
        [("NS", 172_800, json!(servers)), ("SOA", 900, json!([{ "Value": soa }]))]
    {
        let set = json!({"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": values});
        world.put(record_key(&id, &name, kind), set);
    }
    zone
}

fn find(call: &Call<'_>, member: &str) -> Result<Value, Fault> {
    let id = call.input.text(member).trim_start_matches("/hostedzone/");
    let mut zone =
        call.world.get(&zone_key(id)).cloned().ok_or_else(|| {
            fault("NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
        })?;
    let count = call.world.scan(&record_key(id, "", "").replace("//", "/")).count();
    zone["ResourceRecordSetCount"] = Value::from(count as u64);
    Ok(zone)
}

fn change_info(world: &mut World) -> Value {
    let id = facts::unique_id(world, "C0");
    let now = to_second(world.now());
    json!({"Id": format!("/change/{id}"), "Status": "PENDING", "SubmittedAt": now})
}

fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let reference = call.input.text("CallerReference");
    if call.world.scan("route53/zone/").any(|(_, zone)| zone["CallerReference"] == reference) {
        return Err(fault(
            "HostedZoneAlreadyExists",
            "A hosted zone has already been created with the specified caller reference.",
        ));
    }
    let zone = put_zone(call.world, call.input.text("Name"), reference);
    let info = change_info(call.world);
    Ok(Answer::Body(json!({
        "HostedZone": zone,
        "ChangeInfo": info,
        "DelegationSet": {"NameServers": SERVERS},
    })))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let zone = find(call, "Id")?;
    if zone["ResourceRecordSetCount"].as_u64() > Some(2) {
        return Err(fault(
            "HostedZoneNotEmpty",
            "The specified hosted zone contains non-required resource record sets and so cannot \
             be deleted.",
        ));
    }
    let id = zone["Id"].as_str().unwrap_or_default().to_owned();
    let all = record_key(&id, "", "").replace("//", "/");
    let keys: Vec<String> = call.world.scan(&all).map(|(key, _)| key.to_owned()).collect();
    for key in keys {
        call.world.remove(&key);
    }
    call.world.remove(&zone_key(&id));
    let info = change_info(call.world);
    Ok(Answer::Body(json!({ "ChangeInfo": info })))
}

fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let zone = find(call, "Id")?;
    Ok(Answer::Body(json!({
        "HostedZone": zone,
        "DelegationSet": {"NameServers": SERVERS},
    })))
}

#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let zones: Vec<Value> =
        call.world.scan("route53/zone/").map(|(_, zone)| zone.clone()).collect();
    Ok(Answer::Body(json!({ "HostedZones": zones })))
}

fn records(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let zone = find(call, "HostedZoneId")?;
    let id = zone["Id"].as_str().unwrap_or_default();
    let all = record_key(id, "", "").replace("//", "/");
    let sets: Vec<Value> = call.world.scan(&all).map(|(_, set)| set.clone()).collect();
    Ok(Answer::Body(json!({ "ResourceRecordSets": sets })))
}

fn change(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let zone = find(call, "HostedZoneId")?;
    let (id, of) =
        (zone["Id"].as_str().unwrap_or_default(), zone["Name"].as_str().unwrap_or_default());
    let changes = call.input.get("ChangeBatch").map(|batch| batch["Changes"].clone());
    let changes = changes.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    // All or nothing.
    let mut trial = call.world.clone();
    for change in &changes {
        one(&mut trial, id, of, change)?;
    }
    *call.world = trial;
    let info = change_info(call.world);
    Ok(Answer::Body(json!({ "ChangeInfo": info })))
}

fn refused(message: &str) -> Fault {
    fault("InvalidChangeBatch", format!("[{message}]"))
}

fn one(world: &mut World, id: &str, zone: &str, change: &Value) -> Result<(), Fault> {
    let mut set = change["ResourceRecordSet"].clone();
    let name = normal(set["Name"].as_str().unwrap_or_default());
    let kind = set["Type"].as_str().unwrap_or_default().to_owned();
    set["Name"] = Value::from(name.as_str());
    if let Some(alias) = set.get_mut("AliasTarget") {
        alias["DNSName"] = Value::from(normal(alias["DNSName"].as_str().unwrap_or_default()));
    }
    if name != zone && !name.ends_with(&format!(".{zone}")) {
        return Err(refused(&format!(
            "RRSet with DNS name {name} is not permitted in zone {zone}"
        )));
    }
    let key = record_key(id, &name, &kind);
    let there = world.get(&key).cloned();
    let told = format!("resource record set [name='{name}', type='{kind}']");
    match (change["Action"].as_str().unwrap_or_default(), there) {
        ("CREATE", Some(_)) => {
            return Err(refused(&format!("Tried to create {told} but it already exists")));
        }
        ("DELETE", None) => {
            return Err(refused(&format!("Tried to delete {told} but it was not found")));
        }
        ("DELETE", Some(there)) if there != set => {
            return Err(refused(&format!(
                "Tried to delete {told} but the values provided do not match the current values"
            )));
        }
        ("DELETE", Some(_)) => {
            world.remove(&key);
            return Ok(());
        }
        _ => {}
    }
    let names = record_key(id, &name, "");
    let conflicts = world
        .scan(&names)
        .filter_map(|(found, _)| found.strip_prefix(&names))
        .filter(|other| *other != kind)
        .any(|other| kind == "CNAME" || other == "CNAME");
    if conflicts {
        return Err(refused(&format!(
            "RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other \
             records with the same DNS name in zone {zone}"
        )));
    }
    world.put(key, set);
    Ok(())
}
