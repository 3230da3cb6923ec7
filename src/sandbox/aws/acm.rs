//! `aws acm`: certificates, listed and described. One that is requested waits
//! for its domain to be validated, and nobody does that here.
//!
//! `acm/REGION/certificate/ARN` holds a certificate as `describe-certificate`
//! answers it.

use serde_json::{Value, json};

use super::facts::{self, ACCOUNT, to_second};
use super::model::{
    Answer, Call, Fault, Field, Operation, Service, Shape, TEXT, TEXTS, fault, may, need,
};
use crate::sandbox::world::World;

/// The service.
pub const SERVICE: Service = Service { command: "acm", operations: OPERATIONS };

const ARN: Field = need("CertificateArn", Shape::Text(20));

const SUMMARY: Shape = Shape::Structure(&[
    may("CertificateArn", TEXT),
    may("DomainName", TEXT),
    may("SubjectAlternativeNameSummaries", TEXTS),
    may("HasAdditionalSubjectAlternativeNames", Shape::Flag),
    may("Status", TEXT),
    may("Type", TEXT),
    may("KeyAlgorithm", TEXT),
    may("InUse", Shape::Flag),
    may("RenewalEligibility", TEXT),
    may("NotBefore", TEXT),
    may("NotAfter", TEXT),
    may("CreatedAt", TEXT),
    may("IssuedAt", TEXT),
]);

const DETAIL: Shape = Shape::Structure(&[
    may("CertificateArn", TEXT),
    may("DomainName", TEXT),
    may("SubjectAlternativeNames", TEXTS),
    may("CreatedAt", TEXT),
    may("IssuedAt", TEXT),
    may("Status", TEXT),
    may("NotBefore", TEXT),
    may("NotAfter", TEXT),
    may("KeyAlgorithm", TEXT),
    may("InUseBy", TEXTS),
    may("Type", TEXT),
    may("RenewalEligibility", TEXT),
]);

const OPERATIONS: &[Operation] = &[
    Operation {
        command: "delete-certificate",
        name: "DeleteCertificate",
        input: &[ARN],
        output: &[],
        run: delete,
    },
    Operation {
        command: "describe-certificate",
        name: "DescribeCertificate",
        input: &[ARN],
        output: &[may("Certificate", DETAIL)],
        run: describe,
    },
    Operation {
        command: "list-certificates",
        name: "ListCertificates",
        input: &[
            may("CertificateStatuses", TEXTS),
            may("Includes", Shape::Structure(&[may("keyTypes", TEXTS), may("keyUsage", TEXTS)])),
        ],
        output: &[may("CertificateSummaryList", Shape::List(&SUMMARY))],
        run: list,
    },
    Operation {
        command: "request-certificate",
        name: "RequestCertificate",
        input: &[
            need("DomainName", Shape::Text(1)),
            may("ValidationMethod", TEXT),
            may("SubjectAlternativeNames", TEXTS),
            may("KeyAlgorithm", TEXT),
        ],
        output: &[may("CertificateArn", TEXT)],
        run: request,
    },
];

fn key(region: &str, arn: &str) -> String {
    format!("acm/{region}/certificate/{arn}")
}

/// Puts a certificate of these names there; the first is its own.
pub fn put(world: &mut World, region: &str, names: &[&str], status: &str) -> String {
    let id = facts::uuid(world, "acm/certificate");
    let arn = format!("arn:aws:acm:{region}:{ACCOUNT}:certificate/{id}");
    let now = to_second(world.now());
    let mut certificate = json!({
        "CertificateArn": arn,
        "DomainName": names.first(),
        "SubjectAlternativeNames": names,
        "CreatedAt": now,
        "Status": status,
        "KeyAlgorithm": "RSA_2048",
        "InUseBy": [],
        "Type": "AMAZON_ISSUED",
        "RenewalEligibility": if status == "ISSUED" { "ELIGIBLE" } else { "INELIGIBLE" },
    });
    if status == "ISSUED" {
        certificate["IssuedAt"] = Value::from(now.clone());
        certificate["NotBefore"] = Value::from(now);
    }
    world.put(key(region, &arn), certificate);
    arn
}

fn find(call: &Call<'_>) -> Result<(String, Value), Fault> {
    let arn = call.input.text("CertificateArn");
    let key = key(call.region, arn);
    let found = call.world.get(&key).cloned().ok_or_else(|| {
        let account = format!("Could not find certificate {arn}.");
        fault("ResourceNotFoundException", account)
    })?;
    Ok((key, found))
}

fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (_, certificate) = find(call)?;
    Ok(Answer::Body(json!({ "Certificate": certificate })))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (key, _) = find(call)?;
    call.world.remove(&key);
    Ok(Answer::Nothing)
}

#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let statuses: Vec<&str> = call.input.texts("CertificateStatuses").collect();
    let includes = call.input.get("Includes").map(|includes| includes["keyTypes"].clone());
    // Without being asked for the others, ACM lists the older kinds of keys.
    let old = json!(["RSA_1024", "RSA_2048"]);
    let kinds = includes.filter(Value::is_array).unwrap_or(old);
    let is_in = |list: &Value, one: &Value| list.as_array().is_some_and(|l| l.contains(one));
    let summaries: Vec<Value> = call
        .world
        .scan(&key(call.region, ""))
        .map(|(_, certificate)| certificate)
        .filter(|one| is_in(&kinds, &one["KeyAlgorithm"]))
        .filter(|one| statuses.is_empty() || statuses.iter().any(|status| one["Status"] == *status))
        .map(|one| {
            let mut summary = one.clone();
            summary["SubjectAlternativeNameSummaries"] = one["SubjectAlternativeNames"].clone();
            summary["HasAdditionalSubjectAlternativeNames"] = Value::Bool(false);
            summary["InUse"] = Value::Bool(false);
            summary
        })
        .collect();
    Ok(Answer::Body(json!({ "CertificateSummaryList": summaries })))
}

#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
fn request(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut names = vec![call.input.text("DomainName")];
    names.extend(call.input.texts("SubjectAlternativeNames"));
    let arn = put(call.world, call.region, &names, "PENDING_VALIDATION");
    Ok(Answer::Body(json!({ "CertificateArn": arn })))
}
