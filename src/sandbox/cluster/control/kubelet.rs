//! The kubelets: what becomes of a pod that is on a node. It runs and is ready
//! at once, unless a fault says otherwise; one that is not restarted completes.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::admit::text;
use super::super::nodes::Trouble;
use super::super::store::{self, Key};
use super::super::{nodes, write};
use super::Control;
use super::events::Weight;

/// How a pod is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Health {
    Running,
    NotReady,
    Starting,
    NoImage(String),
    Crashing { exit_code: i32, restarts: u32 },
    Completed { exit_code: i32 },
}

impl Control<'_> {
    /// Brings a pod's status up to what it should be on its node.
    pub(super) fn start(&mut self, key: &Key, mut pod: Value) {
        let phase = text(&pod, "/status/phase");
        if phase == "Succeeded" || phase == "Failed" {
            return;
        }
        let Some(node) = self.object(&Key::new("", "nodes", "", &text(&pod, "/spec/nodeName")))
        else {
            store::remove(self.world, key);
            return;
        };
        let before = pod.clone();
        self.addresses(&mut pod, &node);
        let health = self.health(key, &pod);
        self.set_status(&mut pod, &health);
        if pod == before {
            return;
        }
        self.say(&before, &pod, &health);
        self.put(key, pod);
    }

    fn addresses(&mut self, pod: &mut Value, node: &Value) {
        if pod.pointer("/status/startTime").is_some() {
            return;
        }
        let addresses = node.pointer("/status/addresses").and_then(Value::as_array);
        let internal =
            addresses.into_iter().flatten().find(|a| a.get("type") == Some(&json!("InternalIP")));
        let host = internal.and_then(|a| a.get("address")).cloned().unwrap_or_default();
        let n = self.world.next("k8s/pod-address");
        let address = if pod.pointer("/spec/hostNetwork") == Some(&json!(true)) {
            host.clone()
        } else {
            json!(format!("10.0.{}.{}", 100 + n / 250 % 150, n % 250 + 1))
        };
        let status = &mut pod["status"];
        status["hostIP"] = host.clone();
        status["hostIPs"] = json!([{"ip": host}]);
        status["podIP"] = address.clone();
        status["podIPs"] = json!([{"ip": address}]);
        status["startTime"] = json!(self.now);
    }

    /// How the pod does: as the first fault that is meant for it says.
    fn health(&mut self, key: &Key, pod: &Value) -> Health {
        let completes = pod.pointer("/spec/restartPolicy").is_some_and(|p| p != "Always");
        let well = if completes { Health::Completed { exit_code: 0 } } else { Health::Running };
        let owner = self.workload(key, pod);
        let faults = nodes::read_faults(self.world);
        let fault = faults.into_iter().find(|fault| nodes::concerns(&fault.target, &owner, pod));
        match fault.map(|f| f.trouble) {
            None => well,
            Some(Trouble::ImagePull { message }) => Health::NoImage(message),
            Some(Trouble::CrashLoop { exit_code, .. }) if completes => {
                Health::Completed { exit_code }
            }
            Some(Trouble::CrashLoop { exit_code, restarts }) => {
                Health::Crashing { exit_code, restarts }
            }
            Some(Trouble::NeverReady) => Health::NotReady,
            Some(Trouble::Slow { seconds }) => {
                let started = text(pod, "/status/startTime").parse().unwrap_or(self.world.now());
                let due = started.checked_add(SignedDuration::from_secs(i64::from(seconds)));
                match due {
                    Ok(due) if due > self.world.now() => {
                        store::touch_at(self.world, key, due);
                        Health::Starting
                    }
                    _ => well,
                }
            }
        }
    }

    /// Namespace and name of the workload that a pod belongs to.
    fn workload(&self, key: &Key, pod: &Value) -> (String, String) {
        let mut owner = key.clone();
        let mut object = pod.clone();
        while let Some((next, _)) = store::controller(&object, key.namespace()) {
            owner = next;
            match self.object(&owner) {
                Some(next) => object = next,
                None => break,
            }
        }
        (owner.namespace().to_owned(), owner.name().to_owned())
    }

    fn set_status(&self, pod: &mut Value, health: &Health) {
        let now = self.now.as_str();
        let ready = *health == Health::Running;
        let phase = match health {
            Health::Running | Health::NotReady | Health::Crashing { .. } => "Running",
            Health::Starting | Health::NoImage(_) => "Pending",
            Health::Completed { exit_code: 0 } => "Succeeded",
            Health::Completed { .. } => "Failed",
        };
        let generation = pod.pointer("/metadata/generation").cloned().unwrap_or_else(|| json!(1));
        let names: Vec<String> = containers(pod).map(|c| text(c, "/name")).collect();
        let unready = format!("containers with unready status: [{}]", names.join(" "));
        let blank = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "lastProbeTime": null, "observedGeneration": generation,
            })
        };
        let mut conditions =
            vec![blank("PodReadyToStartContainers", "True"), blank("Initialized", "True")];
        for kind in ["Ready", "ContainersReady"] {
            let mut condition = blank(kind, if ready { "True" } else { "False" });
            if matches!(health, Health::Completed { .. }) {
                condition["reason"] = json!("PodCompleted");
            } else if !ready {
                condition["reason"] = json!("ContainersNotReady");
                condition["message"] = json!(unready);
            }
            conditions.push(condition);
        }
        let scheduled = store::condition(pod, "PodScheduled").cloned();
        for condition in conditions {
            store::set_condition(pod, condition, now);
        }
        // The kubelet's conditions come before the scheduler's.
        if let (Some(scheduled), Some(list)) =
            (scheduled, pod.pointer_mut("/status/conditions").and_then(Value::as_array_mut))
        {
            list.retain(|c| c.get("type") != Some(&json!("PodScheduled")));
            list.push(scheduled);
        }
        let uid = text(pod, "/metadata/uid");
        let statuses: Vec<Value> = containers(pod)
            .map(|container| {
                let name = text(container, "/name");
                let old = old_status(pod, &name);
                container_status(
                    container,
                    old.as_ref(),
                    health,
                    &format!("{uid}-{name}"),
                    pod,
                    now,
                )
            })
            .collect();
        let inits: Vec<Value> = pod
            .pointer("/spec/initContainers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|c| init_status(c, &uid, pod, now))
            .collect();
        let status = &mut pod["status"];
        status["phase"] = json!(phase);
        status["observedGeneration"] = generation;
        status["containerStatuses"] = json!(statuses);
        if !inits.is_empty() {
            status["initContainerStatuses"] = json!(inits);
        }
        let qos = write::qos_class(pod);
        pod["status"]["qosClass"] = json!(qos);
    }

    /// The kubelet's events about a pod that changed.
    fn say(&mut self, before: &Value, pod: &Value, health: &Health) {
        let first = before.pointer("/status/containerStatuses").is_none();
        for container in containers(pod).cloned().collect::<Vec<_>>() {
            let (name, image) = (text(&container, "/name"), text(&container, "/image"));
            let was_waiting =
                old_status(before, &name).is_some_and(|s| s.pointer("/state/waiting").is_some());
            match health {
                Health::NoImage(message) => {
                    let failed = format!("Failed to pull image \"{image}\": {message}");
                    self.event(
                        pod,
                        "kubelet",
                        Weight::Normal,
                        "Pulling",
                        &format!("Pulling image \"{image}\""),
                    );
                    self.event(pod, "kubelet", Weight::Warning, "Failed", &failed);
                    self.event(pod, "kubelet", Weight::Warning, "Failed", "Error: ErrImagePull");
                    let back_off = format!("Back-off pulling image \"{image}\"");
                    self.event(pod, "kubelet", Weight::Normal, "BackOff", &back_off);
                }
                Health::Starting => {}
                Health::Running
                | Health::NotReady
                | Health::Crashing { .. }
                | Health::Completed { .. } => {
                    if first || was_waiting {
                        let pulled =
                            format!("Container image \"{image}\" already present on machine");
                        self.event(pod, "kubelet", Weight::Normal, "Pulled", &pulled);
                        for (reason, did) in [("Created", "created"), ("Started", "started")] {
                            let message = format!("Container {did}: {name}");
                            self.event(pod, "kubelet", Weight::Normal, reason, &message);
                        }
                    }
                    if matches!(health, Health::Crashing { .. }) {
                        let message = back_off_restart(pod, &name);
                        self.event(pod, "kubelet", Weight::Warning, "BackOff", &message);
                    }
                    if *health == Health::NotReady && container.get("readinessProbe").is_some() {
                        let message =
                            "Readiness probe failed: HTTP probe failed with statuscode: 503";
                        self.event(pod, "kubelet", Weight::Warning, "Unhealthy", message);
                    }
                }
            }
        }
    }
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten()
}

fn old_status(pod: &Value, container: &str) -> Option<Value> {
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array)?;
    statuses.iter().find(|s| s.get("name").and_then(Value::as_str) == Some(container)).cloned()
}

fn back_off_restart(pod: &Value, container: &str) -> String {
    format!(
        "Back-off restarting failed container {container} in pod {}_{}({})",
        text(pod, "/metadata/name"),
        text(pod, "/metadata/namespace"),
        text(pod, "/metadata/uid"),
    )
}

fn container_status(
    container: &Value,
    old: Option<&Value>,
    health: &Health,
    id: &str,
    pod: &Value,
    now: &str,
) -> Value {
    let (name, image) = (text(container, "/name"), text(container, "/image"));
    let id = format!("containerd://{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(id)));
    let old_restarts = old.and_then(|o| o.get("restartCount")).and_then(Value::as_u64).unwrap_or(0);
    let old_last = old.and_then(|o| o.get("lastState")).cloned().unwrap_or_else(|| json!({}));
    let running_since = old.and_then(|o| o.pointer("/state/running/startedAt")).cloned();
    let running = json!({"running": {"startedAt": running_since.unwrap_or_else(|| json!(now))}});
    let ended = |exit_code: i32| {
        let kept = old.and_then(|o| o.pointer("/lastState/terminated/finishedAt")).cloned();
        let at = kept.unwrap_or_else(|| json!(now));
        json!({
            "containerID": id,
            "exitCode": exit_code,
            "finishedAt": at,
            "reason": if exit_code == 0 { "Completed" } else { "Error" },
            "startedAt": at,
        })
    };
    let (state, last, restarts, ready, started) = match health {
        Health::Running => (running, old_last, old_restarts, true, true),
        Health::NotReady => (running, old_last, old_restarts, false, true),
        Health::Starting => (
            json!({"waiting": {"reason": "ContainerCreating"}}),
            old_last,
            old_restarts,
            false,
            false,
        ),
        Health::NoImage(message) => {
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {message}");
            let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
            (waiting, old_last, old_restarts, false, false)
        }
        Health::Crashing { exit_code, restarts } => {
            let message = format!(
                "back-off 5m0s restarting failed container={name} pod={}_{}({})",
                text(pod, "/metadata/name"),
                text(pod, "/metadata/namespace"),
                text(pod, "/metadata/uid"),
            );
            let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
            (waiting, json!({"terminated": ended(*exit_code)}), u64::from(*restarts), false, false)
        }
        Health::Completed { exit_code } => {
            (json!({"terminated": ended(*exit_code)}), old_last, old_restarts, false, false)
        }
    };
    let mut status = json!({
        "name": name,
        "image": image,
        "imageID": "",
        "state": state,
        "lastState": last,
        "restartCount": restarts,
        "ready": ready,
        "started": started,
    });
    if !matches!(health, Health::Starting | Health::NoImage(_)) {
        status["containerID"] = json!(id);
        status["imageID"] = json!(format!(
            "{image}@sha256:{}",
            hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&image))
        ));
    }
    status
}

fn init_status(container: &Value, uid: &str, pod: &Value, now: &str) -> Value {
    let name = text(container, "/name");
    let statuses = pod.pointer("/status/initContainerStatuses").and_then(Value::as_array);
    let old = statuses
        .into_iter()
        .flatten()
        .find(|s| s.get("name").and_then(Value::as_str) == Some(&name));
    if let Some(old) = old {
        return old.clone();
    }
    let id = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(format!("{uid}-{name}")));
    json!({
        "name": name,
        "image": container.get("image"),
        "imageID": "",
        "containerID": format!("containerd://{id}"),
        "lastState": {},
        "ready": true,
        "restartCount": 0,
        "started": false,
        "state": {"terminated": {
            "containerID": format!("containerd://{id}"),
            "exitCode": 0,
            "finishedAt": now,
            "reason": "Completed",
            "startedAt": now,
        }},
    })
}
