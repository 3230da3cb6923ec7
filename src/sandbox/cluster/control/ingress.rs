//! The load balancer controller: an ingress of class `alb` gets the host name
//! of a load balancer, while the controller runs.
//!
//! This module must not make anything in EC2: the load balancer is a name.

use serde_json::{Value, json};

use super::super::store::{self, Key};
use super::Control;
use crate::sandbox::aws::HOME_REGION;

/// The annotation that names the load balancer.
const NAME: &str = "/metadata/annotations/alb.ingress.kubernetes.io~1load-balancer-name";

impl Control<'_> {
    pub(super) fn ingress(&mut self, key: &Key) {
        let Some(mut ingress) = self.object(key) else { return };
        let class = ingress.pointer("/spec/ingressClassName").and_then(Value::as_str);
        let has = ingress.pointer("/status/loadBalancer/ingress/0").is_some();
        if class != Some("alb") || has || !self.balances() {
            return;
        }
        let name = ingress
            .pointer(NAME)
            .and_then(Value::as_str)
            .map_or_else(|| format!("k8s-{}-{}", key.namespace(), key.name()), str::to_owned);
        let number = self.world.next("elb/load-balancer") + 1_000_000_000;
        let host = format!("{name}-{number}.{HOME_REGION}.elb.amazonaws.com");
        ingress["status"] = json!({"loadBalancer": {"ingress": [{"hostname": host}]}});
        self.put(key, ingress);
    }

    /// Looks at every ingress again, where a deployment may be the controller.
    pub(super) fn perhaps_balances(&mut self, deployment: &Key) {
        if deployment.name().contains("load-balancer-controller") {
            self.touch_all(&store::type_prefix("networking.k8s.io", "ingresses"));
        }
    }

    /// Whether the controller runs.
    fn balances(&self) -> bool {
        let deployments = self.world.scan(&store::type_prefix("apps", "deployments"));
        deployments.into_iter().any(|(_, one)| {
            let name = one.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("");
            let ready = one.pointer("/status/readyReplicas").and_then(Value::as_i64);
            name.contains("load-balancer-controller") && ready.unwrap_or(0) > 0
        })
    }
}
