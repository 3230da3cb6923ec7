use serde_json::json;

use super::*;
use crate::adapter::eks::testing::{failed, ok, value};
use crate::command::Answer;

const LIST: &str = "aws acm list-certificates --includes keyTypes=RSA_1024,RSA_2048,RSA_3072,RSA_4096,EC_prime256v1,EC_secp384r1,EC_secp521r1";
const NAME: &str = "lakehouse.k8.example.com";

fn desired(spec: &Json) -> Result<Desired, Vec<Problem>> {
    let context = Context { external: true, region: "us-east-2".into(), ..Context::default() };
    AcmCertificate.desired(&value(spec), &context)
}

fn arn(id: &str) -> String {
    format!("arn:aws:acm:us-east-2:111122223333:certificate/{id}")
}

fn summary(id: &str, names: &[&str], status: &str, issued: impl Into<Json>) -> Json {
    let issued = issued.into();
    json!({
        "CertificateArn": arn(id),
        "DomainName": names[0],
        "SubjectAlternativeNameSummaries": names,
        "HasAdditionalSubjectAlternativeNames": false,
        "Status": status,
        "IssuedAt": issued,
    })
}

/// Reads with these answers; the commands must all be foreseen.
fn read(spec: &Json, table: &[(&str, Answer)]) -> Result<Reading, ReadError> {
    let desired = desired(spec).unwrap();
    let subject = Subject::alone(&desired.identity, Some(&desired), None);
    let mut answers = Answers::default();
    loop {
        match AcmCertificate.read(&subject, &answers)? {
            Reading::Ask(commands) => {
                for command in commands {
                    assert!(command.is_known_read());
                    let line = command.to_string();
                    let found = table.iter().find(|(asked, _)| *asked == line);
                    let (_, answer) = found.unwrap_or_else(|| panic!("unforeseen: {line}"));
                    answers.insert(&command, answer.clone());
                }
            }
            told => return Ok(told),
        }
    }
}

fn found(reading: Reading) -> String {
    match reading {
        Reading::Live(Live::Present(object)) => {
            object.outputs["arn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
        }
        other => panic!("not found: {other:?}"),
    }
}

#[test]
fn the_newest_that_fits_best_counts() {
    let star = "*.k8.example.com";
    for (expected, list) in [
        // Exact before wildcard, though it is older.
        (
            "b",
            vec![
                summary("a", &[star], "ISSUED", json!("2026-05-01T00:00:00+00:00")),
                summary("b", &["x.org", NAME], "ISSUED", json!("2020-05-01T00:00:00+00:00")),
            ],
        ),
        // The newest of equals, by either version's times.
        (
            "b",
            vec![
                summary("a", &[star], "ISSUED", json!("2025-05-01T00:00:00+00:00")),
                summary("b", &[star], "ISSUED", json!("2026-05-01T00:00:00+00:00")),
            ],
        ),
        (
            "a",
            vec![
                summary("a", &[star], "ISSUED", json!(1_790_000_000.25)),
                summary("b", &[star], "ISSUED", json!(1_700_000_000.5)),
            ],
        ),
        // One that is not issued does not count, however well it fits.
        (
            "c",
            vec![
                summary("a", &[NAME], "EXPIRED", json!("2026-05-01T00:00:00+00:00")),
                summary("b", &[NAME], "PENDING_VALIDATION", Json::Null),
                summary("c", &["*.K8.example.com."], "ISSUED", json!("2021-05-01T00:00:00+00:00")),
            ],
        ),
    ] {
        let table = [(LIST, ok(&json!({ "CertificateSummaryList": list })))];
        assert_eq!(found(read(&json!({ "domainName": NAME }), &table).unwrap()), expected);
    }
}

#[test]
fn a_summary_without_all_names_is_looked_at() {
    let mut short = summary("a", &["example.com"], "ISSUED", Json::Null);
    short["HasAdditionalSubjectAlternativeNames"] = json!(true);
    let bare = json!({"CertificateArn": arn("b"), "DomainName": "example.org"});
    let gone = json!({"CertificateArn": arn("c"), "DomainName": "example.net"});
    let describe = |id: &str| format!("aws acm describe-certificate --certificate-arn {}", arn(id));
    let (a, b, c) = (describe("a"), describe("b"), describe("c"));
    let detail = |id: &str, names: Json| {
        ok(&json!({"Certificate": {
            "CertificateArn": arn(id), "DomainName": "example.com",
            "SubjectAlternativeNames": names, "Status": "ISSUED",
        }}))
    };
    let table = [
        (LIST, ok(&json!({"CertificateSummaryList": [short, bare, gone]}))),
        (a.as_str(), detail("a", json!(["example.com", "*.k8.example.com"]))),
        (b.as_str(), detail("b", json!(["example.org"]))),
        (c.as_str(), failed("ResourceNotFoundException", "DescribeCertificate", "gone")),
    ];
    assert_eq!(found(read(&json!({ "domainName": NAME }), &table).unwrap()), "a");
}

#[test]
fn where_none_fits_each_says_why() {
    let list = json!([
        summary("a", &["*.example.com"], "ISSUED", Json::Null),
        summary("b", &[NAME], "EXPIRED", Json::Null),
        summary("c", &["*.k8.example.com"], "PENDING_VALIDATION", Json::Null),
    ]);
    let table = [(LIST, ok(&json!({ "CertificateSummaryList": list })))];
    let Ok(Reading::Missing(blocker)) = read(&json!({ "domainName": NAME }), &table) else {
        panic!()
    };
    assert_eq!(blocker.code, "CertificateMissing");
    for text in [
        "in us-east-2 covers lakehouse.k8.example.com",
        "*.example.com (arn:aws:acm:us-east-2:111122223333:certificate/a): it does not cover",
        "certificate/b): it has expired",
        "certificate/c): its domain is not validated yet",
    ] {
        assert!(blocker.message.contains(text), "{text}: {blocker:?}");
    }
    assert!(blocker.next.contains("validate"), "{blocker:?}");
    let table = [(LIST, ok(&json!({"CertificateSummaryList": []})))];
    let Ok(Reading::Missing(blocker)) = read(&json!({ "domainName": NAME }), &table) else {
        panic!()
    };
    assert!(blocker.message.ends_with("there is none at all"));
    assert!(blocker.next.starts_with("aws acm request-certificate --domain-name lakehouse."));
}

#[test]
fn a_given_one_is_checked() {
    let arn = arn("a");
    let command = format!("aws acm describe-certificate --certificate-arn {arn}");
    let detail = |status: &str| {
        ok(&json!({"Certificate": {
            "CertificateArn": arn, "DomainName": "*.k8.example.com", "Status": status,
        }}))
    };
    let with = |domain: &str| json!({"arn": arn, "domainName": domain});
    let table = [(command.as_str(), detail("ISSUED"))];
    assert_eq!(found(read(&with(NAME), &table).unwrap()), "a");
    assert_eq!(found(read(&json!({"arn": arn}), &table).unwrap()), "a");
    for (spec, answer, code) in [
        (with("example.com"), detail("ISSUED"), "CertificateUnfit"),
        (with(NAME), detail("REVOKED"), "CertificateUnfit"),
        (
            with(NAME),
            failed("ResourceNotFoundException", "DescribeCertificate", "no"),
            "CertificateMissing",
        ),
    ] {
        let Ok(Reading::Missing(blocker)) = read(&spec, &[(command.as_str(), answer)]) else {
            panic!("{spec}")
        };
        assert_eq!(blocker.code, code);
    }
}

#[test]
fn a_failure_is_not_absence() {
    for answer in [
        failed("AccessDeniedException", "ListCertificates", "no"),
        ok(&json!({})),
        ok(&json!({"CertificateSummaryList": [], "NextToken": "x"})),
        ok(&json!({"CertificateSummaryList": [{"DomainName": "x.org"}]})),
    ] {
        assert!(read(&json!({ "domainName": NAME }), &[(LIST, answer)]).is_err());
    }
    for spec in [
        json!({}),
        json!({"arn": ""}),
        json!({"domainName": "nowhere"}),
        json!({"arn": "arn:aws:acm:eu-west-1:111122223333:certificate/x"}),
        json!({"arn": "arn:aws:iam::111122223333:server-certificate/x"}),
    ] {
        assert!(desired(&spec).is_err(), "{spec}");
    }
    let spec = value(&json!({ "domainName": NAME }));
    assert!(AcmCertificate.desired(&spec, &Context::default()).is_err());
}
