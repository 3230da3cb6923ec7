//! What is dangerous about one change: kind by kind, action by action.
//!
//! The one place that says so; what fills more than a line stands in `fields` and
//! `objects`. Every action and every kind stands in a match
//! without a catch-all, so a new kind does not compile until it is judged. A
//! change is as dangerous as the worst thing that is found about it. What this
//! does not know it takes for the worse. This module must not look at anything
//! but the change itself.

use std::fmt::Write as _;

use super::fields::{
    endpoint, is_true, of_bucket, of_cluster, of_new_bucket, of_nodegroup, opens_endpoint,
};
use super::objects::{holds_data, is_rbac, of_object};
use super::{Reversible, Risk, Verdict};
use crate::adapter::Kind;
use crate::diff::FieldChange;
use crate::plan::{Action, Change, Reason};

/// One thing that is to be said about a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// How dangerous it is.
    pub(super) risk: Risk,
    /// Why.
    pub(super) why: String,
    /// Whether it can be taken back.
    pub(super) reversible: Reversible,
}

pub(super) fn finding(risk: Risk, why: impl Into<String>, reversible: Reversible) -> Finding {
    Finding { risk, why: why.into(), reversible }
}

/// So many different reasons of the worst risk are named.
const NAMED: usize = 3;

pub(super) const GONE: Reversible = Reversible::No("what it holds is gone");
const ANEW: Reversible = Reversible::Partly("it can be made anew, as another object");

/// The worst that is to be said about a change.
pub(super) fn judge(change: &Change, access: Option<&Verdict>) -> Finding {
    let mut found = match change.action {
        Action::NoOp => return finding(Risk::None, "it stays as it is", Reversible::Yes),
        Action::Check => return finding(Risk::None, "it is only asked", Reversible::Yes),
        Action::Unknown => return finding(Risk::None, "it can't be planned", Reversible::Yes),
        Action::Forget => {
            return finding(Risk::Adopt, "the state forgets it; it stays", Reversible::Yes);
        }
        Action::Adopt if change.fields.is_empty() => {
            return finding(Risk::Adopt, "it exists as declared", Reversible::Yes);
        }
        Action::Delete => vec![destroyed(change)],
        Action::Replace => {
            let mut lost = destroyed(change);
            lost.why = format!("{}; {}", change.reason, lost.why);
            vec![lost]
        }
        Action::Create => made(change, access),
        Action::Adopt | Action::Update => changed(change, access),
        Action::Repair => {
            let mut found = changed(change, access);
            let why = match &change.reason {
                Reason::Broken { why } => format!("it is brought back to health: {why}"),
                other => format!("it is brought back to health: {other}"),
            };
            found.push(finding(Risk::Disruption, why, Reversible::Yes));
            found
        }
    };
    if !matches!(change.action, Action::Delete) {
        match access {
            Some(Verdict::Wider(what)) => {
                // It was looked into, so its words say more than these.
                found.retain(|one| one.risk != Risk::Access);
                found.push(finding(Risk::Access, what.as_str(), Reversible::Yes));
            }
            Some(Verdict::Undecided(why)) => found.push(finding(
                Risk::Access,
                format!("whether more becomes possible can't be decided: {why}"),
                Reversible::Yes,
            )),
            Some(Verdict::Narrower | Verdict::Same) | None => {}
        }
    }
    worst(found)
}

/// The worst of what was found, with every reason of that rank, and the worst
/// answer to whether it can be taken back.
fn worst(found: Vec<Finding>) -> Finding {
    let Some(risk) = found.iter().map(|one| one.risk).min() else {
        return finding(Risk::InPlace, "fields differ", Reversible::Yes);
    };
    let severity = |reversible: Reversible| match reversible {
        Reversible::No(_) => 0,
        Reversible::Partly(_) => 1,
        Reversible::Yes => 2,
    };
    // A danger of a lower rank may still be what can't be taken back.
    let reversible = found.iter().map(|one| one.reversible).min_by_key(|one| severity(*one));
    let mut whys: Vec<String> = Vec::new();
    for one in found.into_iter().filter(|one| one.risk == risk) {
        if !whys.contains(&one.why) {
            whys.push(one.why);
        }
    }
    let more = whys.len().saturating_sub(NAMED);
    whys.truncate(NAMED);
    let mut why = whys.join("; ");
    if more > 0 {
        let _ = write!(why, "; and {more} more");
    }
    finding(risk, why, reversible.unwrap_or(Reversible::Yes))
}

/// What is lost when an object is destroyed.
fn destroyed(change: &Change) -> Finding {
    let part = |name: &str| change.identity.part(name);
    match change.address.kind {
        Kind::S3Bucket => finding(
            Risk::DataLoss,
            "the bucket goes, with all objects and versions that it may hold",
            GONE,
        ),
        Kind::CloudFormationStack => finding(
            Risk::DataLoss,
            "everything that the stack made goes, unless its template retains it",
            GONE,
        ),
        Kind::EksCluster => finding(
            Risk::DataLoss,
            "the cluster goes with everything that runs and is kept in it",
            GONE,
        ),
        // Only where the manifest says so, or the plan holds no such command.
        Kind::KubernetesSecret if !runs(change, "delete") => {
            finding(Risk::Destroy, "another secret takes its place; the old one stays", ANEW)
        }
        Kind::KubernetesSecret => finding(
            Risk::DataLoss,
            "what the secret holds is kept nowhere else",
            Reversible::No("a generated value can't be made again"),
        ),
        Kind::Namespace if !change.blockers.is_empty() || !change.notes.is_empty() => finding(
            Risk::DataLoss,
            "the namespace is not empty, and what is left in it goes with it",
            GONE,
        ),
        Kind::Namespace => {
            finding(Risk::Destroy, "the namespace goes; nothing is left in it", ANEW)
        }
        Kind::KubernetesObject => {
            let kind = part("kind");
            match holds_data(kind) {
                Some(why) => finding(Risk::DataLoss, format!("{kind}: {why}"), GONE),
                None if kind.is_empty() => finding(Risk::Destroy, "the object goes", ANEW),
                None => finding(Risk::Destroy, format!("the {kind} goes"), ANEW),
            }
        }
        Kind::HelmRelease => match data_in_release(change) {
            Some((key, why)) => {
                finding(Risk::DataLoss, format!("the release goes with {key}: {why}"), GONE)
            }
            None => finding(
                Risk::Destroy,
                "the release goes with its objects and their pods",
                Reversible::Partly("it can be installed anew; what its pods kept is gone"),
            ),
        },
        Kind::EksNodegroup => finding(
            Risk::Destroy,
            "its nodes go, and the pods on them must find room elsewhere",
            ANEW,
        ),
        Kind::EksAddon => finding(Risk::Destroy, "the add-on goes from the cluster", ANEW),
        Kind::IamRole => finding(
            Risk::Destroy,
            "whoever takes this role on can't any more",
            Reversible::Partly("a role of the same name has another id"),
        ),
        Kind::IamPolicy => finding(
            Risk::Destroy,
            "whoever has this policy loses what it allows and what it denies",
            Reversible::Partly("it can be made anew; its old versions are gone"),
        ),
        Kind::ServiceLinkedRole => {
            finding(Risk::Destroy, "the service can't act in the account any more", ANEW)
        }
        Kind::EksAccessEntry => finding(
            Risk::Destroy,
            "its principal can't get into the cluster any more",
            Reversible::Yes,
        ),
        Kind::PodIdentityAssociation => finding(
            Risk::Destroy,
            "the pods of the service account lose their role",
            Reversible::Yes,
        ),
        Kind::Ec2Tags => finding(
            Risk::Destroy,
            "its tags go; what finds things by them finds them no more",
            Reversible::Yes,
        ),
        Kind::Route53Record => finding(
            Risk::Destroy,
            "the name is not answered any more",
            Reversible::Partly("resolvers remember that there was no answer"),
        ),
        Kind::Script => finding(
            Risk::Destroy,
            "its delete script runs; what that does only the script tells",
            Reversible::Partly("as far as the script can be undone"),
        ),
        // Looked up or asked, never made: no plan destroys them.
        Kind::AcmCertificate | Kind::Route53Zone | Kind::Readiness => {
            finding(Risk::Destroy, "it goes", ANEW)
        }
    }
}

/// The first object of a release that holds data, and what is lost with it. Of a
/// release whose objects are not known none is found.
fn data_in_release(change: &Change) -> Option<(&str, &'static str)> {
    let objects = change.before.as_ref()?.get("objects")?.as_map()?;
    objects.keys().find_map(|key| {
        let kind = key.split('/').next().unwrap_or_default();
        Some((key.as_str(), holds_data(kind)?))
    })
}

/// What is to be said of an object that is made.
fn made(change: &Change, access: Option<&Verdict>) -> Vec<Finding> {
    let new = |why: &str| finding(Risk::Create, why, Reversible::Yes);
    // What lets someone in counts as wider access unless it was looked into.
    let lets_in = |why: &str| match access {
        None => finding(Risk::Access, why, Reversible::Yes),
        Some(_) => new(why),
    };
    match change.address.kind {
        Kind::EksAccessEntry => {
            vec![finding(Risk::Access, "a principal gets into the cluster", Reversible::Yes)]
        }
        Kind::PodIdentityAssociation => {
            vec![finding(Risk::Access, "pods of a service account get a role", Reversible::Yes)]
        }
        Kind::IamRole => vec![lets_in("a new role, which others may take on")],
        Kind::IamPolicy => vec![lets_in("a new policy")],
        Kind::KubernetesObject if is_rbac(change.identity.part("kind")) => {
            vec![lets_in("who may do what in the cluster")]
        }
        Kind::S3Bucket => {
            let mut found = vec![new("a new bucket")];
            found.extend(change.fields.iter().filter_map(of_new_bucket));
            found
        }
        Kind::EksCluster => {
            let mut found = vec![new("a new cluster")];
            found.extend(change.fields.iter().filter(|field| opens_endpoint(field)).map(endpoint));
            found
        }
        Kind::Script => vec![new("its script runs; what that does only the script tells")],
        Kind::KubernetesObject
        | Kind::Ec2Tags
        | Kind::ServiceLinkedRole
        | Kind::EksNodegroup
        | Kind::EksAddon
        | Kind::HelmRelease
        | Kind::CloudFormationStack
        | Kind::AcmCertificate
        | Kind::Route53Zone
        | Kind::Route53Record
        | Kind::Namespace
        | Kind::KubernetesSecret
        | Kind::Readiness => {
            let why = match change.reason {
                Reason::RemovedOutside => "it was removed outside",
                _ => "it does not exist yet",
            };
            vec![new(why)]
        }
    }
}

/// What is to be said of each field of an object that is changed in place.
fn changed(change: &Change, access: Option<&Verdict>) -> Vec<Finding> {
    change.fields.iter().map(|field| of_field(change, field, access)).collect()
}

fn of_field(change: &Change, field: &FieldChange, access: Option<&Verdict>) -> Finding {
    let segments: Vec<&str> = field.path.segments().iter().map(String::as_str).collect();
    let (head, below) = segments.split_first().map_or(("", &[][..]), |(head, rest)| (*head, rest));
    let gained = field.after.is_some();
    let in_place = |why: String| finding(Risk::InPlace, why, Reversible::Yes);
    let disrupts = |why: &str| finding(Risk::Disruption, why, Reversible::Yes);
    // Unless it was looked into, a change of who may do what counts as wider.
    let documents = |why: &str| match access {
        None => finding(Risk::Access, why, Reversible::Yes),
        Some(Verdict::Narrower) => in_place("less becomes possible".to_owned()),
        Some(Verdict::Same) => in_place("the same access, written in another way".to_owned()),
        Some(Verdict::Wider(_) | Verdict::Undecided(_)) => in_place(format!("{head} changes")),
    };
    let plain = || in_place(format!("{head} changes"));
    match change.address.kind {
        Kind::IamRole => match head {
            "trustPolicy" => documents("who may take on the role changes"),
            "managedPolicies" | "inlinePolicies" => documents("what the role may do changes"),
            "permissionsBoundary" => documents("the boundary of what the role may do changes"),
            _ => plain(),
        },
        Kind::IamPolicy => match head {
            "document" => documents("what the policy allows changes"),
            _ => plain(),
        },
        Kind::EksAccessEntry => match head {
            "accessPolicies" | "kubernetesGroups" if gained => finding(
                Risk::Access,
                format!("{head}: more in the cluster for its principal"),
                Reversible::Yes,
            ),
            "username" => finding(Risk::Access, "another user in the cluster", Reversible::Yes),
            _ => plain(),
        },
        Kind::PodIdentityAssociation => match head {
            "roleArn" | "targetRoleArn" => {
                finding(Risk::Access, "the pods get another role", Reversible::Yes)
            }
            _ => plain(),
        },
        Kind::S3Bucket => of_bucket(field, head, &documents),
        Kind::EksCluster => of_cluster(field, head),
        Kind::EksNodegroup => of_nodegroup(field, head),
        Kind::EksAddon => match head {
            "version" => finding(
                Risk::Disruption,
                "the add-on is updated, and its pods are restarted",
                Reversible::Partly("not every add-on goes back to an older version"),
            ),
            "configurationValues" => disrupts("the add-on gets another configuration"),
            "serviceAccountRoleArn" | "podIdentityAssociations" => {
                finding(Risk::Access, "the add-on gets another role", Reversible::Yes)
            }
            _ => plain(),
        },
        Kind::HelmRelease => match (head, below) {
            ("objects", [key, rest @ ..]) => of_object(key, rest, field, access),
            ("chart" | "version", _) => disrupts("another chart or version of it"),
            _ => in_place(format!("{head} change")),
        },
        Kind::KubernetesObject => match (head, below) {
            ("object" | "fixed", [key, rest @ ..]) => of_object(key, rest, field, access),
            _ => plain(),
        },
        Kind::CloudFormationStack => match (head, below) {
            ("template", ["Resources", _, "Type"]) if field.before.is_some() => {
                finding(Risk::DataLoss, "a resource goes from the stack, with what it holds", GONE)
            }
            ("template", ["Resources", _, "DeletionPolicy" | "UpdateReplacePolicy"]) => {
                finding(Risk::Disruption, "what outlives the stack changes", Reversible::Yes)
            }
            // Which properties make CloudFormation replace what it made, only
            // CloudFormation knows.
            ("template" | "parameters", _) => finding(
                Risk::Disruption,
                "CloudFormation updates what it made, and may replace it",
                Reversible::Partly("what CloudFormation replaces is another object"),
            ),
            ("terminationProtection", _) if !is_true(field.after.as_ref()) => {
                in_place("the guard against deletion goes".to_owned())
            }
            _ => plain(),
        },
        Kind::Route53Record => match head {
            "values" | "alias" => finding(
                Risk::Disruption,
                "the name leads somewhere else",
                Reversible::Partly("resolvers remember the answer for its ttl"),
            ),
            _ => plain(),
        },
        Kind::Namespace => match below {
            [label, ..] if label.starts_with("pod-security.kubernetes.io/") => {
                finding(Risk::Access, "what pods of the namespace may do changes", Reversible::Yes)
            }
            _ => plain(),
        },
        Kind::KubernetesSecret => match head {
            "data" if field.before.is_some() => finding(
                Risk::Disruption,
                "whoever uses the secret gets another value, or none",
                Reversible::Partly("the old value is kept nowhere"),
            ),
            _ => plain(),
        },
        Kind::Script => finding(
            Risk::Disruption,
            "its script runs; what that does only the script tells",
            Reversible::Partly("as far as the script can be undone"),
        ),
        Kind::Ec2Tags
        | Kind::ServiceLinkedRole
        | Kind::AcmCertificate
        | Kind::Route53Zone
        | Kind::Readiness => plain(),
    }
}

/// Whether one of the planned commands has this word.
fn runs(change: &Change, word: &str) -> bool {
    change.commands.iter().any(|command| command.argv.iter().any(|given| given == word))
}
