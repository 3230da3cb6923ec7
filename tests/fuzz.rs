//! Bytes that nobody meant: everything that `lkh` reads is read from a corpus,
//! and from what becomes of the corpus when its bytes are changed at random. No
//! reader may panic, and what a reader takes in must say the same when it is
//! written and read again.
//!
//! The changes follow from a seed, so every run is the same. Each target takes
//! `LKH_FUZZ_RUNS` changed inputs (300 without it); the seed is `LKH_FUZZ_SEED`.
//! For long: `LKH_FUZZ_RUNS=1000000 cargo test --release --test fuzz`. A failure
//! names the seed file and prints the input; put it into the corpus.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that can't go on fails, and says why"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lkh::adapter::{Answers, Context, Identity, Kind, Prior, Reading, Subject};
use lkh::command::{Answer, Command, Tool};
use lkh::exec::redact::Redactor;
use lkh::exec::{explain, retry};
use lkh::journal::Journal;
use lkh::manifest::load::load;
use lkh::manifest::source::Sources;
use lkh::manifest::variables::VariableInputs;
use lkh::manifest::yaml;
use lkh::state::State;
use lkh::value::Value;

/// Numbers that look random and follow from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// Pieces that matter to one of the readers.
const PIECES: &[&[u8]] = &[
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\"\"",
    b"[]",
    b"{}",
    b"[[[[",
    b"{\"a\":",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b"---\n",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!x ",
    b"${var.",
    b"${",
    b"}",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"(",
    b")",
    b": ",
    b"An error occurred (",
    b" operation",
    b"sha256:",
    b"formatVersion",
];

fn changed(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(24)).min(bytes.len());
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(200)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            5 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
    bytes
}

/// Reads the corpus of a target, then what becomes of it.
fn fuzz(target: &str, read: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "{target} has {} seeds", files.len());
    let seeds: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |text| text.parse().expect(name))
    };
    let mut random = Random(number("LKH_FUZZ_SEED", 1));
    let check = |what: &str, input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| read(input))) {
            eprintln!("{target}: {what}: {:?}", String::from_utf8_lossy(input));
            std::panic::resume_unwind(panic);
        }
    };
    for (file, seed) in files.iter().zip(&seeds) {
        check(&file.display().to_string(), seed);
    }
    for run in 0..number("LKH_FUZZ_RUNS", 300) {
        check(&format!("run {run}"), &changed(&seeds, &mut random));
    }
}

#[test]
fn manifests() {
    fuzz("manifest", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let mut sources = Sources::default();
        let file = sources.add("fuzz.yaml", text);
        let parsed = yaml::parse(&sources, file);
        for diagnostic in &parsed.diagnostics {
            let span = diagnostic.span.expect("an error of a text has a place");
            assert!(span.end() as usize <= text.len(), "{diagnostic:?}");
            assert!(sources.position(span).line >= 1);
        }
        assert!(parsed.documents.len() <= text.len());
    });
}

#[test]
fn stacks() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack/stack.yaml");
    fs::copy(stack, folder.path().join("stack.yaml")).unwrap();
    fuzz("manifest", |bytes| {
        fs::write(folder.path().join("fuzz.yaml"), bytes).unwrap();
        if let Err(diagnostics) = load(folder.path(), &VariableInputs::default()) {
            assert!(!diagnostics.is_empty());
            let text = diagnostics.render(false);
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            serde_json::to_string(&diagnostics).unwrap();
        }
    });
}

#[test]
fn files_of_variables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.vars");
    let directory = Path::new("tests/bad-manifests/variable-files");
    fuzz("variables", |bytes| {
        fs::write(&file, bytes).unwrap();
        let inputs = VariableInputs { files: vec![file.clone()], ..VariableInputs::default() };
        if let Err(diagnostics) = load(directory, &inputs) {
            let text = diagnostics.render(false);
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        }
    });
}

#[test]
fn states() {
    fuzz("state", |bytes| {
        if let Ok(state) = State::from_bytes(bytes) {
            state.verify().unwrap();
            let written = state.to_bytes().unwrap();
            assert_eq!(State::from_bytes(&written).unwrap(), state);
        }
    });
}

#[test]
fn apply_logs() {
    fuzz("journal", |bytes| match Journal::parse(bytes) {
        Ok(journal) => {
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let again = Journal::parse(&bytes[..whole]).unwrap();
            assert_eq!(again.entries, journal.entries);
            assert_eq!(journal.is_torn(), whole < bytes.len());
        }
        Err(broken) => assert!(broken.line >= 1),
    });
}

#[test]
fn saved_plans() {
    fuzz("plan", |bytes| {
        if let Ok(plan) = lkh::plan::file::from_bytes(bytes) {
            let written = lkh::plan::file::to_bytes(&plan).unwrap();
            assert_eq!(lkh::plan::file::from_bytes(&written).unwrap(), plan);
            drop(lkh::report::plan::text(&plan, lkh::report::plan::Show::default()));
        }
    });
}

/// What each kind is asked to read, and with what spec.
fn subjects() -> Vec<(Kind, serde_json::Value)> {
    let role = "arn:aws:iam::111122223333:role/NodeRole";
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    });
    let trusted = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"},
        }],
    });
    Kind::ALL
        .iter()
        .map(|kind| {
            let spec = match kind.as_str() {
                "EksCluster" => serde_json::json!({"name": "lake"}),
                "Ec2Tags" => {
                    serde_json::json!({"resources": ["subnet-0a1b2c3d"], "tags": {"a": "b"}})
                }
                "IamRole" => serde_json::json!({
                    "roleName": "NodeRole", "trustPolicy": trusted, "inlinePolicies": {"x": trust},
                }),
                "IamPolicy" => serde_json::json!({"policyName": "P", "document": trust}),
                "EksAccessEntry" => serde_json::json!({
                    "clusterName": "lake", "principalArn": role, "type": "STANDARD",
                }),
                "ServiceLinkedRole" => serde_json::json!({"serviceName": "spot.amazonaws.com"}),
                "PodIdentityAssociation" => serde_json::json!({
                    "clusterName": "lake", "namespace": "a", "serviceAccount": "b", "roleArn": role,
                }),
                "HelmRelease" => serde_json::json!({
                    "namespace": "kube-system", "releaseName": "karpenter", "chart": "./x",
                    "values": {"a": 1},
                }),
                "S3Bucket" => serde_json::json!({
                    "bucket": "lake-1", "expireDays": 3, "tags": {"a": "b"}, "versioning": true,
                }),
                "CloudFormationStack" => serde_json::json!({
                    "stackName": "x", "template": {"Resources": {"A": {"Type": "AWS::EC2::VPC"}}},
                }),
                "AcmCertificate" | "Route53Zone" => {
                    serde_json::json!({"domainName": "a.example.com"})
                }
                "Route53Record" => serde_json::json!({
                    "zoneId": "Z1", "name": "a.example.com", "type": "CNAME", "values": ["b.org"],
                }),
                other => panic!("{other} needs a spec here"),
            };
            (*kind, spec)
        })
        .collect()
}

#[test]
fn answers_of_the_tools() {
    let subjects: Vec<_> = subjects()
        .into_iter()
        .map(|(kind, spec)| {
            let context = Context {
                name: "x".into(),
                account: Some("111122223333".into()),
                region: "us-east-2".into(),
                external: matches!(
                    kind,
                    Kind::EksCluster | Kind::AcmCertificate | Kind::Route53Zone
                ),
            };
            let desired = kind.adapter().desired(&Value::from_json(&spec), &context);
            (kind, desired.unwrap_or_else(|problems| panic!("{kind}: {problems:?}")))
        })
        .collect();
    fuzz("answers", |bytes| {
        let stdout = String::from_utf8_lossy(bytes).into_owned();
        for (kind, desired) in &subjects {
            for desired in [Some(desired), None] {
                let identity: &Identity = match desired {
                    Some(desired) => &desired.identity,
                    None => &subjects.iter().find(|(other, _)| other == kind).unwrap().1.identity,
                };
                let prior = Prior { identity: identity.clone(), ..Prior::default() };
                let subject = Subject { identity, desired, prior: Some(&prior), ignore: &[] };
                let mut answers = Answers::default();
                for round in 0..12 {
                    match kind.adapter().read(&subject, &answers) {
                        Ok(Reading::Ask(commands)) => {
                            assert!(!commands.is_empty(), "{kind} asks nothing");
                            for command in commands {
                                assert!(command.is_known_read(), "{command}");
                                let stdout = stdout.clone();
                                let answer = Answer { code: 0, stdout, stderr: String::new() };
                                answers.insert(&command, answer);
                            }
                        }
                        Ok(Reading::Live(_) | Reading::Missing(_)) | Err(_) => break,
                    }
                    assert!(round < 11, "{kind} asks for ever");
                }
            }
        }
    });
}

#[test]
fn errors_of_the_tools() {
    let commands = [
        Command::read(Tool::Aws, &["iam", "get-role"]),
        Command::aws_write("iam", "create-role", Value::Null),
        Command::write(Tool::Helm, &["upgrade", "x"]),
        Command::read(Tool::Kubectl, &["get", "pods"]),
    ];
    let mut redactor = Redactor::default();
    redactor.protect_text("canary-of-the-test");
    fuzz("errors", |bytes| {
        let stderr = String::from_utf8_lossy(bytes).into_owned();
        let hidden = redactor.show(&format!("{stderr}canary-of-the-test"));
        assert!(!hidden.contains("canary-of-the-test"), "{hidden}");
        assert!(hidden.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()), "{hidden:?}");
        for code in [0, 1, 254] {
            let answer = Answer { code, stdout: String::new(), stderr: stderr.clone() };
            drop((answer.service_error(), explain::explain(&answer)));
            for command in &commands {
                let class = retry::classify(command, &answer);
                let _ = retry::patience(class, command, false);
                assert!(code != 0 || class == retry::Class::Success, "{class:?}");
            }
        }
    });
}
