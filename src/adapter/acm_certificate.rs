//! `AcmCertificate`: a certificate of ACM that covers a domain, looked up and
//! never made.
//!
//! Of all certificates in the region the one counts that is issued and covers
//! the name: exactly before by a wildcard, then the newest. Where none does, each
//! that there is says why not.

use std::cmp::Reverse;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::domain::{self, Cover};
use super::eks::{list, member, problem, text, typed};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, Operation,
    Problem, Questions, ReadError, Reading, Step, Subject, iam,
};
use crate::command::{Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

/// The adapter.
#[derive(Debug)]
pub struct AcmCertificate;

// Parts of the identity: what it is looked up by.
const DOMAIN_NAME: &str = "domainName";
const ARN: &str = "arn";
const REGION: &str = "region";

/// All kinds of keys: ACM lists only the older ones unless asked for the others.
const KEY_TYPES: &str =
    "keyTypes=RSA_1024,RSA_2048,RSA_3072,RSA_4096,EC_prime256v1,EC_secp384r1,EC_secp521r1";
/// So many certificates that don't fit are told of.
const TOLD: usize = 10;

/// A certificate that ACM has issued; always external.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CertificateSpec {
    /// The domain that the certificate must cover, such as
    /// `lakehouse.example.com`. The star of a wildcard stands for one label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain_name: Option<String>,
    /// This certificate and no other; it must be issued, and cover `domainName`
    /// where that is given. Empty counts as not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
}

impl Adapter for AcmCertificate {
    fn schema(&self) -> Schema {
        schema_for!(CertificateSpec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        &[]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("arn", "the certificate's ARN"),
            ("domainName", "the certificate's first name, such as *.example.com"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        if !context.external {
            problems.push(problem(
                Path::default(),
                "certificates are looked up, not made",
                "write `external: true` beside the spec",
            ));
        }
        let Some(spec) = typed::<CertificateSpec>(spec, &mut problems) else {
            return Err(problems);
        };
        let arn = spec.arn.filter(|arn| !arn.is_empty());
        if let Some(domain) = &spec.domain_name {
            domain::check(domain, DOMAIN_NAME, true, &mut problems);
        }
        if let Some(arn) = &arn {
            check_arn(arn, &context.region, &mut problems);
        }
        if arn.is_none() && spec.domain_name.is_none() {
            problems.push(problem(
                Path::default(),
                "nothing says which certificate",
                "add `domainName`, the name that it must cover, or `arn`",
            ));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut identity = Map::new();
        if let Some(domain) = &spec.domain_name {
            let value = match Value::from_spec_text(domain) {
                Value::String(name) => Value::String(domain::normal(&name)),
                other => other,
            };
            identity.insert(DOMAIN_NAME.into(), value);
        }
        if let Some(arn) = &arn {
            identity.insert(ARN.into(), Value::from_spec_text(arn));
        }
        let settings = iam::map([(REGION, context.region.as_str().into())]);
        Ok(Desired { identity: Identity(identity), settings, ..Desired::default() })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let domain = Some(subject.identity.part(DOMAIN_NAME)).filter(|name| !name.is_empty());
        let mut questions = Questions::new(answers);
        match (subject.identity.part(ARN), domain) {
            ("", domain) => newest(subject, domain.unwrap_or(""), &mut questions),
            (arn, domain) => given(arn, domain, &mut questions),
        }
        .map(|found| found.unwrap_or_else(|| questions.asking()))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        Err(vec![Blocker {
            code: "CertificateNotManaged".into(),
            message: format!("the certificate of {} is only looked up", operation.identity),
            next: "write `external: true` beside the spec".into(),
        }])
    }
}

fn check_arn(arn: &str, region: &str, problems: &mut Vec<Problem>) {
    if is_unknown_text(arn) {
        return;
    }
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "acm", of, account, name]
            if !account.is_empty() && name.starts_with("certificate/") =>
        {
            if !region.is_empty() && *of != region {
                problems.push(problem(
                    Path::new(ARN),
                    format!("the certificate is in {of}, and this stack in {region}"),
                    "a load balancer takes certificates of its own region only",
                ));
            }
        }
        _ => problems.push(problem(
            Path::new(ARN),
            format!("`{arn}` is not the ARN of a certificate of ACM"),
            "write arn:aws:acm:REGION:ACCOUNT:certificate/ID",
        )),
    }
}

/// What is known of a certificate.
struct Certificate {
    arn: String,
    names: Vec<String>,
    status: String,
    issued: i64,
}

impl Certificate {
    /// Out of a summary or a description, which name most members alike.
    fn of(json: &Json) -> Option<Self> {
        let texts = |member: &str| {
            let list = json.get(member).and_then(Json::as_array);
            list.into_iter().flatten().filter_map(Json::as_str).map(domain::normal)
        };
        let mut names: Vec<String> =
            text(json, "/DomainName").map(domain::normal).into_iter().collect();
        names.extend(texts("SubjectAlternativeNameSummaries"));
        names.extend(texts("SubjectAlternativeNames"));
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let issued = ["IssuedAt", "ImportedAt", "CreatedAt"]
            .iter()
            .find_map(|member| seconds(json.get(member)?));
        Some(Self {
            arn: text(json, "/CertificateArn")?.to_owned(),
            names,
            status: text(json, "/Status")?.to_owned(),
            issued: issued.unwrap_or(0),
        })
    }

    fn cover(&self, domain: &str) -> Cover {
        self.names.iter().map(|name| domain::cover(name, domain)).max().unwrap_or(Cover::No)
    }

    /// Why it does not fit; `None`: it does.
    fn unfit(&self, domain: Option<&str>) -> Option<String> {
        let state = match self.status.as_str() {
            "ISSUED" => None,
            "PENDING_VALIDATION" => Some("its domain is not validated yet"),
            "EXPIRED" => Some("it has expired"),
            "REVOKED" => Some("it was revoked"),
            "VALIDATION_TIMED_OUT" => Some("its domain was not validated in time"),
            "INACTIVE" => Some("it is inactive"),
            "FAILED" => Some("it could not be issued"),
            _ => Some("it is not issued"),
        };
        let other = domain.filter(|domain| self.cover(domain) == Cover::No);
        match (state, other) {
            (None, None) => None,
            (Some(state), None) => Some(state.to_owned()),
            (None, Some(domain)) => Some(format!("it does not cover {domain}")),
            (Some(state), Some(domain)) => Some(format!("it does not cover {domain}, and {state}")),
        }
    }

    fn live(&self) -> Reading {
        let first = self.names.first().map_or("", String::as_str);
        let outputs = iam::map([("arn", self.arn.as_str().into()), ("domainName", first.into())]);
        Reading::Live(Live::Present(Box::new(Object { outputs, ..Object::default() })))
    }
}

/// A time in seconds: a text in version 2 of the CLI, a number in version 1.
fn seconds(json: &Json) -> Option<i64> {
    match json {
        Json::String(text) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second),
        Json::Number(number) => number.as_i64().or_else(|| {
            let whole = number.to_string();
            whole.split('.').next().and_then(|whole| whole.parse().ok())
        }),
        _ => None,
    }
}

fn describe(arn: &str) -> Command {
    Command::read(Tool::Aws, &["acm", "describe-certificate"]).flag("--certificate-arn", arn)
}

/// The certificate that the manifest names.
fn given(
    arn: &str,
    domain: Option<&str>,
    questions: &mut Questions<'_>,
) -> Result<Option<Reading>, ReadError> {
    let command = describe(arn);
    let Some(answer) = questions.ask(command.clone()) else { return Ok(None) };
    if answer.is_service_error("ResourceNotFoundException") {
        return Ok(Some(Reading::Missing(Blocker {
            code: "CertificateMissing".into(),
            message: format!("there is no certificate {arn}"),
            next: "aws acm list-certificates".into(),
        })));
    }
    let told = member(&command, answer, "Certificate")?;
    let Some(certificate) = Certificate::of(&told) else {
        let why = "the answer does not tell the certificate's status";
        return Err(ReadError::new(command, answer, why));
    };
    Ok(Some(match certificate.unfit(domain) {
        None => certificate.live(),
        Some(why) => Reading::Missing(Blocker {
            code: "CertificateUnfit".into(),
            message: format!(
                "the certificate {arn} ({}) can't be used: {why}",
                certificate.names.join(", ")
            ),
            next: format!("{command}"),
        }),
    }))
}

/// The best certificate for a domain.
fn newest(
    subject: &Subject<'_>,
    domain: &str,
    questions: &mut Questions<'_>,
) -> Result<Option<Reading>, ReadError> {
    let command =
        Command::read(Tool::Aws, &["acm", "list-certificates"]).flag("--includes", KEY_TYPES);
    let Some(answer) = questions.ask(command.clone()) else { return Ok(None) };
    let listed = list(&command, answer, "CertificateSummaryList")?;
    let mut certificates = Vec::new();
    let mut missing = false;
    for summary in &listed {
        // A summary has room for some names only, and some services leave them out.
        let told = summary.get("SubjectAlternativeNameSummaries").is_some()
            && summary.get("Status").is_some()
            && summary.get("HasAdditionalSubjectAlternativeNames").and_then(Json::as_bool)
                != Some(true);
        let known = Certificate::of(summary).filter(|_| told);
        let found = match (known, text(summary, "/CertificateArn")) {
            (Some(certificate), _) => Some(certificate),
            (None, Some(arn)) => {
                let command = describe(arn);
                let Some(answer) = questions.ask(command.clone()) else {
                    missing = true;
                    continue;
                };
                // Gone since the list was made.
                if answer.is_service_error("ResourceNotFoundException") {
                    continue;
                }
                Certificate::of(&member(&command, answer, "Certificate")?)
            }
            (None, None) => None,
        };
        let Some(found) = found else {
            let why = "the answer has a certificate without an ARN or a status";
            return Err(ReadError::new(command, answer, why));
        };
        certificates.push(found);
    }
    if missing {
        return Ok(None);
    }
    certificates
        .sort_by_key(|one| (Reverse(one.cover(domain)), Reverse(one.issued), one.arn.clone()));
    let fit = certificates.iter().find(|one| one.unfit(Some(domain)).is_none());
    Ok(Some(fit.map_or_else(|| none_fits(subject, domain, &certificates), Certificate::live)))
}

/// What is told where no certificate fits: those that there are, the nearest
/// first.
fn none_fits(subject: &Subject<'_>, domain: &str, certificates: &[Certificate]) -> Reading {
    let settings = subject.desired.map(|desired| &desired.settings);
    let region = settings
        .and_then(|settings| settings.get(REGION))
        .and_then(Value::as_str)
        .unwrap_or("this region");
    let told: Vec<String> = certificates
        .iter()
        .take(TOLD)
        .map(|one| {
            let why = one.unfit(Some(domain)).unwrap_or_default();
            format!("{} ({}): {why}", one.names.join(", "), one.arn)
        })
        .collect();
    let more = certificates.len().saturating_sub(TOLD);
    let there = match (told.is_empty(), more) {
        (true, _) => "there is none at all".to_owned(),
        (false, 0) => told.join("; "),
        (false, more) => format!("{}; and {more} more", told.join("; ")),
    };
    let pending = certificates
        .iter()
        .any(|one| one.cover(domain) != Cover::No && one.status == "PENDING_VALIDATION");
    let next = if pending {
        format!(
            "make the records that validate {domain}: `aws acm describe-certificate` names them"
        )
    } else {
        format!(
            "aws acm request-certificate --domain-name {domain} --validation-method DNS --region \
             {region}"
        )
    };
    Reading::Missing(Blocker {
        code: "CertificateMissing".into(),
        message: format!("no issued certificate in {region} covers {domain}: {there}"),
        next,
    })
}

#[cfg(test)]
mod tests;
