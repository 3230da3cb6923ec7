//! Which fields of a kind's schema the rows of its table change.

use std::collections::BTreeSet;

use libtest_mimic::Failed;
use serde_json::{Map, Value as Json};

use crate::table::Table;

/// Every field differs in a row or is exempt; what is exempt is there, and
/// differs in none. A manifest is removed, one is renamed.
pub fn check(table: &Table) -> Result<(), Failed> {
    let schema = serde_json::to_value(table.kind().adapter().schema()).unwrap();
    let walk = Walk { root: &schema };
    let mut all = BTreeSet::new();
    walk.fields(&schema, "", &mut all);
    let mut changed = BTreeSet::new();
    for row in &table.rows {
        let (before, after) = (table.spec_before(row), table.spec_after(row));
        walk.differing(&schema, "", Some(&before), Some(&after), &mut changed);
    }
    let exempt: BTreeSet<String> = table.exempt.keys().cloned().collect();
    let mut wrong = Vec::new();
    for field in &all - &(&changed | &exempt) {
        wrong.push(format!("no row changes {field}, and it is not exempt"));
    }
    for field in &exempt - &all {
        wrong.push(format!("{field} is exempt, and the schema has no such field"));
    }
    for field in &exempt & &changed {
        wrong.push(format!("{field} is exempt, and a row changes it"));
    }
    for (field, reason) in &table.exempt {
        if reason.split_whitespace().count() < 4 {
            wrong.push(format!("{field} is exempt without a reason"));
        }
    }
    if !table.rows.iter().any(|row| row.remove) {
        wrong.push("no row removes the manifest".into());
    }
    if !table.rows.iter().any(|row| row.rename) {
        wrong.push("no row renames the resource".into());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

struct Walk<'a> {
    root: &'a Json,
}

impl<'a> Walk<'a> {
    /// The schemas that one stands for: itself, or what it refers to, or its
    /// alternatives.
    fn parts(&self, schema: &'a Json) -> Vec<&'a Json> {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            return self.parts(self.root.pointer(pointer).expect("the schema that is meant"));
        }
        let mut parts = vec![schema];
        for word in ["anyOf", "oneOf", "allOf"] {
            for one in schema[word].as_array().into_iter().flatten() {
                parts.extend(self.parts(one));
            }
        }
        parts
    }

    fn properties(&self, schema: &'a Json) -> Vec<(&'a String, &'a Json)> {
        let parts = self.parts(schema).into_iter();
        parts.filter_map(|part| part["properties"].as_object()).flat_map(Map::iter).collect()
    }

    /// What the members of a list or of a free map are.
    fn members(&self, schema: &'a Json) -> Vec<&'a Json> {
        let parts = self.parts(schema).into_iter();
        parts
            .flat_map(|part| [&part["items"], &part["additionalProperties"]])
            .filter(|member| member.is_object())
            .collect()
    }

    fn fields(&self, schema: &'a Json, path: &str, all: &mut BTreeSet<String>) {
        for (name, property) in self.properties(schema) {
            let path = format!("{path}{name}");
            all.insert(path.clone());
            self.fields(property, &format!("{path}."), all);
        }
        for member in self.members(schema) {
            self.fields(member, path, all);
        }
    }

    fn differing(
        &self,
        schema: &'a Json,
        path: &str,
        before: Option<&Json>,
        after: Option<&Json>,
        changed: &mut BTreeSet<String>,
    ) {
        if before == after {
            return;
        }
        for (name, property) in self.properties(schema) {
            let (before, after) =
                (before.and_then(|b| b.get(name)), after.and_then(|a| a.get(name)));
            if before != after {
                let path = format!("{path}{name}");
                changed.insert(path.clone());
                self.differing(property, &format!("{path}."), before, after, changed);
            }
        }
        for member in self.members(schema) {
            for key in keys(before).union(&keys(after)) {
                let of = |side: Option<&Json>| -> Option<Json> {
                    match side? {
                        Json::Array(list) => list.get(key.parse::<usize>().ok()?).cloned(),
                        side => side.get(key).cloned(),
                    }
                };
                let (before, after) = (of(before), of(after));
                self.differing(member, path, before.as_ref(), after.as_ref(), changed);
            }
        }
    }
}

fn keys(value: Option<&Json>) -> BTreeSet<String> {
    match value {
        Some(Json::Array(list)) => (0..list.len()).map(|index| index.to_string()).collect(),
        Some(Json::Object(map)) => map.keys().cloned().collect(),
        _ => BTreeSet::new(),
    }
}
