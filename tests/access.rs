//! The access delta: pairs of documents with the whole delta of each, kinds
//! that are more than one document, and random documents against an evaluator
//! that tries every request of a small world.
//!
//! `LKH_ACCEPT=1` writes what is expected of the pairs anew; the verdicts are
//! written by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use lkh::access::{AccessDelta, Verdict};
use lkh::plan::{Plan, risk};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// A plan of these changes, each: address, action, identity, before, after.
fn plan(changes: &[(&str, &str, Json, Json, Json)]) -> Plan {
    let change = |(address, action, identity, before, after): &(&str, &str, Json, Json, Json)| {
        let mut change = json!({
            "address": address,
            "action": action,
            "identity": identity,
            "reason": {"code": "fieldsDiffer"},
            "fields": [], "foreign": [], "notes": [], "commands": [], "dependsOn": [],
            "blockers": [],
        });
        for (side, value) in [("before", before), ("after", after)] {
            if !value.is_null() {
                change[side] = value.clone();
            }
        }
        change
    };
    serde_json::from_value(json!({
        "formatVersion": lkh::plan::FORMAT_VERSION,
        "stack": "s",
        "mode": "apply",
        "account": "111122223333",
        "region": "eu-west-1",
        "lineage": null,
        "serial": 0,
        "manifests": format!("sha256:{}", "0".repeat(64)),
        "variables": {},
        "targets": [],
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
    }))
    .unwrap()
}

/// The delta of one document.
fn delta(of: &str, before: Option<&Json>, after: Option<&Json>) -> AccessDelta {
    let (address, identity, attribute) = match of {
        "trust" => ("IamRole.x", json!({"roleName": "x"}), "trustPolicy"),
        "bucket" => ("S3Bucket.x", json!({"bucket": "x"}), "policy"),
        _ => ("IamPolicy.x", json!({"policyName": "x", "arn": "arn:x"}), "document"),
    };
    // The object is there in any case; only its document comes and goes.
    let object =
        |document: Option<&Json>| document.map_or(json!({}), |one| json!({attribute: one}));
    AccessDelta::of(&plan(&[(address, "update", identity, object(before), object(after))]))
}

/// The delta as the table has it.
fn lines(delta: &AccessDelta) -> String {
    let mut text = String::new();
    for one in &delta.principals {
        for gain in &one.gains {
            let _ = writeln!(text, "+ {}", gain.as_gain());
        }
        for loss in &one.losses {
            let _ = writeln!(text, "- {}", loss.as_loss());
        }
        for flag in &one.flags {
            let _ = writeln!(text, "! {}", flag.words());
        }
        for what in &one.undecided {
            let _ = writeln!(text, "? {what}");
        }
    }
    for one in &delta.bindings {
        let sign = if one.gained { '+' } else { '-' };
        let (account, role, by) = (&one.service_account, &one.role, one.by.words());
        let _ = writeln!(text, "{sign} {}:{account} is {role} ({by})", one.cluster);
    }
    text
}

fn verdict(delta: &AccessDelta) -> Verdict {
    delta.principals.iter().map(|one| one.verdict).fold(Verdict::Unchanged, Verdict::and)
}

#[test]
fn pairs_of_documents_have_the_delta_of_the_table() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/access");
    let text = fs::read_to_string(folder.join("pairs.yaml")).unwrap();
    let table: Vec<Json> = serde_yaml::from_str(&text).unwrap();
    assert!(table.len() >= 60, "the table was not read");
    let mut whole = String::new();
    let mut wrong = Vec::new();
    for case in &table {
        let name = case["name"].as_str().unwrap();
        let document = |side: &str| {
            let version = case["version"].as_str().filter(|_| side == "after");
            case.get(side).map(|statements| {
                json!({"Version": version.unwrap_or("2012-10-17"), "Statement": statements})
            })
        };
        let delta = delta(
            case["of"].as_str().unwrap_or("policy"),
            document("before").as_ref(),
            document("after").as_ref(),
        );
        let found = verdict(&delta);
        if case["is"].as_str() != Some(found.word()) {
            wrong.push(format!("{name}: {} instead of {}", found.word(), case["is"]));
        }
        let _ = writeln!(whole, "{name}: {}\n{}", found.word(), lines(&delta));
    }
    assert!(wrong.is_empty(), "{}\n{whole}", wrong.join("\n"));
    let expected = folder.join("expected.txt");
    if std::env::var_os("LKH_ACCEPT").is_some() {
        fs::write(&expected, &whole).unwrap();
    }
    let expected = fs::read_to_string(expected).unwrap();
    assert_eq!(whole, expected, "LKH_ACCEPT=1 writes tests/access/expected.txt anew");
}

// ---- more than one document ------------------------------------------------

fn statement(action: &str) -> Json {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
    })
}

/// The delta of a role, with whatever else the plan holds.
fn role(before: Json, after: Json, others: &[(&str, &str, Json, Json, Json)]) -> AccessDelta {
    let mut changes = others.to_vec();
    changes.push(("IamRole.r", "update", json!({"roleName": "r"}), before, after));
    AccessDelta::of(&plan(&changes))
}

const P: &str = "arn:aws:iam::111122223333:policy/p";

fn policy(
    action: &'static str,
    before: Json,
    after: Json,
) -> (&'static str, &'static str, Json, Json, Json) {
    let document = |doc: Json| if doc.is_null() { doc } else { json!({"document": doc}) };
    let identity = json!({"policyName": "p", "arn": P});
    ("IamPolicy.p", action, identity, document(before), document(after))
}

#[test]
fn attachments_are_judged_by_what_the_plan_knows_of_them() {
    let holds = |arns: &[&str]| json!({"managedPolicies": arns});
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";

    let found = role(holds(&[]), holds(&[admin]), &[]);
    assert_eq!(lines(&found), format!("+ everything in {admin}\n! administrator access\n"));
    assert_eq!(verdict(&found), Verdict::Widened);
    assert_eq!(verdict(&role(holds(&[admin]), holds(&[]), &[])), Verdict::Narrowed);

    // What an unknown policy denies would be allowed once it goes.
    let other = "arn:aws:iam::aws:policy/AWSDenyAll";
    assert_eq!(verdict(&role(holds(&[other]), holds(&[]), &[])), Verdict::Undecided);

    // A policy that stays as it is, known from the plan.
    let same = policy("no-op", Json::Null, statement("s3:GetObject"));
    let found = role(holds(&[]), holds(&[P]), std::slice::from_ref(&same));
    assert_eq!(lines(&found), "+ s3:GetObject on *\n! new wildcard resource\n");

    // A policy that the plan makes is told where it is.
    let made = policy("create", Json::Null, statement("s3:GetObject"));
    let found = role(holds(&[]), holds(&[P]), std::slice::from_ref(&made));
    assert_eq!(found.principals.len(), 2);
    assert_eq!(found.principals[1].principal, "policy p (held by role r)");
    assert_eq!(found.principals[0].gains[0].as_gain(), format!("everything in {P}"));

    // What moves from one place into another becomes possible nowhere.
    let before = json!({"inlinePolicies": {"a": statement("s3:GetObject")}, "managedPolicies": []});
    let after = json!({"inlinePolicies": {}, "managedPolicies": [P]});
    let found = role(before, after, &[same]);
    assert_eq!(verdict(&found), Verdict::Reformatted, "{}", lines(&found));
}

#[test]
fn a_policy_that_changes_names_its_holders_and_they_stay_quiet() {
    let holder = |name: &str| json!({"managedPolicies": [P], "trustPolicy": statement(name)});
    let changed = policy("update", statement("s3:GetObject"), statement("s3:*"));
    let quiet = ("IamRole.a", "no-op", json!({"roleName": "a"}), Json::Null, holder("x"));
    let found = role(holder("x"), holder("x"), &[changed, quiet]);
    assert_eq!(found.principals.len(), 1);
    assert_eq!(found.principals[0].principal, "policy p (held by roles a, r)");
    assert_eq!(found.verdict(&"IamPolicy.p".parse().unwrap()), Verdict::Widened);
    assert_eq!(found.verdict(&"IamRole.r".parse().unwrap()), Verdict::Unchanged);
    let told: Vec<_> = found.for_risks().into_values().collect();
    assert!(matches!(told.as_slice(), [risk::Verdict::Wider(_)]), "{told:?}");
}

#[test]
fn a_boundary_narrows_when_it_comes_and_widens_when_it_goes() {
    let bounded = |arn: &str| json!({"permissionsBoundary": arn});
    let found = role(bounded(P), json!({}), &[]);
    assert_eq!(
        lines(&found),
        format!("+ no longer limited by the boundary {P}\n! removed boundary\n")
    );
    assert_eq!(verdict(&found), Verdict::Widened);
    assert_eq!(verdict(&role(json!({}), bounded(P), &[])), Verdict::Narrowed);
    assert_eq!(verdict(&role(bounded(P), bounded("arn:q"), &[])), Verdict::Undecided);
}

#[test]
fn what_is_made_gains_and_what_goes_loses() {
    let whole = json!({
        "trustPolicy": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ]},
        "inlinePolicies": {"a": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"},
        ]}},
    });
    let of = |action: &str, before: Json, after: Json| {
        let identity = json!({"roleName": "r"});
        AccessDelta::of(&plan(&[("IamRole.r", action, identity, before, after)]))
    };
    let made = of("create", Json::Null, whole.clone());
    assert_eq!(
        lines(&made),
        "+ s3:* on *\n! new wildcard action\n! new wildcard resource\n\
         + Service ec2.amazonaws.com: sts:AssumeRole\n! new trusted principal\n"
    );
    assert_eq!(verdict(&made), Verdict::Widened);
    let gone = of("delete", whole.clone(), Json::Null);
    assert_eq!(lines(&gone), "- s3:* on *\n- Service ec2.amazonaws.com: sts:AssumeRole\n");
    assert_eq!(verdict(&gone), Verdict::Narrowed);
    for quiet in ["no-op", "forget"] {
        assert_eq!(of(quiet, whole.clone(), Json::Null), AccessDelta::default());
    }
    // What could not be read may become anything.
    assert_eq!(verdict(&of("unknown", Json::Null, Json::Null)), Verdict::Undecided);
    assert_eq!(verdict(&of("update", whole, Json::Null)), Verdict::Undecided);
}

#[test]
fn access_entries_are_compared_by_scope() {
    let admin = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
    let view = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    let entry = |policies: Json, groups: Json| json!({"type": "STANDARD", "accessPolicies": policies, "kubernetesGroups": groups});
    let of = |action: &str, before: Json, after: Json| {
        let arn = "arn:aws:iam::111122223333:role/people/dev";
        let identity = json!({"clusterName": "c", "principalArn": arn});
        AccessDelta::of(&plan(&[("EksAccessEntry.e", action, identity, before, after)]))
    };
    let everywhere = json!({"type": "cluster", "namespaces": []});
    let lake = json!({"type": "namespace", "namespaces": ["lake"]});

    let made = of("create", Json::Null, entry(json!({admin: everywhere}), json!([])));
    assert_eq!(made.principals[0].principal, "role dev");
    assert_eq!(
        lines(&made),
        "+ an access entry of type STANDARD in cluster c\n\
         + AmazonEKSClusterAdminPolicy in all of cluster c\n\
         ! administrator access\n! new trusted principal\n"
    );
    let narrowed = of(
        "update",
        entry(json!({view: everywhere}), json!(["dev"])),
        entry(json!({view: lake}), json!([])),
    );
    assert_eq!(verdict(&narrowed), Verdict::Narrowed);
    assert_eq!(
        lines(&narrowed),
        "- AmazonEKSViewPolicy in all of cluster c\n- Kubernetes group dev in cluster c\n"
    );
    let widened = of(
        "update",
        entry(json!({view: lake}), json!([])),
        entry(json!({view: everywhere}), json!([])),
    );
    assert_eq!(verdict(&widened), Verdict::Widened, "{}", lines(&widened));
    assert_eq!(widened.principals[0].losses, []);
}

#[test]
fn a_bucket_may_lose_its_protection() {
    let block = |policy: bool| {
        json!({"publicAccessBlock": {
            "blockPublicAcls": true, "blockPublicPolicy": policy,
            "ignorePublicAcls": true, "restrictPublicBuckets": true,
        }})
    };
    let of = |action: &str, before: Json, after: Json| {
        AccessDelta::of(&plan(&[("S3Bucket.b", action, json!({"bucket": "b"}), before, after)]))
    };
    let opened = of("update", block(true), block(false));
    assert_eq!(lines(&opened), "+ no longer protected by blockPublicPolicy\n");
    assert_eq!(verdict(&opened), Verdict::Widened);
    assert_eq!(verdict(&of("update", block(false), block(true))), Verdict::Narrowed);
    assert_eq!(of("create", Json::Null, block(true)), AccessDelta::default());
    assert_eq!(verdict(&of("create", Json::Null, block(false))), Verdict::Widened);
}

#[test]
fn service_accounts_get_and_lose_roles() {
    let identity = json!({"clusterName": "c", "namespace": "lake", "serviceAccount": "spark"});
    let role = |name: &str| json!({"roleArn": format!("arn:{name}"), "targetRoleArn": ""});
    let address = "PodIdentityAssociation.spark";
    let found = AccessDelta::of(&plan(&[(address, "update", identity, role("a"), role("b"))]));
    assert_eq!(
        lines(&found),
        "- c:lake/spark is arn:a (pod identity)\n+ c:lake/spark is arn:b (pod identity)\n"
    );
    assert_eq!(found.verdict(&address.parse().unwrap()), Verdict::Both);
    assert!(!found.is_quiet());

    let annotated = |role: &str| json!({"eks.amazonaws.com/role-arn": role});
    let values = json!({"values": {"server": {"serviceAccount": {
        "name": "trino", "annotations": annotated("arn:t"),
    }}}});
    let objects = json!({"objects": {
        "Deployment/lake/trino": {},
        "ServiceAccount/lake/trino": {"metadata": {"annotations": annotated("arn:u")}},
    }});
    let identity = json!({"namespace": "lake", "releaseName": "trino"});
    let of = |action: &str, before: Json, after: Json| {
        lines(&AccessDelta::of(&plan(&[(
            "HelmRelease.t",
            action,
            identity.clone(),
            before,
            after,
        )])))
    };
    let words = "(annotation of the service account)";
    assert_eq!(
        of("create", Json::Null, values.clone()),
        format!("+ :lake/trino is arn:t {words}\n")
    );
    assert_eq!(
        of("update", objects.clone(), values),
        format!("+ :lake/trino is arn:t {words}\n- :lake/trino is arn:u {words}\n")
    );
    assert_eq!(of("update", objects.clone(), objects), "");
}

// ---- random documents ------------------------------------------------------

/// One request: principal, action, resource, and the values of two keys.
#[derive(Debug, Clone, Copy)]
struct Request {
    principal: (&'static str, &'static str),
    action: &'static str,
    resource: &'static str,
    keys: [Option<&'static str>; 2],
}

fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    for principal in [("AWS", "r1"), ("AWS", "r2"), ("Service", "s1")] {
        for action in ["s3:get", "s3:put", "s3:getacl", "iam:passrole", "x:y"] {
            for resource in ["a", "A", "ab", "b", "cab"] {
                for first in [None, Some("x"), Some("xy"), Some("X"), Some("z")] {
                    for second in [None, Some("true"), Some("false")] {
                        let keys = [first, second];
                        all.push(Request { principal, action, resource, keys });
                    }
                }
            }
        }
    }
    all
}

/// Whether a text matches a pattern, by trying everything.
fn glob(pattern: &str, text: &str) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|skip| glob(chars.as_str(), &text[skip..])),
        Some('?') => !text.is_empty() && glob(chars.as_str(), &text[1..]),
        Some(c) => text.starts_with(c) && glob(chars.as_str(), &text[1..]),
    }
}

fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(list) => list.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    }
}

fn applies(statement: &Json, request: Request) -> bool {
    let any = |key: &str, matches: &dyn Fn(&str) -> bool| {
        statement.get(key).map(|list| texts(list).iter().any(|one| matches(one)))
    };
    let action = |one: &str| glob(&one.to_lowercase(), request.action);
    let resource = |one: &str| glob(one, request.resource);
    let side = |yes: Option<bool>, no: Option<bool>| yes.unwrap_or(true) && !no.unwrap_or(false);
    let principal = |value: &Json| match value {
        Json::String(_) => true,
        value => {
            let (kind, name) = request.principal;
            value
                .get(kind)
                .is_some_and(|names| texts(names).iter().any(|one| one == "*" || one == name))
        }
    };
    let condition = |operator: &str, key: &str, values: &Json| {
        let given = request.keys[usize::from(key.eq_ignore_ascii_case("k2"))];
        let values = texts(values);
        let (base, if_exists) =
            operator.strip_suffix("IfExists").map_or((operator, false), |base| (base, true));
        let any = |test: &dyn Fn(&str, &str) -> bool| match given {
            Some(given) => values.iter().any(|value| test(value, given)),
            None => if_exists,
        };
        match base {
            "StringEquals" | "Bool" => any(&|value, given| value == given),
            "StringEqualsIgnoreCase" => any(&|value, given| value.eq_ignore_ascii_case(given)),
            "StringLike" => any(&glob),
            "StringNotEquals" => given.is_none_or(|given| values.iter().all(|one| one != given)),
            "StringNotLike" => given.is_none_or(|given| values.iter().all(|one| !glob(one, given))),
            "Null" => values.iter().any(|one| (one == "true") == given.is_none()),
            other => panic!("{other}"),
        }
    };
    side(any("Action", &action), any("NotAction", &action))
        && side(any("Resource", &resource), any("NotResource", &resource))
        && side(
            statement.get("Principal").map(principal),
            statement.get("NotPrincipal").map(principal),
        )
        && statement.get("Condition").and_then(Json::as_object).into_iter().flatten().all(
            |(operator, keys)| {
                keys.as_object()
                    .unwrap()
                    .iter()
                    .all(|(key, values)| condition(operator, key, values))
            },
        )
}

fn allowed(statements: &[Json], request: Request) -> bool {
    let of = |effect: &str| {
        statements.iter().any(|one| one["Effect"] == effect && applies(one, request))
    };
    of("Allow") && !of("Deny")
}

fn some_of(pool: &'static [&'static str]) -> impl Strategy<Value = Json> {
    prop::sample::subsequence(pool, 1..=2).prop_map(|chosen| json!(chosen))
}

fn a_condition() -> impl Strategy<Value = Json> {
    let texts = prop::sample::select(vec![
        "StringEquals",
        "StringEqualsIfExists",
        "StringEqualsIgnoreCase",
        "StringLike",
        "StringLikeIfExists",
        "StringNotEquals",
        "StringNotLike",
    ]);
    let on_text = (texts, some_of(&["x", "X", "x*", "*", "z", "?"]))
        .prop_map(|(operator, values)| json!({operator: {"k1": values}}))
        .boxed();
    let truth = prop::sample::select(vec!["Bool", "BoolIfExists", "Null"]);
    let on_truth = (truth, some_of(&["true", "false"]))
        .prop_map(|(operator, values)| json!({operator: {"K2": values}}))
        .boxed();
    let both = (on_text.clone(), on_truth.clone()).prop_map(|(mut one, two)| {
        one.as_object_mut().unwrap().extend(two.as_object().unwrap().clone());
        one
    });
    prop_oneof![4 => Just(Json::Null), 2 => on_text, 1 => on_truth, 1 => both]
}

fn a_statement(principals: bool) -> impl Strategy<Value = Json> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    let key = |yes: &'static str, no: &'static str| prop_oneof![5 => Just(yes), 1 => Just(no)];
    let action = some_of(&["*", "s3:*", "S3:Get", "s3:get*", "s3:p?t", "iam:PassRole", "?:y"]);
    let resource = some_of(&["*", "a", "a*", "?", "b", "*b", "A"]);
    let principal = prop::sample::select(vec![
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": "r1"}),
        json!({"AWS": ["r1", "r2"]}),
        json!({"Service": "s1"}),
        json!({"AWS": "r2", "Service": ["s1"]}),
    ]);
    (
        (effect, key("Action", "NotAction"), action),
        (key("Resource", "NotResource"), resource),
        (key("Principal", "NotPrincipal"), principal),
        a_condition(),
    )
        .prop_map(
            move |((effect, act, action), (on, resource), (who, principal), condition)| {
                let mut statement = json!({"Effect": effect, act: action, on: resource});
                if principals {
                    statement[who] = principal;
                }
                if !condition.is_null() {
                    statement["Condition"] = condition;
                }
                statement
            },
        )
}

/// Two documents that have much in common.
fn a_pair(principals: bool) -> impl Strategy<Value = (Vec<Json>, Vec<Json>)> {
    let some = |most| prop::collection::vec(a_statement(principals), 0..=most);
    (some(2), some(2), some(2)).prop_map(|(common, before, after)| {
        let with = |own: Vec<Json>| common.iter().cloned().chain(own).collect();
        (with(before), with(after))
    })
}

/// Holds a delta to what trying every request says.
fn judge(of: &str, before: &[Json], after: &[Json]) -> Result<Verdict, TestCaseError> {
    let document = |statements: &[Json]| json!({"Version": "2012-10-17", "Statement": statements});
    let delta = delta(of, Some(&document(before)), Some(&document(after)));
    let verdict = verdict(&delta);
    let decided = delta.principals.iter().all(|one| one.undecided.is_empty());
    for request in requests() {
        let (was, is) = (allowed(before, request), allowed(after, request));
        let told = || format!("{}: {request:?}\n{}", verdict.word(), lines(&delta));
        if is && !was {
            prop_assert!(verdict >= Verdict::Undecided, "became possible, {}", told());
        }
        if was && !is {
            let possible = matches!(verdict, Verdict::Narrowed | Verdict::Both) || !decided;
            prop_assert!(possible, "stopped being possible, {}", told());
        }
    }
    Ok(verdict)
}

proptest! {
    #[test]
    fn no_request_contradicts_the_delta_of_a_policy((before, after) in a_pair(false)) {
        judge("policy", &before, &after)?;
    }

    #[test]
    fn no_request_contradicts_the_delta_of_a_bucket((before, after) in a_pair(true)) {
        judge("bucket", &before, &after)?;
    }

    /// What is only written another way is not called anything else.
    #[test]
    fn a_document_in_pieces_is_the_same((document, _) in a_pair(true)) {
        let mut pieces = Vec::new();
        for statement in document.iter().rev() {
            let Some(actions) = statement.get("Action") else {
                pieces.push(statement.clone());
                continue;
            };
            for action in texts(actions) {
                let mut piece = statement.clone();
                piece["Action"] = json!(action.to_uppercase());
                pieces.push(piece);
            }
        }
        let verdict = judge("bucket", &document, &pieces)?;
        prop_assert!(verdict <= Verdict::Reformatted, "{}", verdict.word());
    }
}
