//! Clusters and what is in them: the way into the stack's cluster, and what is
//! known of an object whose cluster does not exist, or is another one.
//!
//! A Helm release, an access entry or a pod identity association can't outlive
//! its cluster. Once the service has said that a cluster does not exist, nobody
//! is asked for what was in it. This module must not take an error for that.

use std::sync::PoisonError;

use super::{Action, Entry, Live, Survey};
use crate::adapter::{Adapter, CLUSTER_NAME, Identity, Kind, Subject};
use crate::address::{Address, Reference};
use crate::engine::entry;
use crate::engine::read::{Freshness, Sighting, Unreadable, read};
use crate::exec::ClusterAccess;
use crate::manifest::template::resolve;
use crate::plan::Reason;
use crate::value::{Map, Value};

impl Survey {
    /// Tells the gateway how to reach the cluster, from the outputs of the
    /// resource that the stack names.
    pub(super) async fn reach_cluster(&self) -> Result<(), Reason> {
        let Some(address) = entry::cluster(&self.stack) else {
            return Err(Reason::NotReadable {
                why: "the Stack names no cluster: set spec.kubernetes.cluster".into(),
            });
        };
        let Some(slot) = self.settled.get(&address) else {
            return Err(Reason::DependencyUnknown { address });
        };
        match cluster_access(&slot.wait().await.outputs) {
            Some(access) => {
                self.gateway.set_cluster(access);
                Ok(())
            }
            None => Err(Reason::DependencyUnknown { address }),
        }
    }

    /// Takes in that an apply made or changed a cluster: what is in it can be
    /// read from now on, and `helm` and `kubectl` find it.
    pub(in crate::engine) fn cluster_is_there(&self, address: &Address, outputs: &Map) {
        if address.kind != Kind::EksCluster {
            return;
        }
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(address.clone());
        if entry::cluster(&self.stack).as_ref() == Some(address)
            && let Some(access) = cluster_access(outputs)
        {
            self.gateway.set_cluster(access);
        }
    }

    /// Whether the stack's cluster was read and does not exist.
    pub(super) fn is_stack_cluster_missing(&self) -> bool {
        entry::cluster(&self.stack).is_some_and(|address| self.is_absent(&address))
    }

    /// The resource that stands for the cluster that an object is or would be
    /// in, where that cluster was read and does not exist.
    pub(super) fn missing_cluster(
        &self,
        adapter: &dyn Adapter,
        identity: &Identity,
    ) -> Option<&Address> {
        let name = identity.part(CLUSTER_NAME);
        // A kubeconfig of the user's may lead to any cluster.
        if name.is_empty() || (adapter.needs_kubernetes() && self.gateway.has_own_kubeconfig()) {
            return None;
        }
        self.clusters.iter().find(|address| {
            let settled = self.settled.get(*address).and_then(|slot| slot.get());
            settled.and_then(|settled| settled.desired.as_ref()).is_some_and(|desired| {
                desired.identity.part("name") == name && self.is_absent(address)
            })
        })
    }

    /// What is known of an object without asking for it: of one whose cluster
    /// does not exist, and of one that is in another cluster than `helm` and
    /// `kubectl` work on, where they would tell of another object.
    pub(super) async fn outside(
        &self,
        adapter: &dyn Adapter,
        identity: &Identity,
        freshness: Freshness,
    ) -> Result<Option<Sighting>, Unreadable> {
        if let Some(address) = self.missing_cluster(adapter, identity) {
            let settled = self.settled.get(address).and_then(|slot| slot.get());
            let commands = settled.map(|settled| settled.evidence.clone()).unwrap_or_default();
            return Ok(Some(Sighting::absent(commands)));
        }
        let name = identity.part(CLUSTER_NAME);
        if !adapter.needs_kubernetes() || name.is_empty() {
            return Ok(None);
        }
        let Some(here) = self.cluster_name().filter(|here| here != name) else { return Ok(None) };
        if !self.gateway.has_own_kubeconfig() {
            let identity = Identity::new([("name", Value::from(name))]);
            let subject = Subject::alone(&identity, None, None);
            let cluster = Kind::EksCluster.adapter();
            let sighting = Box::pin(read(&self.gateway, cluster, subject, freshness)).await?;
            if sighting.live == Live::Absent {
                return Ok(Some(sighting));
            }
        }
        Err(Unreadable {
            command: String::new(),
            why: format!("it was applied in the cluster {name}, and this run works on {here}"),
            next: format!(
                "let the Stack's kubernetes.cluster be {name} again and destroy it there first"
            ),
        })
    }

    /// An external object that a resource depends on, be it by way of others,
    /// and that does not exist.
    pub(super) fn missing_dependency(&self, entry: &Entry) -> Option<Address> {
        entry.dependencies.iter().find_map(|address| {
            let settled = self.settled.get(address)?.get()?;
            match (&settled.decision.reason, settled.decision.action) {
                (Reason::DependencyMissing { address }, Action::Unknown) => Some(address.clone()),
                _ => {
                    let external = self.entries.get(address)?.external;
                    (external && self.is_absent(address)).then(|| address.clone())
                }
            }
        })
    }

    fn is_absent(&self, address: &Address) -> bool {
        if self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(address) {
            return false;
        }
        let settled = self.settled.get(address).and_then(|slot| slot.get());
        settled.is_some_and(|settled| settled.live == Some(Live::Absent))
    }

    /// The name of the cluster that `helm` and `kubectl` work on, once known.
    fn cluster_name(&self) -> Option<String> {
        let account = self.account.get().and_then(|account| account.as_deref().ok());
        let mut lookup = |reference: &Reference| self.lookup(reference, account);
        let name = resolve(self.stack.cluster.as_ref()?, &mut lookup).ok()?;
        name.as_str().map(str::to_owned)
    }
}

/// How the tools reach a cluster, from the outputs of an `EksCluster`.
pub fn cluster_access(outputs: &Map) -> Option<ClusterAccess> {
    let text = |key: &str| outputs.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(ClusterAccess {
        name: text("name")?,
        endpoint: text("endpoint")?,
        certificate_authority: text("certificateAuthority")?,
    })
}
