//! The Kubernetes side: access entries of clusters, and which service account
//! acts as which role.
//!
//! This module must not look into roles of Kubernetes: what a group may do is
//! not known here.

use std::collections::BTreeSet;

use super::compare::Found;
use super::subjects::{Two, push, text};
use super::{AccessDelta, Aspect, Binding, BindingDelta, Flag, Grant};
use crate::adapter::Kind;
use crate::address::Address;
use crate::plan::Change;
use crate::value::{Map, Value};

/// The annotation by which a service account names its role.
const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";

/// What an access entry that changes gives and takes.
pub(super) fn entry_change(
    delta: &mut AccessDelta,
    change: &Change,
    sides: Two<'_>,
    principal: String,
) {
    let cluster = change.identity.part("clusterName");
    let (before, after) = (entry(sides.before, cluster), entry(sides.after, cluster));
    if before == after {
        return;
    }
    // A policy for the whole cluster holds in each namespace.
    let covered = |grant: &Grant, by: &BTreeSet<Grant>| {
        by.contains(grant)
            || matches!(grant, Grant::ClusterPolicy { cluster, policy, namespace: Some(_) }
            if by.contains(&Grant::ClusterPolicy {
                cluster: cluster.clone(),
                policy: policy.clone(),
                namespace: None,
            }))
    };
    let open = |side: &BTreeSet<Grant>, by: &BTreeSet<Grant>| -> BTreeSet<Grant> {
        side.iter().filter(|grant| !covered(grant, by)).cloned().collect()
    };
    let mut found =
        Found { gains: open(&after, &before), losses: open(&before, &after), ..Found::default() };
    let is_admin = |grant: &Grant| {
        matches!(grant, Grant::ClusterPolicy { policy, namespace: None, .. }
            if policy.ends_with("/AmazonEKSClusterAdminPolicy"))
    };
    if found.gains.iter().any(is_admin) {
        found.flags.insert(Flag::AdministratorAccess);
    }
    if found.gains.iter().any(|grant| matches!(grant, Grant::ClusterEntry { .. })) {
        found.flags.insert(Flag::NewTrustedPrincipal);
    }
    push(delta, change, Aspect::Cluster, principal, found);
}

/// What an access entry gives.
fn entry(side: Option<&Map>, cluster: &str) -> BTreeSet<Grant> {
    let mut grants = BTreeSet::new();
    let Some(side) = side else { return grants };
    let cluster = || cluster.to_owned();
    let entry_type = side.get("type").map_or_else(|| "STANDARD".to_owned(), text);
    grants.insert(Grant::ClusterEntry { cluster: cluster(), entry_type });
    for group in side.get("kubernetesGroups").and_then(Value::as_list).unwrap_or_default() {
        grants.insert(Grant::ClusterGroup { cluster: cluster(), group: text(group) });
    }
    if let Some(user) = side.get("username") {
        let group = format!("user {}", text(user));
        grants.insert(Grant::ClusterGroup { cluster: cluster(), group });
    }
    for (policy, scope) in side.get("accessPolicies").and_then(Value::as_map).into_iter().flatten()
    {
        let namespaces = scope.get("namespaces").and_then(Value::as_list).unwrap_or_default();
        let whole = namespaces.is_empty().then_some(None);
        for namespace in whole.into_iter().chain(namespaces.iter().map(|one| Some(text(one)))) {
            let policy = policy.clone();
            grants.insert(Grant::ClusterPolicy { cluster: cluster(), policy, namespace });
        }
    }
    grants
}

// ---- service accounts ------------------------------------------------------

/// Cluster, service account, role, and by what.
type Bound = (String, String, String, Binding);

/// Which service accounts a change gives which roles.
pub(super) fn bindings(delta: &mut AccessDelta, change: &Change, sides: Two<'_>) {
    let of = |side: Option<&Map>| side.map(|side| bound(change, side)).unwrap_or_default();
    let (before, after) = (of(sides.before), of(sides.after));
    let mut put = |bound: &Bound, gained: bool| {
        let (cluster, service_account, role, by) = bound.clone();
        let address: Address = change.address.clone();
        delta.bindings.push(BindingDelta { cluster, service_account, role, gained, by, address });
    };
    after.difference(&before).for_each(|bound| put(bound, true));
    before.difference(&after).for_each(|bound| put(bound, false));
}

fn bound(change: &Change, side: &Map) -> BTreeSet<Bound> {
    let part = |key: &str| change.identity.0.get(key).map(text).unwrap_or_default();
    let mut all = BTreeSet::new();
    match change.address.kind {
        Kind::PodIdentityAssociation => {
            let account = format!("{}/{}", part("namespace"), part("serviceAccount"));
            for (attribute, by) in
                [("roleArn", Binding::PodIdentity), ("targetRoleArn", Binding::PodIdentityTarget)]
            {
                let role = side.get(attribute).map(text).unwrap_or_default();
                if !role.is_empty() {
                    all.insert((part("clusterName"), account.clone(), role, by));
                }
            }
        }
        Kind::HelmRelease | Kind::KubernetesObject => {
            let objects =
                ["objects", "object"].into_iter().find_map(|name| side.get(name)?.as_map());
            match objects.filter(|objects| !objects.is_empty()) {
                Some(objects) => {
                    for (key, object) in objects {
                        let Some(account) = key.strip_prefix("ServiceAccount/") else { continue };
                        let annotations =
                            object.get("metadata").and_then(|meta| meta.get("annotations"));
                        annotated(annotations, account, &mut all);
                    }
                }
                // Nothing is rendered yet: what charts usually take.
                None => {
                    let release = part("releaseName");
                    let values = side.get("values");
                    in_values(values, &part("namespace"), &release, &mut all);
                }
            }
        }
        _ => {}
    }
    all
}

fn annotated(annotations: Option<&Value>, account: &str, all: &mut BTreeSet<Bound>) {
    if let Some(role) = annotations.and_then(|all| all.get(ROLE_ANNOTATION)) {
        all.insert((String::new(), account.to_owned(), text(role), Binding::Annotation));
    }
}

/// Every `serviceAccount` in the values of a chart.
fn in_values(values: Option<&Value>, namespace: &str, release: &str, all: &mut BTreeSet<Bound>) {
    for (key, value) in values.and_then(Value::as_map).into_iter().flatten() {
        if key == "serviceAccount" {
            let name = value.get("name").map_or_else(|| release.to_owned(), text);
            annotated(value.get("annotations"), &format!("{namespace}/{name}"), all);
        } else {
            in_values(Some(value), namespace, release, all);
        }
    }
}
