//! Two policy documents in one spelling, for people who look for what differs.
//!
//! What means the same on both sides is shown as the second document has it:
//! its order, its case, its lists. So a text diff of the two shows differences
//! in meaning and nothing else. This module must not be used to send anything.

use super::{
    DEFAULT_VERSION, account, action, condition, effect, parse, principal, statement, text,
};
use crate::value::{Map, Value};

/// Both documents, the first in the spelling of the second wherever they mean
/// the same.
pub fn aligned(before: &Value, after: &Value) -> (Value, Value) {
    let (Value::Map(mut before), Value::Map(mut after)) = (tree(before), tree(after)) else {
        return (before.clone(), after.clone());
    };
    // A missing version means one of them.
    let default = Value::from(DEFAULT_VERSION);
    match (before.get("Version"), after.get("Version")) {
        (Some(version), None) if *version == default => drop(before.remove("Version")),
        (None, Some(version)) if *version == default => {
            before.insert("Version".into(), default);
        }
        _ => {}
    }
    if let (Some(old), Some(new)) = (before.get("Statement"), after.get("Statement")) {
        let (old, new) = statements(old, new);
        before.insert("Statement".into(), old);
        after.insert("Statement".into(), new);
    }
    (before.into(), after.into())
}

/// A document as a tree, also where a text holds it.
fn tree(document: &Value) -> Value {
    document.as_str().and_then(parse).unwrap_or_else(|| document.clone())
}

/// Statements that mean the same stand at the same place; of the others, those
/// of one `Sid` stand side by side, and the rest in the order that they have.
fn statements(before: &Value, after: &Value) -> (Value, Value) {
    let new = members(after, statement);
    let mut left = members(before, statement);
    let mut pairs: Vec<Option<Value>> = new.iter().map(|one| take(&mut left, one)).collect();
    let sid = |statement: &Value| statement.get("Sid").cloned();
    let with_sid = |left: &mut Vec<Value>, wanted: &Value| {
        let wanted = sid(wanted)?;
        let place = left.iter().position(|one| sid(one).as_ref() == Some(&wanted))?;
        Some(left.remove(place))
    };
    for by_sid in [true, false] {
        for (one, pair) in new.iter().zip(&mut pairs).filter(|(_, pair)| pair.is_none()) {
            *pair = if by_sid {
                with_sid(&mut left, one)
            } else {
                (!left.is_empty()).then(|| left.remove(0))
            };
        }
    }
    let (mut shown_before, mut shown_after) = (Vec::new(), Vec::new());
    for (new, old) in new.into_iter().zip(pairs) {
        let (old, new) = match (old, new) {
            (Some(Value::Map(old)), Value::Map(new)) => {
                let (old, new) = entries(&old, &new, in_statement);
                (Some(old.into()), new.into())
            }
            other => other,
        };
        shown_before.extend(old);
        shown_after.push(new);
    }
    shown_before.extend(left);
    shape(shown_before, shown_after, after)
}

/// Takes the member that means the same as another one, in its spelling.
fn take(left: &mut Vec<Value>, wanted: &Value) -> Option<Value> {
    let place = left.iter().position(|one| statement(one) == statement(wanted))?;
    left.remove(place);
    Some(wanted.clone())
}

/// The entries of two maps, those of one key side by side.
fn entries(
    before: &Map,
    after: &Map,
    each: fn(&str, &Value, &Value) -> (Value, Value),
) -> (Map, Map) {
    let (mut before, mut after) = (before.clone(), after.clone());
    for (key, new) in &mut after {
        if let Some(old) = before.get_mut(key) {
            (*old, *new) = each(key, old, new);
        }
    }
    (before, after)
}

fn in_statement(key: &str, before: &Value, after: &Value) -> (Value, Value) {
    let same = |canonical: fn(&Value) -> Value| canonical(before) == canonical(after);
    match key {
        "Effect" if same(effect) => (after.clone(), after.clone()),
        "Action" | "NotAction" => set(before, after, action),
        "Resource" | "NotResource" => set(before, after, text),
        "Principal" | "NotPrincipal" if same(principal) => (after.clone(), after.clone()),
        "Principal" | "NotPrincipal" => in_maps(before, after, |kind, before, after| {
            set(before, after, if kind == "AWS" { account } else { text })
        }),
        "Condition" if same(condition) => (after.clone(), after.clone()),
        "Condition" => in_maps(before, after, |_operator, before, after| {
            in_maps(before, after, |_key, before, after| set(before, after, text))
        }),
        _ => (before.clone(), after.clone()),
    }
}

fn in_maps(
    before: &Value,
    after: &Value,
    each: fn(&str, &Value, &Value) -> (Value, Value),
) -> (Value, Value) {
    match (before, after) {
        (Value::Map(before), Value::Map(after)) => {
            let (before, after) = entries(before, after, each);
            (before.into(), after.into())
        }
        _ => (before.clone(), after.clone()),
    }
}

/// Two sets: what both have in the order and spelling of the second, then what
/// only the first has.
fn set(before: &Value, after: &Value, member: fn(&Value) -> Value) -> (Value, Value) {
    let (old, new) = (members(before, member), members(after, member));
    let has =
        |members: &[Value], wanted: &Value| members.iter().any(|one| member(one) == member(wanted));
    let kept = new.iter().filter(|one| has(&old, one)).cloned();
    let gone = old.iter().filter(|one| !has(&new, one)).cloned();
    let before = kept.chain(gone).collect();
    shape(before, new, after)
}

/// The members of a set, each once.
fn members(value: &Value, member: fn(&Value) -> Value) -> Vec<Value> {
    let all = value.as_list().unwrap_or(std::slice::from_ref(value));
    let mut once: Vec<Value> = Vec::new();
    for one in all {
        if !once.iter().any(|other| member(other) == member(one)) {
            once.push(one.clone());
        }
    }
    once
}

/// Lists on both sides, or, where the second document has a single member
/// without a list and the first has one too, single members.
fn shape(before: Vec<Value>, after: Vec<Value>, written: &Value) -> (Value, Value) {
    if let ([old], [new], None) = (before.as_slice(), after.as_slice(), written.as_list()) {
        return (old.clone(), new.clone());
    }
    (Value::List(before), Value::List(after))
}
