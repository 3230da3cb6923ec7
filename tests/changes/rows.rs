//! One row: applied as it was, changed, planned, applied, planned again.

use std::sync::OnceLock;

use libtest_mimic::Failed;
use lkh::diff::{FieldChange, Origin};
use lkh::plan::{Change, Mode, Plan};
use serde_json::Value as Json;

use crate::account::Account;
use crate::table::{NAME, OTHER, Row, Table};

const STACK: &str = "apiVersion: lkh/v1
kind: Stack
metadata: {name: test}
spec:
  phases: [{name: main}]
  variables:
    secret: {description: A secret., sensitive: true, default: first-canary}
    second: {description: Another., sensitive: true, default: second-canary}
  toolbox: {exec: sandbox}
  kubernetes: {cluster: testskillcluster}
";

pub fn check(table: &Table, row: &Row, first: &OnceLock<Account>) -> Result<(), Failed> {
    let account = if row.from.is_empty() {
        first.get_or_init(|| applied(table, &table.spec)).copy()
    } else {
        applied(table, &table.spec_before(row))
    };
    for command in &row.behind {
        account.behind(command);
    }
    let it = format!("{}.{NAME}", table.kind());
    let name = if row.rename { OTHER } else { NAME };
    let external = row.external.unwrap_or(table.external);
    if row.remove {
        write(&account, &Json::Null);
    } else {
        write(&account, &table.manifest(name, &table.spec_after(row), external));
    }
    for (name, text) in &row.files {
        account.write(name, text);
    }
    if let Some(refused) = &row.refused {
        let said = account.complaints().ok_or("the manifest is accepted")?;
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !words(&said).contains(&words(refused)) {
            return Err(said.into());
        }
        return Ok(());
    }
    let address = format!("{}.{name}", table.kind());
    let (planned, _) = account.plan(Mode::Apply);
    let plan = planned.plan;
    let mut wrong = Vec::new();
    said_of(table, row, find(&plan, &address), &mut wrong);
    if let Some(old) = &row.old {
        let change = find(&plan, &it).ok_or("the plan does not know the old address")?;
        same("old action", old.action.as_str(), change.action.word(), &mut wrong);
        same("old reason", &old.reason, &reason(change), &mut wrong);
        same("old commands", &shapes(&old.commands, change), &commands(change), &mut wrong);
    }
    for change in &plan.changes {
        let ours = [&address, &it].iter().any(|ours| **ours == change.address.to_string());
        if !ours && change.action.is_change() {
            wrong.push(format!("{} is changed, too: {}", change.address, change.action.word()));
        }
    }
    if wrong.is_empty() {
        let (report, _, started) = account.carry_out(Mode::Apply, |_, _| ());
        if row.blockers.is_empty() {
            if !report.is_good() {
                wrong.push(format!("the apply: {}", lkh::report::run::text(&report)));
            }
        } else {
            same("commands in spite of blockers", &Vec::<String>::new(), &started, &mut wrong);
            write(&account, &table.manifest(NAME, &table.spec_before(row), table.external));
        }
        let next = account.plan(Mode::Apply).0.plan;
        for change in next.changes.iter().filter(|change| change.action.is_change()) {
            wrong.push(format!("the next plan has changes: {}", show(change)));
        }
        if row.blockers.is_empty() {
            for change in next.changes.iter().filter(|change| !change.blockers.is_empty()) {
                wrong.push(format!("the next plan is blocked: {}", show(change)));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// An account with the table's manifests, applied.
fn applied(table: &Table, spec: &Json) -> Account {
    let account = Account::new(&[("stack.yaml", STACK)]);
    let others: Vec<_> = table.with.iter().map(|one| format!("---\n{one}\n")).collect();
    account.write("others.yaml", &others.concat());
    for (name, text) in &table.files {
        account.write(name, text);
    }
    for command in &table.before {
        account.behind(command);
    }
    write(&account, &table.manifest(NAME, spec, table.external));
    if let Some(said) = account.complaints() {
        panic!("{said}");
    }
    let report = account.apply();
    assert!(report.is_good(), "{}", lkh::report::run::text(&report));
    let plan = account.plan(Mode::Apply).0.plan;
    for change in &plan.changes {
        assert!(!change.action.is_change(), "what was applied differs: {}", show(change));
    }
    account
}

/// Manifests are YAML, and so is JSON.
fn write(account: &Account, manifest: &Json) {
    let text = if manifest.is_null() { String::new() } else { manifest.to_string() };
    account.write("it.yaml", &text);
}

fn find<'a>(plan: &'a Plan, address: &str) -> Option<&'a Change> {
    plan.changes.iter().find(|change| change.address.to_string() == address)
}

fn said_of(table: &Table, row: &Row, change: Option<&Change>, wrong: &mut Vec<String>) {
    let Some(change) = change else {
        // What was never in the state leaves nothing behind.
        if !row.remove || row.action != "none" {
            wrong.push("the plan does not name it".into());
        }
        return;
    };
    same("action", row.action.as_str(), change.action.word(), wrong);
    if let Some(expected) = &row.reason {
        same("reason", expected, &reason(change), wrong);
    }
    let listed = |field: &&FieldChange| {
        field.path.segments().first().is_none_or(|first| !table.unlisted.contains(first))
    };
    let fields = change.fields.iter().filter(listed).map(|field| field_line(field, change));
    let fields: Vec<_> = fields.collect();
    same("fields", &row.fields, &fields, wrong);
    same("commands", &shapes(&row.commands, change), &commands(change), wrong);
    let codes: Vec<_> = change.blockers.iter().map(|blocker| blocker.code.clone()).collect();
    same("blockers", &row.blockers, &codes, wrong);
    let inputs: Vec<_> = change
        .commands
        .iter()
        .filter_map(|command| command.input.as_ref())
        .map(|input| serde_json::to_string(input).unwrap())
        .collect();
    for part in row.inputs.iter().filter(|part| !inputs.iter().any(|one| one.contains(*part))) {
        wrong.push(format!("no input holds {part}: {inputs:#?}"));
    }
    for part in row.notes.iter().filter(|part| !change.notes.iter().any(|one| one.contains(*part)))
    {
        wrong.push(format!("no note says {part:?}: {:#?}", change.notes));
    }
    if !wrong.is_empty() {
        wrong.push(format!("in whole: {}", show(change)));
    }
}

fn field_line(field: &FieldChange, change: &Change) -> String {
    let mut line = field.path.segments().join("/");
    if field.replace {
        line += " (replaces)";
    }
    // Of what is made nothing is remembered.
    if field.origin != Origin::Change && change.action.word() != "create" {
        line = format!("{line} [{}]", field.origin.word());
    }
    line
}

fn reason(change: &Change) -> String {
    let reason = serde_json::to_value(&change.reason).unwrap();
    reason["code"].as_str().unwrap().to_owned()
}

fn commands(change: &Change) -> Vec<String> {
    let commands = change.commands.iter().map(|command| match command.argv.as_slice() {
        // What it runs is on its standard input; its name comes last.
        [bash, .., name] if bash == "bash" => format!("bash {name}"),
        argv => argv.join(" "),
    });
    commands.collect()
}

/// What is expected, as long as the commands go on as they may.
fn shapes(expected: &[String], change: &Change) -> Vec<String> {
    let found = commands(change);
    let whole = |(at, begin): (usize, &String)| match found.get(at) {
        Some(command) if command.starts_with(begin.as_str()) => command.clone(),
        _ => begin.clone(),
    };
    expected.iter().enumerate().map(whole).collect()
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    expected: &T,
    found: &T,
    wrong: &mut Vec<String>,
) {
    if expected != found {
        wrong.push(format!("{what}: expected {expected:?}, found {found:?}"));
    }
}

fn show(change: &Change) -> String {
    let json = serde_json::to_value(change).unwrap();
    serde_json::to_string_pretty(&json).unwrap()
}
