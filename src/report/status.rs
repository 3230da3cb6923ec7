//! How far a stack is, as a table for people and as JSON for programs. What
//! every key of the JSON means is written in `docs/status.md`.

use std::fmt::Write as _;

use serde_json::{Map as JsonMap, Value as Json, json};

use super::{BAD, BOLD, DIM, GOOD, count, styled};
use crate::adapter::{Blocker, Kind};
use crate::engine::status::{DIFFERS, Overview, Presence, Standing, all};
use crate::plan::Action;
use crate::quote::{line, printable};
use crate::value::Value;

/// The chart by which Karpenter's release is known.
const KARPENTER: &str = "karpenter";

/// The status for machines.
pub fn json(overview: &Overview) -> Json {
    let phases: Vec<Json> = overview
        .phases
        .iter()
        .enumerate()
        .map(|(index, (name, description))| {
            let mut phase = of_phase(&overview.of_phase(Some(name)), overview.limited);
            phase.insert("name".into(), name.as_str().into());
            phase.insert("key".into(), phase_key(index, name).into());
            phase.insert("description".into(), json!(description));
            phase.into()
        })
        .collect();
    let outside = overview.of_phase(None);
    let undeclared: Vec<Json> =
        overview.standings.iter().filter(|standing| !standing.declared).map(resource).collect();
    let readiness: JsonMap<String, Json> = overview
        .phases
        .iter()
        .enumerate()
        .map(|(index, (name, _))| {
            let ready = all(overview.of_phase(Some(name)).iter().map(|s| s.ready()));
            (phase_key(index, name), json!(ready))
        })
        .collect();
    let releases: Vec<&Standing> = releases(overview).collect();
    let shown: Vec<Json> = releases
        .iter()
        .filter(|standing| standing.presence != Presence::Absent)
        .map(|standing| release(standing))
        .collect();
    json!({
        "generatedAt": overview.at,
        "stack": overview.stack,
        "account": overview.account,
        "region": overview.region,
        "cluster": overview.cluster,
        "ready": overview.ready(),
        "kubernetes": {"karpenter": karpenter(&releases)},
        "helm": {"releases": shown},
        "readiness": readiness,
        "phases": phases,
        "withoutPhase": outside.iter().map(|standing| resource(standing)).collect::<Vec<_>>(),
        "undeclared": undeclared,
        "nextSteps": next_steps(overview, true),
    })
}

/// `phase4CoreServices`: the key of the fourth phase, `core-services`.
pub fn phase_key(index: usize, name: &str) -> String {
    let camel = name.split(['-', '_']).map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect::<String>()
        })
    });
    format!("phase{}{}", index + 1, camel.collect::<String>())
}

/// What is told of the resources of one phase.
fn of_phase(members: &[&Standing], limited: bool) -> JsonMap<String, Json> {
    let blockers: Vec<Json> = members
        .iter()
        .filter(|standing| standing.waits_for.is_none())
        .filter_map(|standing| {
            let blocker = standing.blockers.first()?;
            Some(json!({
                "resource": standing.address,
                "code": blocker.code,
                "message": blocker.message,
                "next": blocker.next,
            }))
        })
        .collect();
    let reason = match members {
        [] if limited => Some("no resource of this phase is among the targets".to_owned()),
        [] => Some("no manifest declares anything for this phase".to_owned()),
        _ => members
            .iter()
            .find(|standing| standing.presence == Presence::Unknown)
            .map(|standing| format!("it is not known how far {} is", standing.address)),
    };
    let how_many = |test: &dyn Fn(&Standing) -> bool| members.iter().filter(|s| test(s)).count();
    let json = json!({
        "declared": members.len(),
        "applied": all(members.iter().map(|standing| standing.applied())),
        "ready": all(members.iter().map(|standing| standing.ready())),
        "appliedCount": how_many(&|standing| standing.applied() == Some(true)),
        "readyCount": how_many(&|standing| standing.ready() == Some(true)),
        "reason": reason,
        "blockers": blockers,
        "resources": members.iter().map(|standing| resource(standing)).collect::<Vec<_>>(),
    });
    match json {
        Json::Object(map) => map,
        _ => JsonMap::new(),
    }
}

fn resource(standing: &Standing) -> Json {
    let reason = (standing.presence == Presence::Unknown).then(|| {
        standing.blockers.first().map_or_else(String::new, |blocker| blocker.message.clone())
    });
    json!({
        "address": standing.address,
        "identity": standing.identity.to_string(),
        "external": standing.external,
        "status": standing.word(),
        "applied": standing.applied(),
        "ready": standing.ready(),
        "reason": reason,
        "plannedAction": standing.action,
        "blockers": standing.blockers,
        "waitsFor": standing.waits_for,
        "recorded": standing.recorded.map(|(status, at)| json!({"status": status, "at": at})),
    })
}

/// The releases that a manifest declares.
fn releases(overview: &Overview) -> impl Iterator<Item = &Standing> {
    overview.declared().filter(|standing| standing.address.kind == Kind::HelmRelease)
}

/// A text among an object's outputs.
fn output(standing: &Standing, name: &str) -> Option<String> {
    let value = standing.object.as_ref()?.outputs.get(name)?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn chart(standing: &Standing) -> Option<&str> {
    standing.object.as_ref()?.attributes.get("chart")?.as_str()
}

fn release(standing: &Standing) -> Json {
    let (chart, version) = (chart(standing), output(standing, "version"));
    // The form that `helm list` prints; the parts stand beside it, since no
    // reader could take a version such as 1.9.0-rc.1 out of it again.
    let both = chart.zip(version.as_deref()).map(|(chart, version)| format!("{chart}-{version}"));
    let reason = (standing.presence == Presence::Unknown)
        .then(|| standing.blockers.first().map(|blocker| blocker.message.clone()));
    json!({
        "name": standing.identity.part("releaseName"),
        "namespace": standing.identity.part("namespace"),
        "chart": both,
        "chartName": chart,
        "version": version,
        "appVersion": output(standing, "appVersion"),
        "status": output(standing, "status"),
        "revision": output(standing, "revision"),
        "workloads": workloads(standing),
        "ready": standing.ready(),
        "resource": standing.address,
        "reason": reason,
    })
}

/// The counts of a release's workloads, as `1/2`.
fn workloads(standing: &Standing) -> Json {
    let counts = standing.object.as_ref().and_then(|object| object.facts.get("workloads"));
    counts.map_or(Json::Null, Value::redacted_json)
}

/// Karpenter, as far as a declared release stands for it.
fn karpenter(releases: &[&Standing]) -> Json {
    let known = |standing: &&&Standing| {
        chart(standing) == Some(KARPENTER) || standing.identity.part("releaseName") == KARPENTER
    };
    let nothing = |reason: String| {
        json!({
            "status": null, "version": null, "namespace": null, "controllerReady": null,
            "reason": reason,
        })
    };
    let Some(standing) = releases.iter().find(known) else {
        return nothing("no manifest declares a release of Karpenter".into());
    };
    match standing.presence {
        Presence::There => json!({
            "status": output(standing, "status"),
            "version": output(standing, "version"),
            "namespace": output(standing, "namespace"),
            "controllerReady": controller_ready(standing),
            "reason": standing.blockers.first().map(|blocker| blocker.message.clone()),
        }),
        Presence::Absent => nothing("the release does not exist".into()),
        Presence::Unknown => {
            let why = standing.blockers.first().map(|blocker| blocker.message.clone());
            nothing(why.unwrap_or_else(|| "it could not be read".into()))
        }
    }
}

/// Whether the pods of a release do their work, whatever Helm says of it.
pub(super) fn controller_ready(standing: &Standing) -> bool {
    let of_helm = |blocker: &Blocker| {
        matches!(blocker.code.as_str(), "ReleaseFailed" | "ReleasePending" | DIFFERS)
    };
    let full = |count: &Json| {
        let count = count.as_str().and_then(|text| text.split_once('/'));
        let numbers = count.map(|(ready, wanted)| (ready.parse::<u64>(), wanted.parse::<u64>()));
        matches!(numbers, Some((Ok(ready), Ok(wanted))) if wanted > 0 && ready >= wanted)
    };
    let counts = workloads(standing);
    let counts = counts.as_object();
    counts.is_some_and(|counts| !counts.is_empty() && counts.values().all(full))
        && standing.blockers.iter().all(of_helm)
}

/// What to do next, in order: what is in the way first, of the first phase that
/// is not ready. Never a later phase. `whole`: with the chain of causes, for
/// whoever sees nothing else.
pub fn next_steps(overview: &Overview, whole: bool) -> Vec<String> {
    let mut steps = Vec::new();
    let groups = overview
        .phases
        .iter()
        .map(|(name, _)| Some(name.as_str()))
        .chain([None])
        .map(|name| (name, overview.of_phase(name)));
    let behind = groups
        .filter(|(_, members)| !members.is_empty())
        .find(|(_, members)| members.iter().any(|standing| standing.ready() != Some(true)));
    if let Some((name, members)) = behind {
        steps = steps_of_phase(name, &members, whole);
    } else if overview.declared().next().is_none() {
        steps.push("Declare something: no manifest declares a resource".into());
    } else {
        let adopted = overview.declared().filter(|s| s.action == Action::Adopt).count();
        if adopted > 0 {
            steps.push(format!(
                "Run `lkh apply`: it takes {} into the state that exist as declared",
                count(adopted, "resource")
            ));
        }
        let empty = overview
            .phases
            .iter()
            .find(|(name, _)| !overview.limited && overview.of_phase(Some(name)).is_empty());
        steps.push(match empty {
            Some((name, _)) => format!(
                "Nothing to do: all that is declared is ready. Phase {name} has no manifests yet"
            ),
            None if overview.limited => "Nothing to do: all that was looked at is ready".into(),
            None => "Nothing to do: all that is declared is ready".into(),
        });
    }
    let leftover = overview.standings.iter().filter(|standing| !standing.declared).count();
    if leftover > 0 {
        steps.push(format!(
            "Run `lkh plan`: no manifest declares {} that the state knows",
            count(leftover, "resource")
        ));
    }
    steps
}

fn steps_of_phase(name: Option<&str>, members: &[&Standing], whole: bool) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let mut push = |step: String| {
        if !steps.contains(&step) {
            steps.push(step);
        }
    };
    let late = |standing: &&&Standing| standing.ready() != Some(true);
    // Only the first cause of each: what waits for another is no cause.
    for standing in members.iter().filter(late).filter(|s| s.waits_for.is_none()) {
        let Some(blocker) = standing.blockers.first() else { continue };
        if is_for_apply(blocker) {
            continue;
        }
        let (address, next) = (&standing.address, first_line(&blocker.next));
        push(if whole {
            format!("Mend {address} ({}): {next}", first_line(&blocker.message))
        } else {
            format!("Mend {address}: {next}")
        });
    }
    if let Some(address) = members.iter().find_map(|standing| standing.waits_for.as_ref())
        && !members.iter().any(|standing| standing.address == *address)
    {
        push(format!("See to {address} first, which others wait for"));
    }
    let planned = members.iter().filter(late).filter(|standing| standing.action.is_change());
    let planned = planned.count();
    if planned > 0 {
        let target = name.map_or_else(String::new, |name| format!(" --target phase.{name}"));
        push(format!(
            "Then run `lkh apply{target}`: {} {} not as declared",
            count(planned, "resource"),
            if planned == 1 { "is" } else { "are" }
        ));
    }
    match steps.as_mut_slice() {
        [] => steps.push("Run `lkh plan` to see what is in the way".into()),
        // Nothing comes before it.
        [only] => {
            if let Some(rest) = only.strip_prefix("Then r") {
                *only = format!("R{rest}");
            }
        }
        _ => {}
    }
    steps
}

/// Whether an apply is all that it takes.
fn is_for_apply(blocker: &Blocker) -> bool {
    matches!(blocker.code.as_str(), "Missing" | DIFFERS | "Broken")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

/// The status for people.
pub fn text(overview: &Overview) -> String {
    let mut text = String::new();
    let cluster = overview.cluster.as_deref().unwrap_or("(not known)");
    let _ = writeln!(
        text,
        "Stack {}, cluster {}, account {}, region {}.\n",
        styled(BOLD, line(&overview.stack)),
        line(cluster),
        line(&overview.account),
        line(&overview.region)
    );
    write_table(&mut text, overview);
    let late: Vec<&Standing> =
        overview.declared().filter(|standing| standing.ready() != Some(true)).collect();
    if !late.is_empty() {
        let _ = writeln!(text, "\n{}", styled(BOLD, "not ready"));
    }
    for standing in late.iter().filter(|standing| standing.waits_for.is_none()) {
        write_late(&mut text, standing);
    }
    write_waiting(&mut text, &late);
    text.push('\n');
    for step in next_steps(overview, false) {
        let _ = writeln!(text, "{} {}", styled(BOLD, "next:"), printable(&step));
    }
    text
}

fn write_table(text: &mut String, overview: &Overview) {
    let mut rows = Vec::new();
    for (index, (name, _)) in overview.phases.iter().enumerate() {
        rows.push((format!("{} {name}", index + 1), overview.of_phase(Some(name))));
    }
    let outside = overview.of_phase(None);
    if !outside.is_empty() {
        rows.push(("(no phase)".to_owned(), outside));
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("phase".len());
    let head = format!("{:width$}  applied  ready  blockers", "phase");
    let _ = writeln!(text, "{}", styled(DIM, head));
    for (name, members) in rows {
        if members.is_empty() {
            let why = if overview.limited { "not looked at" } else { "nothing is declared" };
            let _ = writeln!(text, "{name:width$}  {}", styled(DIM, why));
            continue;
        }
        let cell = |answers: &dyn Fn(&Standing) -> Option<bool>, wide: usize| {
            let yes = members.iter().filter(|s| answers(s) == Some(true)).count();
            let unknown = members.iter().any(|s| answers(s).is_none());
            let shown = format!("{yes}/{}{}", members.len(), if unknown { "?" } else { "" });
            let style = if yes == members.len() { GOOD } else { BAD };
            format!("{}{}", styled(style, &shown), " ".repeat(wide.saturating_sub(shown.len())))
        };
        let blocked = members
            .iter()
            .filter(|standing| standing.waits_for.is_none() && standing.ready() != Some(true))
            .count();
        let shown = if blocked == 0 { "-".to_owned() } else { blocked.to_string() };
        let _ = writeln!(
            text,
            "{name:width$}  {}  {}  {shown}",
            cell(&Standing::applied, "applied".len()),
            cell(&Standing::ready, "ready".len())
        );
    }
}

fn write_late(text: &mut String, standing: &Standing) {
    let _ =
        writeln!(text, "  {}: {}", styled(BOLD, &standing.address), styled(BAD, standing.word()));
    if standing.presence == Presence::Absent && standing.blockers.iter().all(is_for_apply) {
        return;
    }
    // The first is the nearest to the cause; the others say it in other words.
    for blocker in standing.blockers.iter().take(1) {
        super::write_blockers(text, "    ", std::slice::from_ref(blocker));
    }
    if let Some(more) = standing.blockers.len().checked_sub(1).filter(|more| *more > 0) {
        let _ = writeln!(
            text,
            "    {}",
            styled(DIM, format!("{more} more: lkh status --target {} --json", standing.address))
        );
    }
}

fn write_waiting(text: &mut String, late: &[&Standing]) {
    let mut causes: Vec<_> = late.iter().filter_map(|s| s.waits_for.as_ref()).collect();
    causes.sort();
    causes.dedup();
    for cause in causes {
        let waiting: Vec<String> = late
            .iter()
            .filter(|standing| standing.waits_for.as_ref() == Some(cause))
            .map(|standing| standing.address.to_string())
            .collect();
        let verb = if waiting.len() == 1 { "waits" } else { "wait" };
        let _ = writeln!(text, "  {} {verb} for {cause}", waiting.join(", "));
    }
}

#[cfg(test)]
mod tests;
