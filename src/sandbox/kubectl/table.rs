//! Objects as the tables that `kubectl get` prints, and the ages in them.
//!
//! The columns of each kind are those of the API server's own printers. Pure
//! functions; nothing here reads the cluster.

use jiff::Timestamp;
use serde_json::Value;

use crate::sandbox::cluster::ResourceType;

/// How a table is to be printed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// With a column for the namespace in front.
    pub namespaces: bool,
    /// Names as `TYPE/NAME`.
    pub kinds: bool,
    /// Without the header line.
    pub no_headers: bool,
}

/// The table of objects of one type, with a line end behind each row.
pub fn print(ty: &ResourceType, objects: &[&Value], now: Timestamp, style: Style) -> String {
    let columns = columns(ty);
    let mut rows: Vec<Vec<String>> = Vec::new();
    if !style.no_headers {
        let namespace = style.namespaces.then_some("NAMESPACE");
        rows.push(
            namespace
                .into_iter()
                .chain(columns.iter().map(|column| column.header))
                .map(str::to_owned)
                .collect(),
        );
    }
    for object in objects {
        let mut row = Vec::new();
        if style.namespaces {
            row.push(text(object, "/metadata/namespace"));
        }
        for column in columns {
            let cell = (column.cell)(object, now);
            let is_name = column.header == "NAME" && style.kinds;
            row.push(if is_name { format!("{}/{cell}", qualified(ty)) } else { cell });
        }
        rows.push(row);
    }
    align(&rows)
}

/// The type as `kubectl` writes it before a name: `deployment.apps`, `pod`.
pub fn qualified(ty: &ResourceType) -> String {
    if ty.group.is_empty() {
        ty.singular.to_string()
    } else {
        format!("{}.{}", ty.singular, ty.group)
    }
}

/// Rows with their columns padded as `kubectl` pads them: three spaces apart,
/// none behind the last.
pub fn align(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|index| {
            let longest =
                rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count()).max();
            (longest.unwrap_or(0) + 3).max(6)
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str(cell);
            if index + 1 < row.len() {
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
            }
        }
        out.push('\n');
    }
    out
}

/// How long ago, in Kubernetes' short form: `21s`, `5m3s`, `3h`, `2d4h`.
pub fn age(since: &str, now: Timestamp) -> String {
    let Ok(since) = since.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = now.as_second() - since.as_second();
    if seconds < 0 {
        return "<invalid>".to_owned();
    }
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let pair = |big: i64, unit: char, small: i64, rest: char| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{rest}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(hours / 24, 'd', hours % 24, 'h'),
        _ if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        _ if hours < 24 * 365 * 8 => pair(hours / 24 / 365, 'y', hours / 24 % 365, 'd'),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// A field as text; empty where there is none.
pub fn text(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn text_or(object: &Value, pointer: &str, other: &str) -> String {
    let text = text(object, pointer);
    if text.is_empty() { other.to_owned() } else { text }
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn items<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// `None` in Kubernetes' tables.
const NONE: &str = "<none>";

type Cell = fn(&Value, Timestamp) -> String;

struct Column {
    header: &'static str,
    cell: Cell,
}

const fn column(header: &'static str, cell: Cell) -> Column {
    Column { header, cell }
}

const NAME: Column = column("NAME", |o, _| text(o, "/metadata/name"));
const AGE: Column = column("AGE", |o, now| age(&text(o, "/metadata/creationTimestamp"), now));
const CREATED: Column = column("CREATED AT", |o, _| text(o, "/metadata/creationTimestamp"));

const PLAIN: &[Column] = &[NAME, AGE];
const DEPLOYMENT: &[Column] = &[
    NAME,
    column("READY", |o, _| {
        format!("{}/{}", number(o, "/status/readyReplicas"), number(o, "/spec/replicas"))
    }),
    column("UP-TO-DATE", |o, _| number(o, "/status/updatedReplicas").to_string()),
    column("AVAILABLE", |o, _| number(o, "/status/availableReplicas").to_string()),
    AGE,
];
const REPLICA_SET: &[Column] = &[
    NAME,
    column("DESIRED", |o, _| number(o, "/spec/replicas").to_string()),
    column("CURRENT", |o, _| number(o, "/status/replicas").to_string()),
    column("READY", |o, _| number(o, "/status/readyReplicas").to_string()),
    AGE,
];
const STATEFUL_SET: &[Column] = &[
    NAME,
    column("READY", |o, _| {
        format!("{}/{}", number(o, "/status/readyReplicas"), number(o, "/spec/replicas"))
    }),
    AGE,
];
const DAEMON_SET: &[Column] = &[
    NAME,
    column("DESIRED", |o, _| number(o, "/status/desiredNumberScheduled").to_string()),
    column("CURRENT", |o, _| number(o, "/status/currentNumberScheduled").to_string()),
    column("READY", |o, _| number(o, "/status/numberReady").to_string()),
    column("UP-TO-DATE", |o, _| number(o, "/status/updatedNumberScheduled").to_string()),
    column("AVAILABLE", |o, _| number(o, "/status/numberAvailable").to_string()),
    column("NODE SELECTOR", |o, _| {
        let selector = o.pointer("/spec/template/spec/nodeSelector").and_then(Value::as_object);
        let pairs: Vec<String> = selector
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        if pairs.is_empty() { NONE.to_owned() } else { pairs.join(",") }
    }),
    AGE,
];
const POD: &[Column] = &[
    NAME,
    column("READY", |o, _| {
        let ready = items(o, "/status/containerStatuses")
            .filter(|c| c.pointer("/ready") == Some(&Value::Bool(true)));
        format!("{}/{}", ready.count(), items(o, "/spec/containers").count())
    }),
    column("STATUS", |o, _| pod_status(o)),
    column("RESTARTS", |o, now| {
        let restarts: i64 =
            items(o, "/status/containerStatuses").map(|c| number(c, "/restartCount")).sum();
        let last = items(o, "/status/containerStatuses")
            .map(|c| text(c, "/lastState/terminated/finishedAt"))
            .max()
            .filter(|last| restarts > 0 && !last.is_empty());
        match last {
            Some(last) => format!("{restarts} ({} ago)", age(&last, now)),
            None => restarts.to_string(),
        }
    }),
    AGE,
];
const SERVICE: &[Column] = &[
    NAME,
    column("TYPE", |o, _| text(o, "/spec/type")),
    column("CLUSTER-IP", |o, _| text_or(o, "/spec/clusterIP", NONE)),
    column("EXTERNAL-IP", |o, _| {
        let addresses = load_balancer(o);
        match (addresses.is_empty(), text(o, "/spec/type") == "LoadBalancer") {
            (false, _) => addresses,
            (true, true) => "<pending>".to_owned(),
            (true, false) => NONE.to_owned(),
        }
    }),
    column("PORT(S)", |o, _| {
        let ports: Vec<String> = items(o, "/spec/ports")
            .map(|port| {
                let protocol = text_or(port, "/protocol", "TCP");
                match number(port, "/nodePort") {
                    0 => format!("{}/{protocol}", number(port, "/port")),
                    node => format!("{}:{node}/{protocol}", number(port, "/port")),
                }
            })
            .collect();
        if ports.is_empty() { NONE.to_owned() } else { ports.join(",") }
    }),
    AGE,
];
const CONFIG_MAP: &[Column] = &[NAME, column("DATA", |o, _| data_count(o)), AGE];
const SECRET: &[Column] = &[
    NAME,
    column("TYPE", |o, _| text_or(o, "/type", "Opaque")),
    column("DATA", |o, _| data_count(o)),
    AGE,
];
const ROLE: &[Column] = &[NAME, CREATED];
const BINDING: &[Column] = &[
    NAME,
    column("ROLE", |o, _| format!("{}/{}", text(o, "/roleRef/kind"), text(o, "/roleRef/name"))),
    AGE,
];
const BUDGET: &[Column] = &[
    NAME,
    column("MIN AVAILABLE", |o, _| text_or(o, "/spec/minAvailable", "N/A")),
    column("MAX UNAVAILABLE", |o, _| text_or(o, "/spec/maxUnavailable", "N/A")),
    column("ALLOWED DISRUPTIONS", |o, _| number(o, "/status/disruptionsAllowed").to_string()),
    AGE,
];
const NAMESPACE: &[Column] =
    &[NAME, column("STATUS", |o, _| text_or(o, "/status/phase", "Active")), AGE];
const NODE: &[Column] = &[
    NAME,
    column("STATUS", |o, _| {
        let ready = items(o, "/status/conditions")
            .any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True");
        let cordoned = o.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
        let status = if ready { "Ready" } else { "NotReady" };
        if cordoned { format!("{status},SchedulingDisabled") } else { status.to_owned() }
    }),
    column("ROLES", |o, _| {
        let labels = o.pointer("/metadata/labels").and_then(Value::as_object);
        let roles: Vec<&str> = labels
            .into_iter()
            .flatten()
            .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"))
            .collect();
        if roles.is_empty() { NONE.to_owned() } else { roles.join(",") }
    }),
    AGE,
    column("VERSION", |o, _| text(o, "/status/nodeInfo/kubeletVersion")),
];
const EVENT: &[Column] = &[
    column("LAST SEEN", |o, now| {
        let times = [
            "/series/lastObservedTime",
            "/lastTimestamp",
            "/eventTime",
            "/firstTimestamp",
            "/metadata/creationTimestamp",
        ];
        let last = times.iter().map(|pointer| text(o, pointer)).find(|time| !time.is_empty());
        age(&last.unwrap_or_default(), now)
    }),
    column("TYPE", |o, _| text(o, "/type")),
    column("REASON", |o, _| text(o, "/reason")),
    column("OBJECT", |o, _| {
        format!(
            "{}/{}",
            text(o, "/involvedObject/kind").to_ascii_lowercase(),
            text(o, "/involvedObject/name")
        )
    }),
    column("MESSAGE", |o, _| text(o, "/message").trim().to_owned()),
];
const STORAGE_CLASS: &[Column] = &[
    column("NAME", |o, _| {
        let default =
            text(o, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class") == "true";
        format!("{}{}", text(o, "/metadata/name"), if default { " (default)" } else { "" })
    }),
    column("PROVISIONER", |o, _| text(o, "/provisioner")),
    column("RECLAIMPOLICY", |o, _| text_or(o, "/reclaimPolicy", "Delete")),
    column("VOLUMEBINDINGMODE", |o, _| text_or(o, "/volumeBindingMode", "Immediate")),
    column("ALLOWVOLUMEEXPANSION", |o, _| text_or(o, "/allowVolumeExpansion", "false")),
    AGE,
];
const INGRESS: &[Column] = &[
    NAME,
    column("CLASS", |o, _| text_or(o, "/spec/ingressClassName", NONE)),
    column("HOSTS", |o, _| {
        let hosts: Vec<String> = items(o, "/spec/rules")
            .map(|rule| text(rule, "/host"))
            .filter(|host| !host.is_empty())
            .collect();
        if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") }
    }),
    column("ADDRESS", |o, _| load_balancer(o)),
    column("PORTS", |o, _| {
        if items(o, "/spec/tls").next().is_some() { "80, 443" } else { "80" }.to_owned()
    }),
    AGE,
];
const INGRESS_CLASS: &[Column] = &[
    NAME,
    column("CONTROLLER", |o, _| text(o, "/spec/controller")),
    column("PARAMETERS", |o, _| text_or(o, "/spec/parameters/name", NONE)),
    AGE,
];
const JOB: &[Column] = &[
    NAME,
    column("STATUS", |o, _| {
        let done = |kind: &str| {
            items(o, "/status/conditions")
                .any(|c| text(c, "/type") == kind && text(c, "/status") == "True")
        };
        if done("Complete") {
            "Complete".to_owned()
        } else if done("Failed") {
            "Failed".to_owned()
        } else {
            "Running".to_owned()
        }
    }),
    column("COMPLETIONS", |o, _| {
        format!("{}/{}", number(o, "/status/succeeded"), text_or(o, "/spec/completions", "1"))
    }),
    column("DURATION", |o, now| {
        let start = text(o, "/status/startTime");
        let end = text(o, "/status/completionTime").parse().unwrap_or(now);
        if start.is_empty() { String::new() } else { age(&start, end) }
    }),
    AGE,
];
const CRON_JOB: &[Column] = &[
    NAME,
    column("SCHEDULE", |o, _| text(o, "/spec/schedule")),
    column("TIMEZONE", |o, _| text_or(o, "/spec/timeZone", NONE)),
    column("SUSPEND", |o, _| {
        if text(o, "/spec/suspend") == "true" { "True" } else { "False" }.to_owned()
    }),
    column("ACTIVE", |o, _| items(o, "/status/active").count().to_string()),
    column("LAST SCHEDULE", |o, now| {
        let last = text(o, "/status/lastScheduleTime");
        if last.is_empty() { NONE.to_owned() } else { age(&last, now) }
    }),
    AGE,
];
const CLAIM: &[Column] = &[
    NAME,
    column("STATUS", |o, _| text_or(o, "/status/phase", "Pending")),
    column("VOLUME", |o, _| text(o, "/spec/volumeName")),
    column("CAPACITY", |o, _| text(o, "/status/capacity/storage")),
    column("ACCESS MODES", |o, _| {
        let modes: Vec<&str> = items(o, "/status/accessModes")
            .filter_map(Value::as_str)
            .map(|mode| match mode {
                "ReadWriteOnce" => "RWO",
                "ReadOnlyMany" => "ROX",
                "ReadWriteMany" => "RWX",
                other => other,
            })
            .collect();
        modes.join(",")
    }),
    column("STORAGECLASS", |o, _| text(o, "/spec/storageClassName")),
    column("VOLUMEATTRIBUTESCLASS", |o, _| {
        text_or(o, "/spec/volumeAttributesClassName", "<unset>")
    }),
    AGE,
];
const PRIORITY_CLASS: &[Column] = &[
    NAME,
    column("VALUE", |o, _| number(o, "/value").to_string()),
    column("GLOBAL-DEFAULT", |o, _| text_or(o, "/globalDefault", "false")),
    AGE,
    column("PREEMPTIONPOLICY", |o, _| text_or(o, "/preemptionPolicy", "PreemptLowerPriority")),
];

fn columns(ty: &ResourceType) -> &'static [Column] {
    match (ty.group.as_ref(), ty.plural.as_ref()) {
        ("apps", "deployments") => DEPLOYMENT,
        ("apps", "replicasets") => REPLICA_SET,
        ("apps", "statefulsets") => STATEFUL_SET,
        ("apps", "daemonsets") => DAEMON_SET,
        ("", "pods") => POD,
        ("", "services") => SERVICE,
        ("", "configmaps") => CONFIG_MAP,
        ("", "secrets") => SECRET,
        ("", "namespaces") => NAMESPACE,
        ("", "nodes") => NODE,
        ("", "events") => EVENT,
        ("", "persistentvolumeclaims") => CLAIM,
        ("rbac.authorization.k8s.io", "roles" | "clusterroles")
        | ("apiextensions.k8s.io", "customresourcedefinitions") => ROLE,
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => BINDING,
        ("policy", "poddisruptionbudgets") => BUDGET,
        ("storage.k8s.io", "storageclasses") => STORAGE_CLASS,
        ("networking.k8s.io", "ingresses") => INGRESS,
        ("networking.k8s.io", "ingressclasses") => INGRESS_CLASS,
        ("batch", "jobs") => JOB,
        ("batch", "cronjobs") => CRON_JOB,
        ("scheduling.k8s.io", "priorityclasses") => PRIORITY_CLASS,
        _ => PLAIN,
    }
}

fn data_count(object: &Value) -> String {
    let count = |pointer: &str| {
        object.pointer(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
    };
    (count("/data") + count("/binaryData")).to_string()
}

fn load_balancer(object: &Value) -> String {
    let addresses: Vec<String> = items(object, "/status/loadBalancer/ingress")
        .map(|one| text_or(one, "/hostname", &text(one, "/ip")))
        .collect();
    addresses.join(",")
}

/// What `kubectl` shows as a pod's status: its phase, unless a container or a
/// deletion says more.
pub fn pod_status(pod: &Value) -> String {
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return "Terminating".to_owned();
    }
    let mut status = text_or(pod, "/status/reason", &text_or(pod, "/status/phase", "Pending"));
    for container in items(pod, "/status/containerStatuses") {
        for pointer in ["/state/waiting/reason", "/state/terminated/reason"] {
            let reason = text(container, pointer);
            if !reason.is_empty() {
                status = reason;
            }
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ages_are_short() {
        let now: Timestamp = "2026-11-22T14:00:00Z".parse().unwrap();
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (185, "3m5s"),
            (600, "10m"),
            (10_800, "3h"),
            (12_600, "3h30m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (172_800, "2d"),
            (864_000, "10d"),
            (86_400 * 800, "2y70d"),
        ] {
            let since = Timestamp::from_second(now.as_second() - seconds).unwrap();
            assert_eq!(age(&since.to_string(), now), expected);
        }
        assert_eq!(age("", now), "<unknown>");
    }

    #[test]
    fn columns_are_three_spaces_apart() {
        let rows = [
            vec!["NAME".to_owned(), "AGE".to_owned()],
            vec!["karpenter".to_owned(), "21s".to_owned()],
        ];
        assert_eq!(align(&rows), "NAME        AGE\nkarpenter   21s\n");
    }

    #[test]
    fn a_pod_shows_what_its_container_waits_for() {
        for (pod, expected) in [
            (json!({"status": {"phase": "Pending"}}), "Pending"),
            (
                json!({"status": {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}}),
                "ImagePullBackOff",
            ),
            (
                json!({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}}),
                "Terminating",
            ),
        ] {
            assert_eq!(pod_status(&pod), expected);
        }
    }
}
