//! `describe`, in a short form: what a person looks for when a pod is not
//! ready.

use serde_json::Value;
use std::fmt::Write as _;

use super::change::found;
use super::{Call, Failure, table};
use crate::sandbox::charts::yaml;
use crate::sandbox::cluster::{FieldSelector, ListOptions};
use crate::sandbox::flags::{Flag, Takes, flag};

pub const FLAGS: &[Flag] =
    &[flag("chunk-size", Takes::Number), flag("show-events", Takes::Nothing)];

/// `kubectl describe`.
pub fn describe(call: &mut Call<'_>) -> Result<(), Failure> {
    if call.args.positional.is_empty() && call.args.values("filename").is_empty() {
        return Err(Failure::said(
            "You must specify the type of resource to describe. Use \"kubectl api-resources\" for a complete list of supported resources.",
        ));
    }
    let now = call.world.now();
    let mut texts = Vec::new();
    for one in found(call)? {
        let fields =
            format!("involvedObject.kind={},involvedObject.name={}", one.ty.kind, one.name);
        let options =
            ListOptions { fields: FieldSelector::parse(&fields)?, ..ListOptions::default() };
        let cluster = call.connect()?;
        let events = match cluster.type_of("v1", "Event") {
            Some(ty) => {
                let namespace = if one.namespace.is_empty() { "default" } else { &one.namespace };
                cluster.list(&ty, Some(namespace), &options).into_iter().cloned().collect()
            }
            None => Vec::new(),
        };
        let mut text = format!("Name:             {}\n", one.name);
        if !one.namespace.is_empty() {
            let _ = writeln!(text, "Namespace:        {}", one.namespace);
        }
        text.push_str(&pairs("Labels:", one.object.pointer("/metadata/labels")));
        text.push_str(&pairs("Annotations:", one.object.pointer("/metadata/annotations")));
        if one.ty.kind == "Pod" {
            text.push_str(&pod(&one.object));
        } else if let Some(spec) = one.object.get("spec") {
            text.push_str("Spec:\n");
            text.push_str(&indented(&yaml::print(spec)));
        }
        text.push_str(&conditions(&one.object));
        text.push_str(&event_table(&events, now));
        texts.push(text);
    }
    call.out = texts.join("\n\n");
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect::<Vec<_>>().concat()
}

fn pairs(title: &str, map: Option<&Value>) -> String {
    let mut out = String::new();
    let entries = map.and_then(Value::as_object);
    for (index, (key, value)) in entries.into_iter().flatten().enumerate() {
        let title = if index == 0 { title } else { "" };
        let _ = writeln!(out, "{title:<18}{key}={}", value.as_str().unwrap_or_default());
    }
    if out.is_empty() { format!("{title:<18}<none>\n") } else { out }
}

fn pod(object: &Value) -> String {
    let text = |pointer: &str| {
        let text = table::text(object, pointer);
        if text.is_empty() { "<none>".to_owned() } else { text }
    };
    let mut out = format!(
        "Service Account:  {}\nNode:             {}\nStatus:           {}\nIP:               {}\nContainers:\n",
        text("/spec/serviceAccountName"),
        text("/spec/nodeName"),
        table::pod_status(object),
        text("/status/podIP"),
    );
    let statuses = object.pointer("/status/containerStatuses").and_then(Value::as_array);
    for container in
        object.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten()
    {
        let name = table::text(container, "/name");
        let status =
            statuses.into_iter().flatten().find(|status| table::text(status, "/name") == name);
        let field =
            |pointer: &str| status.map(|status| table::text(status, pointer)).unwrap_or_default();
        let state = status.and_then(|status| status.get("state")).and_then(Value::as_object);
        let state = state.and_then(|state| state.keys().next()).map_or("waiting", String::as_str);
        let ready = if field("/ready") == "true" { "True" } else { "False" };
        let restarts = field("/restartCount");
        let _ =
            write!(out, "  {name}:\n    Image:          {}\n", table::text(container, "/image"));
        let mut letters = state.chars();
        let title: String = letters
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(letters)
            .collect();
        let _ = writeln!(out, "    State:          {title}");
        for (title, pointer) in
            [("Reason", "reason"), ("Message", "message"), ("Exit Code", "exitCode")]
        {
            let value = field(&format!("/state/{state}/{pointer}"));
            if !value.is_empty() {
                let _ = writeln!(out, "      {:<14}{value}", format!("{title}:"));
            }
        }
        let _ = writeln!(out, "    Ready:          {ready}");
        let _ = writeln!(
            out,
            "    Restart Count:  {}",
            if restarts.is_empty() { "0" } else { &restarts }
        );
    }
    out
}

fn conditions(object: &Value) -> String {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let mut rows = vec![["  Type", "Status", "Reason", "Message"].map(str::to_owned).to_vec()];
    for condition in conditions.into_iter().flatten() {
        let text = |pointer: &str| table::text(condition, pointer);
        rows.push(vec![
            format!("  {}", text("/type")),
            text("/status"),
            text("/reason"),
            text("/message"),
        ]);
    }
    if rows.len() == 1 { String::new() } else { format!("Conditions:\n{}", table::align(&rows)) }
}

fn event_table(events: &[Value], now: jiff::Timestamp) -> String {
    if events.is_empty() {
        return "Events:  <none>\n".to_owned();
    }
    let mut rows = vec![
        ["  Type", "Reason", "Age", "From", "Message"].map(str::to_owned).to_vec(),
        ["  ----", "------", "----", "----", "-------"].map(str::to_owned).to_vec(),
    ];
    for event in events {
        let text = |pointer: &str| table::text(event, pointer);
        let from = [text("/reportingComponent"), text("/source/component")]
            .into_iter()
            .find(|from| !from.is_empty());
        rows.push(vec![
            format!("  {}", text("/type")),
            text("/reason"),
            table::age(&text("/metadata/creationTimestamp"), now),
            from.unwrap_or_default(),
            text("/message"),
        ]);
    }
    format!("Events:\n{}", table::align(&rows))
}
