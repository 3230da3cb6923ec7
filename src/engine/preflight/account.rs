//! Who the commands run as, and how much room the account has left.
//!
//! This module must not guess a quota: one that is not told is unknown.

use serde_json::Value as Json;

use super::{Check, Planned, Verdict, blocked, commands, network};
use crate::command::{Command, Tool};
use crate::engine::Engine;
use crate::exec::explain;

/// Who the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The account.
    pub(super) account: String,
    /// The ARN.
    pub(super) arn: String,
}

/// A quota that `iam get-account-summary` tells: the call that uses it up, the
/// keys of count and quota, and what it is of.
const IAM_QUOTAS: &[(&str, &str, &str, &str)] = &[
    ("create-role", "Roles", "RolesQuota", "IAM roles"),
    ("create-policy", "Policies", "PoliciesQuota", "IAM policies"),
    ("create-instance-profile", "InstanceProfiles", "InstanceProfilesQuota", "instance profiles"),
];

/// The quota "Clusters" of the service `eks`.
const EKS_CLUSTERS: &str = "L-1194D53C";

impl Engine {
    /// Who the credentials belong to.
    pub(super) async fn caller(&self) -> Result<Caller, Verdict> {
        let command = Command::read(Tool::Aws, &["sts", "get-caller-identity"]);
        let answer = self.gateway.read(&command).await.map_err(|error| {
            let why = self.gateway.show(&error.to_string());
            blocked("CredentialsUnusable", why, error.next())
        })?;
        if !answer.succeeded() {
            let explanation = explain::explain(&answer);
            let (why, next) = explanation.map_or_else(
                || {
                    let why = crate::engine::read::detail(&answer, "AWS refuses the credentials");
                    (why, format!("run `{command}` by hand"))
                },
                |explanation| (explanation.cause, explanation.fix),
            );
            return Err(blocked("CredentialsRefused", self.gateway.show(&why), next));
        }
        let told = answer.json().ok().and_then(|json| {
            let text = |key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
            Some(Caller { account: text("Account")?, arn: text("Arn")? })
        });
        told.ok_or_else(|| Verdict::Unknown("the answer does not tell the account".into()))
    }

    /// Whether the account has room for what the plan creates.
    pub(super) async fn quotas(&self, planned: &Planned) -> Vec<Check> {
        let creates = |service: &str, call: &str| {
            commands(planned)
                .filter(|(_, command)| {
                    let word = |index: usize| command.argv.get(index).map(String::as_str);
                    word(0) == Some("aws") && word(1) == Some(service) && word(2) == Some(call)
                })
                .count() as u64
        };
        let mut checks = Vec::new();
        let of_iam: Vec<_> = IAM_QUOTAS
            .iter()
            .map(|quota| (quota, creates("iam", quota.0)))
            .filter(|(_, wanted)| *wanted > 0)
            .collect();
        if !of_iam.is_empty() {
            let command = Command::read(Tool::Aws, &["iam", "get-account-summary"]);
            let summary = self.ask(&command).await;
            for ((_, used, quota, what), wanted) in of_iam {
                let number = |key: &str| {
                    let summary = summary.as_ref().map_err(Clone::clone)?;
                    let found = summary.pointer(&format!("/SummaryMap/{key}"));
                    found
                        .and_then(Json::as_u64)
                        .ok_or_else(|| Verdict::Unknown(format!("the account tells no {key}")))
                };
                checks.push(room(what, wanted, number(used), number(quota)));
            }
        }
        let clusters = creates("eks", "create-cluster");
        if clusters > 0 {
            let used = self.ask(&Command::read(Tool::Aws, &["eks", "list-clusters"])).await;
            let used = used.and_then(|json| {
                let list = json.get("clusters").and_then(Json::as_array);
                let count = list.map(|list| list.len() as u64);
                count.ok_or_else(|| Verdict::Unknown("the answer lists no clusters".into()))
            });
            let quota = self.service_quota("eks", EKS_CLUSTERS).await;
            checks.push(room("EKS clusters", clusters, used, quota));
        }
        for quota in network::QUOTAS {
            let planned = commands(planned).map(|(_, command)| network::wanted(command, quota.of));
            let wanted: u64 = planned.sum();
            if wanted == 0 {
                continue;
            }
            let (call, list) = quota.list;
            let used = self.ask(&Command::read(Tool::Aws, &["ec2", call])).await;
            let used = used.and_then(|json| {
                let count = json.pointer(list).and_then(Json::as_array).map(|all| all.len() as u64);
                count.ok_or_else(|| Verdict::Unknown(format!("the answer lists no {}", quota.what)))
            });
            let (service, code) = quota.code;
            let most = self.service_quota(service, code).await;
            checks.push(room(quota.what, wanted, used, most));
        }
        checks
    }

    /// A quota, as Service Quotas tells it.
    async fn service_quota(&self, service: &str, code: &str) -> Result<u64, Verdict> {
        let command = Command::read(Tool::Aws, &["service-quotas", "get-service-quota"])
            .flag("--service-code", service)
            .flag("--quota-code", code);
        self.ask(&command).await.and_then(|json| {
            let value = json.pointer("/Quota/Value").and_then(Json::as_f64);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a quota is a small whole number, written as a float"
            )]
            let whole = value.filter(|value| *value >= 0.0).map(|value| value as u64);
            whole.ok_or_else(|| Verdict::Unknown("the answer tells no quota".into()))
        })
    }

    /// The answer of a read; why there is none.
    pub(super) async fn ask(&self, command: &Command) -> Result<Json, Verdict> {
        let answer = self.gateway.read(command).await.map_err(|error| {
            Verdict::Unknown(self.gateway.show(&format!("`{}`: {error}", super::short(command))))
        })?;
        if !answer.succeeded() {
            return Err(self.unknown(command, &answer));
        }
        answer.json().map_err(Verdict::Unknown)
    }
}

/// Whether so many more fit.
fn room(what: &str, wanted: u64, used: Result<u64, Verdict>, quota: Result<u64, Verdict>) -> Check {
    let verdict = match (used, quota) {
        (Ok(used), Ok(quota)) if used.saturating_add(wanted) > quota => blocked(
            "QuotaExceeded",
            format!("{wanted} more {what} are planned, and {used} of {quota} are there already"),
            "ask for a higher quota (Service Quotas), or remove what is not needed any more",
        ),
        (Ok(used), Ok(quota)) => Verdict::Good(format!("{used} of {quota}, {wanted} more planned")),
        (Err(verdict), _) | (_, Err(verdict)) => verdict,
    };
    Check::new("quota", what, verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_a_blocker_and_what_is_not_told_is_unknown() {
        let good = room("IAM roles", 3, Ok(7), Ok(10));
        assert_eq!(good.verdict, Verdict::Good("7 of 10, 3 more planned".into()));
        let full = room("IAM roles", 4, Ok(7), Ok(10));
        assert_eq!(full.blocker().map(|one| one.code.as_str()), Some("QuotaExceeded"));
        let dark = room("IAM roles", 4, Ok(7), Err(Verdict::Unknown("denied".into())));
        assert_eq!(dark.verdict, Verdict::Unknown("denied".into()));
    }
}
