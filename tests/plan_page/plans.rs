//! The plans whose pages are looked at.

use std::fs;
use std::path::Path;
use std::process::Command;

use lkh::plan::outputs::OutputValue;
use lkh::plan::{Plan, file};
use lkh::value::Value;
use serde_json::{Value as Json, json};

/// A lakehouse that is there, and a pull request that is dangerous: a bucket of
/// another name, a policy that allows everything in S3, a pool that goes; and
/// someone took a policy off a role by hand.
pub fn dangerous() -> Plan {
    let place = tempfile::tempdir().unwrap();
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    copy(&manifests, &place.path().join("manifests"));
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_lkh"))
            .args(arguments)
            .env_clear()
            .current_dir(place.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    };
    run(&["apply", "--exec", "sandbox", "--auto-approve"]);
    run(&[
        "sandbox",
        "run",
        "--",
        "aws",
        "iam",
        "detach-role-policy",
        "--role-name",
        "KarpenterNodeRole-testskillcluster",
        "--policy-arn",
        "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
    ]);
    edit(place.path(), "manifests/20-storage/access.yaml", |text| {
        text.replace("Resource: ${S3Bucket.lake.arn}/*", "  - s3:*\n        Resource: '*'")
    });
    edit(place.path(), "manifests/60-datalake/pools.yaml", |text| {
        let (first, _) = text.split_once("\n---\n").unwrap();
        format!(
            "{}\n",
            first.replace("poolName: pool-merge", "poolName: pool-merge\n    cpuLimit: 64")
        )
    });
    run(&["plan", "--exec", "sandbox", "--var", "bucket=anotherlake111122223333", "--out", "plan"]);
    file::from_bytes(&fs::read(place.path().join("plan")).unwrap()).unwrap()
}

/// So many resources, nearly all of which change or, if not, stay.
pub fn large(count: usize, all_change: bool) -> Plan {
    let changes = (0..count).map(|at| {
        let action = match at % 50 {
            7 => "delete",
            _ if !all_change && at % 10 != 0 => "no-op",
            1 | 2 => "update",
            _ => "create",
        };
        let on: Vec<String> = if at < 10 { vec![] } else { vec![name(at / 3), name(at / 2)] };
        change(&name(at), &format!("phase-{}", at * 8 / count), action, &on)
    });
    plan(&changes.collect::<Vec<Json>>())
}

fn name(at: usize) -> String {
    let kinds = ["IamRole", "IamPolicy", "S3Bucket", "HelmRelease", "Namespace"];
    format!("{}.thing-{at}", kinds[at % kinds.len()])
}

/// Whatever can be written into a plan by someone who wants to do harm.
pub fn hostile() -> Plan {
    let evil = "</script></style><!--<img src=x onerror=\"window.harmed=1\">'\"&{{list}}\
                <script>window.harmed=1</script><svg onload=window.harmed=1>\
                <link rel=stylesheet href=//127.0.0.1:9/x>\u{202e}\u{1b}[31m";
    let mut one = change("IamRole.evil", "phase", "update", &[]);
    one["identity"] = json!({"roleName": evil});
    one["reason"] = json!({"code": "broken", "why": evil});
    one["notes"] = json!([evil]);
    one["foreign"] = json!([{"path": ["tags", evil], "value": evil}]);
    one["blockers"] = json!([{"code": evil, "message": evil, "next": evil}]);
    one["commands"] = json!([{"title": evil, "argv": ["aws", evil], "input": {evil: evil}}]);
    one["fields"] = json!([
        {"path": ["tags", evil], "before": evil, "after": null, "origin": "drift", "replace": false},
        {"path": ["trustPolicy"], "before": {evil: [evil, evil]}, "after": {evil: [evil, 1]},
         "origin": "change", "replace": true},
    ]);
    let mut plan = plan(&[one]);
    plan.outputs.push(OutputValue {
        name: evil.to_owned(),
        before: Some(evil.into()),
        now: Value::Map([(evil.to_owned(), 1_u64.into())].into_iter().collect()),
    });
    plan.stack = evil.into();
    plan.account = evil.into();
    plan.region = evil.into();
    plan.changes[0].phase = Some(evil.to_owned());
    plan
}

/// Nothing to do.
pub fn quiet() -> Plan {
    plan(&[
        change("IamRole.one", "first", "no-op", &[]),
        change("IamRole.two", "first", "no-op", &[]),
    ])
}

fn change(address: &str, phase: &str, action: &str, on: &[String]) -> Json {
    let reason = match action {
        "no-op" => "asDeclared",
        "create" => "absent",
        "delete" => "notDeclared",
        _ => "fieldsDiffer",
    };
    let fields = if action == "update" {
        json!([{"path": ["description"], "before": "old", "after": "new", "origin": "change",
                "replace": false}])
    } else {
        json!([])
    };
    json!({
        "address": address, "phase": phase, "identity": {"name": address}, "action": action,
        "reason": {"code": reason}, "fields": fields, "foreign": [], "notes": [], "commands": [],
        "dependsOn": on, "blockers": [],
    })
}

fn plan(changes: &[Json]) -> Plan {
    let digest = format!("sha256:{}", "0".repeat(64));
    serde_json::from_value(json!({
        "formatVersion": lkh::plan::FORMAT_VERSION, "stack": "s", "mode": "apply", "account": "111122223333",
        "region": "us-east-2", "lineage": "l", "serial": 3, "manifests": digest,
        "variables": {}, "targets": [], "changes": changes,
    }))
    .unwrap()
}

fn edit(place: &Path, name: &str, change: impl Fn(&str) -> String) {
    let path = place.join(name);
    let before = fs::read_to_string(&path).unwrap();
    let after = change(&before);
    assert_ne!(before, after, "{name} is as it was");
    fs::write(path, after).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
