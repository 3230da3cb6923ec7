//! A plan as one page for a browser: a picture, tables, and every difference.
//!
//! The page holds everything itself and asks for nothing: its content security
//! policy allows its own style and script, by their digests, and no request at
//! all. Its text is made here, every value through `escape`, so it can be read
//! and printed without the script too, which only adds search, filters, zoom
//! and keys. The same plan gives the same bytes. This module must not decide
//! what is dangerous, nor read anything.

mod escape;
mod facts;
mod fields;
mod layout;
mod parts;
mod picture;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use self::escape::{one, source};
use self::facts::Facts;
use super::format::Rendering;
use super::headline::headline;
use crate::access::AccessDelta;
use crate::plan::risk::{Risk, assess};
use crate::plan::{Action, Mode, Plan};

const TEMPLATE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The page, as one of a plan's formats.
pub fn render(of: &Rendering<'_>) -> String {
    page(of.plan)
}

/// The page of a plan.
pub fn page(plan: &Plan) -> String {
    let access = AccessDelta::of(plan);
    let risks = assess(plan, &access.for_risks());
    let facts = Facts::of(plan, risks, access);
    let mut page = String::with_capacity(TEMPLATE.len() + STYLE.len() + SCRIPT.len());
    let mut rest = TEMPLATE;
    // What is put in is not looked at again, whatever it holds.
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let Some((name, after)) = after.split_once("}}") else { break };
        page.push_str(&part(name, &facts));
        rest = after;
    }
    page.push_str(rest);
    page
}

fn part(name: &str, facts: &Facts<'_>) -> String {
    let plan = facts.plan;
    match name {
        "policy" => format!(
            "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            source(STYLE),
            source(SCRIPT)
        ),
        "style" => STYLE.to_owned(),
        "script" => SCRIPT.to_owned(),
        "stack" => one(&plan.stack),
        "where" => format!("account {} · {}", one(&plan.account), one(&plan.region)),
        "what" => match plan.mode {
            Mode::Apply => "Plan".to_owned(),
            Mode::Destroy => "Plan to destroy".to_owned(),
        },
        "importance" => parts::importance(facts).to_owned(),
        "headline" => one(&headline(facts.plan, &facts.risks)),
        "summary" => one(&plan.summary().to_string()),
        "hash" => one(plan.meaning().as_str()),
        "tiles" => parts::tiles(facts),
        "graph" => graph(facts),
        "risks" => risks(facts),
        "access" => parts::access(facts),
        "drift" => parts::drift(facts),
        "outputs" => parts::outputs(facts),
        "list" => parts::list(facts),
        "actions" => {
            let actions: BTreeSet<Action> =
                plan.changes.iter().map(|change| change.action).collect();
            parts::options(actions.iter().map(|action| (action.word(), action.word())))
        }
        "levels" => {
            let levels: BTreeSet<Risk> = facts.risks.iter().map(|one| one.risk).collect();
            parts::options(levels.iter().map(|risk| (risk.word(), risk.title())))
        }
        "phases" => parts::options(
            facts.phases.iter().filter(|(name, _)| !name.is_empty()).map(|&(name, _)| (name, name)),
        ),
        "kinds" => {
            let kinds: BTreeSet<String> =
                plan.changes.iter().map(|change| change.address.kind.to_string()).collect();
            parts::options(kinds.iter().map(|kind| (kind.as_str(), kind.as_str())))
        }
        _ => String::new(),
    }
}

fn graph(facts: &Facts<'_>) -> String {
    let picture = picture::draw(facts);
    let grouped = if picture.grouped {
        " What stands for several resources narrows the list to them."
    } else {
        ""
    };
    format!(
        "<p class=\"lead\" id=\"graph-help\">An arrow leads from what is done first to what \
         needs it.{grouped} Click a box for its differences.</p>{}",
        picture.svg
    )
}

fn risks(facts: &Facts<'_>) -> String {
    let rows = parts::risks(facts);
    if rows.is_empty() {
        return String::new();
    }
    let mut heads = String::new();
    for head in ["Risk", "Resource", "Action", "Why", "Reversible"] {
        let sorted = if head == "Risk" { " aria-sort=\"ascending\"" } else { "" };
        let _ =
            write!(heads, "<th scope=\"col\"{sorted}><button type=\"button\">{head}</button></th>");
    }
    format!(
        "<section class=\"card\" id=\"risks\" aria-labelledby=\"risks-title\">\
         <h2 id=\"risks-title\">What to look at</h2><div class=\"scroll\"><table><thead><tr>{heads}\
         <th scope=\"col\" class=\"number\"><button type=\"button\" title=\"how many resources \
         depend on it\">Dependents</button></th></tr></thead><tbody>{rows}</tbody></table></div>\
         <button type=\"button\" class=\"more\" id=\"all-risks\" hidden></button></section>"
    )
}

#[cfg(test)]
mod tests;
