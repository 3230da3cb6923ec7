//! Admission: what an API server adds to an object because of the rest of the
//! cluster, or refuses because of it.
//!
//! Namespaces must exist; pods get their service account, priority and usual
//! tolerations; services get addresses. Defaults that need nothing but the
//! object are not here.

use serde_json::{Value, json};

use super::Cluster;
use super::status::Status;
use super::store::{self, Key};
use super::types::ResourceType;
use crate::sandbox::aws;

/// The two taints that every pod tolerates for a while.
const PATIENCE: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Adds the way to the credentials of the role that the pod's service account
/// is associated with, as EKS does when a pod is made, and never later.
fn give_credentials(pod: &mut Value) {
    const PATH: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
    const VOLUME: &str = "eks-pod-identity-token";
    for list in ["/spec/containers", "/spec/initContainers"] {
        for container in pod.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            for (name, value) in [
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &format!("{PATH}/{VOLUME}")),
            ] {
                push(container, "env", json!({"name": name, "value": value}));
            }
            push(
                container,
                "volumeMounts",
                json!({"mountPath": PATH, "name": VOLUME, "readOnly": true}),
            );
        }
    }
    let volume = json!({"name": VOLUME, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {
            "audience": "pods.eks.amazonaws.com", "expirationSeconds": 86400, "path": VOLUME,
        }},
    ]}});
    if let Some(spec) = pod.get_mut("spec") {
        push(spec, "volumes", volume);
    }
}

impl Cluster<'_> {
    /// Whether a new object may go into a namespace.
    pub(super) fn admit_namespace(
        &self,
        ty: &ResourceType,
        namespace: &str,
        name: &str,
    ) -> Result<(), Status> {
        if !ty.namespaced {
            return Ok(());
        }
        let Some(object) = self.world.get(Key::new("", "namespaces", "", namespace).as_str())
        else {
            let mut status = Status::new(
                super::Reason::NotFound,
                format!("namespaces \"{namespace}\" not found"),
            );
            status.details = json!({"name": namespace, "kind": "namespaces"});
            return Err(status);
        };
        if object.pointer("/metadata/deletionTimestamp").is_some() {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            let mut status = Status::forbidden(ty, name, &why);
            status.details["causes"] = json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            }]);
            return Err(status);
        }
        Ok(())
    }

    /// Adds what a pod gets on creation.
    ///
    /// # Errors
    /// `Forbidden` where its service account or priority class is missing.
    pub(super) fn admit_pod(
        &mut self,
        ty: &ResourceType,
        namespace: &str,
        pod: &mut Value,
        dry_run: bool,
    ) -> Result<(), Status> {
        let name = text(pod, "/metadata/name");
        let account = match text(pod, "/spec/serviceAccountName") {
            account if account.is_empty() => "default".to_owned(),
            account => account,
        };
        let key = Key::new("", "serviceaccounts", namespace, &account);
        let Some(account_object) = self.world.get(key.as_str()) else {
            let why = format!(
                "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
            );
            return Err(Status::forbidden(ty, &name, &why));
        };
        let by_account =
            account_object.get("automountServiceAccountToken") != Some(&Value::Bool(false));
        let class = text(pod, "/spec/priorityClassName");
        let mut priority = 0;
        if !class.is_empty() {
            let key = Key::new("scheduling.k8s.io", "priorityclasses", "", &class);
            let Some(class_object) = self.world.get(key.as_str()) else {
                let why = format!("no PriorityClass with name {class} was found");
                return Err(Status::forbidden(ty, &name, &why));
            };
            priority = class_object.get("value").and_then(Value::as_i64).unwrap_or(0);
        }
        let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        for field in ["serviceAccount", "serviceAccountName"] {
            spec.insert(field.to_owned(), json!(account));
        }
        spec.insert("priority".to_owned(), json!(priority));
        for (field, value) in [
            ("enableServiceLinks", json!(true)),
            ("preemptionPolicy", json!("PreemptLowerPriority")),
        ] {
            spec.entry(field).or_insert(value);
        }
        let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
        if let Some(tolerations) = tolerations.as_array_mut() {
            for key in PATIENCE {
                if !tolerations.iter().any(|t| t.get("key").is_some_and(|k| k == key)) {
                    tolerations.push(json!({
                        "effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300,
                    }));
                }
            }
        }
        let mount =
            spec.get("automountServiceAccountToken").and_then(Value::as_bool).unwrap_or(by_account);
        if mount {
            self.mount_token(pod, dry_run);
        }
        if aws::has_association(self.world, namespace, &account) {
            give_credentials(pod);
        }
        Ok(())
    }

    /// Adds the volume with the service account's token.
    fn mount_token(&mut self, pod: &mut Value, dry_run: bool) {
        const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
        let name = format!("kube-api-access-{}", store::next_suffix(self.world, dry_run));
        for list in ["/spec/containers", "/spec/initContainers"] {
            for container in
                pod.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
            {
                let mount = json!({"mountPath": PATH, "name": name, "readOnly": true});
                push(container, "volumeMounts", mount);
            }
        }
        let volume = json!({"name": name, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
            {"downwardAPI": {"items": [{
                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                "path": "namespace",
            }]}},
        ]}});
        if let Some(spec) = pod.get_mut("spec") {
            push(spec, "volumes", volume);
        }
    }

    /// Gives a service its addresses and ports, or keeps those it had.
    pub(super) fn admit_service(
        &mut self,
        old: Option<&Value>,
        service: &mut Value,
        dry_run: bool,
    ) {
        let kind = text(service, "/spec/type");
        if kind == "ExternalName" || !service.get("spec").is_some_and(Value::is_object) {
            return;
        }
        if text(service, "/spec/clusterIP").is_empty() {
            let address = old.map(|o| text(o, "/spec/clusterIP")).filter(|a| !a.is_empty());
            let address = address.unwrap_or_else(|| {
                let n = store::number(self.world, "k8s/service-address", dry_run) + 15;
                format!("10.100.{}.{}", n / 250 % 250, n % 250 + 1)
            });
            service["spec"]["clusterIP"] = json!(address);
        }
        if service.pointer("/spec/clusterIPs").is_none() {
            service["spec"]["clusterIPs"] = json!([service["spec"]["clusterIP"]]);
        }
        if kind != "LoadBalancer" && kind != "NodePort" {
            return;
        }
        let had = old.and_then(|o| o.pointer("/spec/ports")).and_then(Value::as_array).cloned();
        for port in
            service.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten()
        {
            if port.get("nodePort").is_some_and(|p| p != 0) {
                continue;
            }
            let before = had.iter().flatten().find(|h| h.get("port") == port.get("port"));
            let number = match before.and_then(|b| b.get("nodePort")) {
                Some(number) => number.clone(),
                None => json!(30_000 + store::number(self.world, "k8s/node-port", dry_run) % 2_768),
            };
            port["nodePort"] = number;
        }
    }
}

/// The text at a pointer; empty where there is none.
pub(super) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Appends to the list of that name.
fn push(object: &mut Value, list: &str, item: Value) {
    match object.get_mut(list).and_then(Value::as_array_mut) {
        Some(items) => items.push(item),
        None => object[list] = json!([item]),
    }
}
