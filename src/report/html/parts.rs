//! The parts of the page that are read: headline, counts, tables, the list.
//!
//! This module must not draw the graph, nor decide what is dangerous.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::escape::one;
use super::facts::Facts;
use super::fields::write_body;
use crate::access::{Grant, PrincipalDelta, Verdict};
use crate::plan::Action;
use crate::plan::risk::{Assessed, Risk};
use crate::report::{count, short};

/// The sign of an action, for people who see no colour.
pub(super) fn sign(action: Action) -> &'static str {
    match action {
        Action::NoOp => "·",
        Action::Create => "+",
        Action::Adopt => "=",
        Action::Update => "~",
        Action::Replace => "±",
        Action::Repair => "!",
        Action::Delete => "−",
        Action::Forget => "○",
        Action::Check => "?",
        Action::Unknown => "×",
    }
}

/// How alarming the page looks.
pub(super) fn importance(facts: &Facts<'_>) -> &'static str {
    match facts.risks.first().map(|one| one.risk) {
        Some(Risk::DataLoss | Risk::Destroy) => "bad",
        Some(Risk::Access | Risk::Disruption) => "warn",
        None | Some(Risk::None) if facts.plan.blocked().count() > 0 => "bad",
        Some(Risk::InPlace | Risk::Create | Risk::Adopt | Risk::None) | None => "good",
    }
}

/// One tile an action; each narrows the list to it.
pub(super) fn tiles(facts: &Facts<'_>) -> String {
    let summary = facts.plan.summary();
    let mut html = String::new();
    let order = [
        Action::Delete,
        Action::Replace,
        Action::Unknown,
        Action::Repair,
        Action::Update,
        Action::Create,
        Action::Adopt,
        Action::Forget,
    ];
    for action in order.into_iter().filter(|&action| summary.count(action) > 0) {
        let _ = write!(
            html,
            "<button type=\"button\" class=\"tile a-{word}\" data-set=\"action:{word}\" \
             aria-pressed=\"false\"><span class=\"tile-sign\" aria-hidden=\"true\">{}</span>\
             <b>{}</b> <span>to {}</span></button>",
            sign(action),
            summary.count(action),
            verb(action),
            word = action.word(),
        );
    }
    let drifted = facts.risks.iter().filter(|one| one.undoes_drift).count();
    let blocked = facts.plan.blocked().count();
    for (number, word, sign) in [(drifted, "drift", "◆"), (blocked, "blocked", "■")] {
        if number > 0 {
            let _ = write!(
                html,
                "<button type=\"button\" class=\"tile t-{word}\" data-set=\"mark:{word}\" \
                 aria-pressed=\"false\"><span class=\"tile-sign\" aria-hidden=\"true\">{sign}</span>\
                 <b>{number}</b> <span>{word}</span></button>"
            );
        }
    }
    let same = summary.count(Action::NoOp) + summary.count(Action::Check);
    let _ = write!(
        html,
        "<span class=\"tile plain\"><span class=\"tile-sign\" aria-hidden=\"true\">·</span>\
         <b>{same}</b> <span>as declared</span></span>"
    );
    html
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::NoOp => "leave",
        Action::Create => "create",
        Action::Adopt => "adopt",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Repair => "repair",
        Action::Delete => "destroy",
        Action::Forget => "forget",
        Action::Check => "check",
        Action::Unknown => "find out",
    }
}

/// The table of risks, worst first. What is merely as declared is not in it.
pub(super) fn risks(facts: &Facts<'_>) -> String {
    let mut html = String::new();
    for assessed in facts.risks.iter().filter(|one| one.risk != Risk::None) {
        let Some(&at) = facts.index.get(&assessed.address) else { continue };
        write_risk(&mut html, at, assessed);
    }
    html
}

fn write_risk(html: &mut String, at: usize, assessed: &Assessed) {
    let risk = assessed.risk;
    let lost = assessed.reversible.how().map(|how| format!("<small>{}</small>", one(how)));
    let _ = write!(
        html,
        "<tr data-row=\"{at}\"><td data-s=\"{rank}\">{mark}</td>\
         <td data-s=\"{address}\"><a href=\"#r{at}\">{address}</a></td>\
         <td data-s=\"{word}\"><span class=\"act a-{word}\">{sign} {word}</span></td>\
         <td data-s=\"{why}\">{why}</td><td data-s=\"{back}\">{back}{lost}</td>\
         <td class=\"number\" data-s=\"{needed}\">{needed}</td></tr>",
        rank = risk.rank(),
        mark = risk_mark(risk),
        address = one(&assessed.address.to_string()),
        word = assessed.action.word(),
        sign = sign(assessed.action),
        why = one(&assessed.why),
        back = assessed.reversible.word(),
        lost = lost.unwrap_or_default(),
        needed = assessed.dependents,
    );
}

/// A risk in words and as a bar: the worse, the more of it is filled.
fn risk_mark(risk: Risk) -> String {
    format!(
        "<span class=\"risk k{}\"><span class=\"rank\" aria-hidden=\"true\"><i></i><i></i><i></i><i></i>\
         </span>{}</span>",
        risk.rank(),
        risk.title()
    )
}

/// What changes about who may do what; empty where nothing does.
pub(super) fn access(facts: &Facts<'_>) -> String {
    let access = &facts.access;
    if access.principals.is_empty() && access.bindings.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section class=\"card\" id=\"access\" aria-labelledby=\"access-title\">\
         <h2 id=\"access-title\">Access</h2>\
         <p class=\"lead\">What becomes possible, and what stops being possible.</p>\
         <div class=\"principals\">",
    );
    let mut principals: Vec<&PrincipalDelta> = access.principals.iter().collect();
    // The worst first; otherwise as they are.
    principals.sort_by_key(|delta| std::cmp::Reverse(delta.verdict));
    for delta in principals {
        write_principal(&mut html, facts, delta);
    }
    html.push_str("</div>");
    if !access.bindings.is_empty() {
        html.push_str("<h3>Service accounts</h3><ul class=\"grants\">");
        for binding in &access.bindings {
            let (tag, sign, verb) =
                if binding.gained { ("ins", "+", "gets") } else { ("del", "−", "loses") };
            let _ = write!(
                html,
                "<li><{tag}><span class=\"fsign\">{sign}</span> {} {verb} {} ({})</{tag}>{}</li>",
                one(&binding.service_account),
                one(&binding.role),
                binding.by.words(),
                link(facts, &binding.address)
            );
        }
        html.push_str("</ul>");
    }
    html.push_str("</section>");
    html
}

fn link(facts: &Facts<'_>, address: &crate::address::Address) -> String {
    let text = one(&address.to_string());
    match facts.index.get(address) {
        Some(at) => format!(" <a href=\"#r{at}\">{text}</a>"),
        None => format!(" {text}"),
    }
}

fn write_principal(html: &mut String, facts: &Facts<'_>, delta: &PrincipalDelta) {
    let (class, sign) = match delta.verdict {
        Verdict::Widened | Verdict::Both => ("v-wide", "▲"),
        Verdict::Undecided => ("v-open", "?"),
        Verdict::Narrowed => ("v-less", "▼"),
        Verdict::Reformatted | Verdict::Unchanged => ("v-same", "="),
    };
    let _ = write!(
        html,
        "<article class=\"principal {class}\"><h3><span class=\"verdict\">{sign} {}</span> {} \
         <small>{}{}</small></h3>",
        delta.verdict.word(),
        one(&delta.principal),
        delta.aspect.words(),
        link(facts, &delta.address),
    );
    if !delta.flags.is_empty() {
        html.push_str("<p class=\"flags\">");
        for flag in &delta.flags {
            let _ = write!(html, "<span class=\"warnflag\">! {}</span> ", flag.words());
        }
        html.push_str("</p>");
    }
    html.push_str("<ul class=\"grants\">");
    let gain = |grant: &Grant| ("ins", "+", grant.as_gain());
    let loss = |grant: &Grant| ("del", "−", grant.as_loss());
    let all = delta.gains.iter().map(gain).chain(delta.losses.iter().map(loss));
    for (tag, sign, words) in all {
        let words = one(&words);
        let _ = write!(html, "<li><{tag}><span class=\"fsign\">{sign}</span> {words}</{tag}></li>");
    }
    for why in &delta.undecided {
        let _ = write!(html, "<li class=\"open\"><span class=\"fsign\">?</span> {}</li>", one(why));
    }
    html.push_str("</ul></article>");
}

/// What was changed outside; empty where nothing was.
pub(super) fn drift(facts: &Facts<'_>) -> String {
    let drifted: Vec<&Assessed> = facts.risks.iter().filter(|one| one.undoes_drift).collect();
    if drifted.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<section class=\"card\" id=\"drift\" aria-labelledby=\"drift-title\">\
         <h2 id=\"drift-title\">Drift</h2><p class=\"lead\">{} changed outside of lkh since the \
         last apply. This plan undoes it.</p><ul class=\"drifted\">",
        count(drifted.len(), "resource")
    );
    for assessed in drifted {
        let Some(&at) = facts.index.get(&assessed.address) else { continue };
        let Some(change) = facts.plan.changes.get(at) else { continue };
        let paths: BTreeSet<String> =
            change.fields.iter().map(|field| one(&field.path.to_string())).collect();
        let shown: Vec<String> =
            paths.iter().take(6).map(|path| format!("<code>{path}</code>")).collect();
        let more = paths.len().saturating_sub(6);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let address = one(&assessed.address.to_string());
        let what = if shown.is_empty() {
            one(&change.reason.to_string())
        } else {
            format!("{}{more}", shown.join(" "))
        };
        let _ = write!(
            html,
            "<li><span class=\"act a-{0}\">{1} {0}</span> <a href=\"#r{at}\">{address}</a> {what}</li>",
            change.action.word(),
            sign(change.action),
        );
    }
    html.push_str("</ul></section>");
    html
}

/// What the stack tells once it is applied, where that changes.
pub(super) fn outputs(facts: &Facts<'_>) -> String {
    let mut rows = String::new();
    for output in facts.plan.outputs.iter().filter(|output| output.is_news()) {
        let before = output.before.as_ref().map(|before| {
            format!(
                "<del>{}</del> <span class=\"to\" aria-label=\"becomes\">→</span> ",
                one(&short(before))
            )
        });
        let _ = write!(
            rows,
            "<div class=\"field\"><dt><code>{}</code></dt><dd>{}<ins>{}</ins></dd></div>",
            one(&output.name),
            before.unwrap_or_default(),
            one(&short(&output.now))
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<section class=\"card\" id=\"outputs\" aria-labelledby=\"outputs-title\">\
         <h2 id=\"outputs-title\">Outputs</h2><dl class=\"fields\">{rows}</dl></section>"
    )
}

/// Every resource, closed; worst first, then what nothing happens to.
pub(super) fn list(facts: &Facts<'_>) -> String {
    let mut html = String::new();
    for assessed in &facts.risks {
        let Some(&at) = facts.index.get(&assessed.address) else { continue };
        let Some(change) = facts.plan.changes.get(at) else { continue };
        let quiet = facts.is_quiet(at);
        let (drift, blocked) = (facts.drifts(at), facts.is_blocked(at));
        let mut marks = Vec::new();
        if drift {
            marks.push("drift");
        }
        if blocked {
            marks.push("blocked");
        }
        let phase = change.phase.as_deref().unwrap_or("");
        let _ = write!(
            html,
            "<li class=\"item{}\" id=\"r{at}\" data-action=\"{word}\" data-risk=\"{risk}\" \
             data-phase=\"{phase}\" data-kind=\"{kind}\" data-mark=\"{marks}\"><details>\
             <summary><span class=\"act a-{word}\"><span aria-hidden=\"true\">{sign}</span> {word}\
             </span><span class=\"address\"><span class=\"kind\">{kind}.</span>{name}</span>",
            if quiet { " quiet" } else { "" },
            word = change.action.word(),
            risk = assessed.risk.word(),
            phase = one(phase),
            kind = one(&change.address.kind.to_string()),
            name = one(&change.address.name),
            marks = marks.join(" "),
            sign = sign(change.action),
        );
        for (mark, sign) in marks.iter().zip(marks.iter().map(|mark| match *mark {
            "drift" => "◆",
            _ => "■",
        })) {
            let _ = write!(html, "<span class=\"mark m-{mark}\">{sign} {mark}</span>");
        }
        if assessed.risk != Risk::None {
            html.push_str(&risk_mark(assessed.risk));
        }
        let _ = write!(html, "<span class=\"phase\">{}</span></summary>", one(phase));
        write_body(&mut html, facts, at, change);
        html.push_str("</details></li>");
    }
    html
}

/// The choices of a filter.
pub(super) fn options<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let values: BTreeSet<(usize, &str, &str)> =
        values.enumerate().map(|(at, (value, words))| (at, value, words)).collect();
    let mut html = String::new();
    for (_, value, words) in values {
        let _ = write!(html, "<option value=\"{}\">{}</option>", one(value), one(words));
    }
    html
}
