//! Templates: what they hold, in which order their resources are made, and what
//! their functions stand for.
//!
//! This module must not make anything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use super::super::facts::ACCOUNT;
use super::super::model::Fault;
use super::resources::is_known;
use super::{invalid, text};

/// A template.
pub(super) struct Template {
    /// As it was sent.
    pub body: Value,
}

fn section<'v>(body: &'v Value, name: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    body.get(name).and_then(Value::as_object).into_iter().flatten()
}

impl Template {
    /// Checks a template as far as CloudFormation does before it makes anything.
    pub fn read(body: Value) -> Result<Self, Fault> {
        if section(&body, "Resources").next().is_none() {
            return Err(invalid(
                "Template format error: At least one Resources member must be defined.",
            ));
        }
        let mut unknown = BTreeSet::new();
        for (_, resource) in section(&body, "Resources") {
            let kind = text(resource, "Type");
            if !is_known(kind) {
                unknown.insert(kind.to_owned());
            }
        }
        if !unknown.is_empty() {
            let list: Vec<String> = unknown.into_iter().collect();
            return Err(invalid(format!(
                "Template format error: Unrecognized resource types: [{}]",
                list.join(", ")
            )));
        }
        let this = Self { body };
        let known: BTreeSet<&str> = section(&this.body, "Resources")
            .chain(section(&this.body, "Parameters"))
            .map(|(name, _)| name.as_str())
            .collect();
        let mut named = BTreeSet::new();
        for part in ["Resources", "Outputs"] {
            if let Some(part) = this.body.get(part) {
                references(part, &mut named);
            }
        }
        let dangling: Vec<&str> = named
            .iter()
            .map(String::as_str)
            .filter(|name| !name.starts_with("AWS::") && !known.contains(name))
            .collect();
        if !dangling.is_empty() {
            return Err(invalid(format!(
                "Template format error: Unresolved resource dependencies [{}] in the Resources \
                 block of the template",
                dangling.join(", ")
            )));
        }
        Ok(this)
    }

    /// The values of the parameters: those given, or the defaults.
    pub fn parameters(&self, given: &Map<String, Value>) -> Result<Value, Fault> {
        let mut values = Map::new();
        let mut missing = Vec::new();
        for (name, parameter) in section(&self.body, "Parameters") {
            let default = parameter.get("Default").map(plain);
            match given.get(name).cloned().or(default.map(Value::from)) {
                Some(value) => drop(values.insert(name.clone(), value)),
                None => missing.push(name.as_str()),
            }
        }
        if !missing.is_empty() {
            let list = missing.join(", ");
            return Err(invalid(format!("Parameters: [{list}] must have values")));
        }
        let strange: Vec<&str> =
            given.keys().filter(|name| !values.contains_key(*name)).map(String::as_str).collect();
        if !strange.is_empty() {
            let list = strange.join(", ");
            return Err(invalid(format!("Parameters: [{list}] do not exist in the template")));
        }
        Ok(Value::Object(values))
    }

    /// What of the template makes a difference for an update.
    pub fn significant(&self) -> Value {
        Self::significant_of(&self.body)
    }

    /// The same of a body.
    pub fn significant_of(body: &Value) -> Value {
        let mut body = body.clone();
        if let Some(members) = body.as_object_mut() {
            members.remove("Description");
            members.remove("Metadata");
        }
        body
    }

    /// A resource of the template.
    pub fn resource(&self, id: &str) -> Value {
        self.body["Resources"].get(id).cloned().unwrap_or_default()
    }

    /// The resources, each after what it needs.
    pub fn order(&self) -> Result<Vec<String>, Fault> {
        let mut waiting: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (id, resource) in section(&self.body, "Resources") {
            let mut needs = BTreeSet::new();
            references(resource, &mut needs);
            match resource.get("DependsOn") {
                Some(Value::String(one)) => drop(needs.insert(one.clone())),
                Some(Value::Array(list)) => {
                    needs.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                _ => {}
            }
            needs.retain(|name| self.body["Resources"].get(name).is_some());
            waiting.insert(id, needs);
        }
        let mut order: Vec<String> = Vec::new();
        while !waiting.is_empty() {
            let ready: Vec<&str> = waiting
                .iter()
                .filter(|(_, needs)| needs.iter().all(|need| order.contains(need)))
                .map(|(id, _)| *id)
                .collect();
            if ready.is_empty() {
                let list: Vec<&str> = waiting.keys().copied().collect();
                return Err(invalid(format!(
                    "Circular dependency between resources: [{}]",
                    list.join(", ")
                )));
            }
            for id in ready {
                waiting.remove(id);
                order.push(id.to_owned());
            }
        }
        Ok(order)
    }
}

/// The names that functions in a value refer to.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| references(one, found)),
        Value::Object(members) => {
            for (name, inner) in members {
                match (name.as_str(), inner) {
                    ("Ref", Value::String(target)) => drop(found.insert(target.clone())),
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        found.extend(parts.first().and_then(Value::as_str).map(str::to_owned));
                    }
                    ("Fn::GetAtt", Value::String(path)) => {
                        found.extend(path.split('.').next().map(str::to_owned));
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        found.extend(holes(text).into_iter().map(first_part));
                    }
                    ("Fn::Sub", Value::Array(parts)) => {
                        let own = parts.get(1).and_then(Value::as_object);
                        let text = parts.first().and_then(Value::as_str).unwrap_or_default();
                        let names = holes(text).into_iter();
                        let names = names.filter(|n| !own.is_some_and(|own| own.contains_key(n)));
                        found.extend(names.map(first_part));
                        parts.iter().skip(1).for_each(|one| references(one, found));
                    }
                    _ => references(inner, found),
                }
            }
        }
        _ => {}
    }
}

fn first_part(name: String) -> String {
    if name.starts_with("AWS::") { name } else { name.split('.').next().unwrap_or("").to_owned() }
}

/// What stands in the `${...}` of a text.
fn holes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        if !name.starts_with('!') {
            found.push(name.to_owned());
        }
        rest = behind;
    }
    found
}

/// A scalar as CloudFormation writes it into a text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// What functions are evaluated with.
pub(super) struct Scope<'a> {
    /// The region.
    pub region: &'a str,
    /// The stack's name.
    pub name: &'a str,
    /// The stack's id.
    pub id: &'a str,
    /// The values of the parameters.
    pub parameters: &'a Value,
    /// What was made so far, by logical id: `id` and `attributes`.
    pub made: &'a Map<String, Value>,
}

impl Scope<'_> {
    fn reference(&self, name: &str) -> Result<Value, Fault> {
        Ok(Value::from(match name {
            "AWS::Region" => self.region,
            "AWS::AccountId" => ACCOUNT,
            "AWS::StackName" => self.name,
            "AWS::StackId" => self.id,
            "AWS::Partition" => "aws",
            "AWS::URLSuffix" => "amazonaws.com",
            "AWS::NoValue" => return Ok(Value::Null),
            name => {
                let parameter = self.parameters.get(name).cloned();
                let made = self.made.get(name).map(|one| one["id"].clone());
                return parameter.or(made).ok_or_else(|| {
                    invalid(format!(
                        "Template format error: Unresolved resource dependencies [{name}] in the \
                         Resources block of the template"
                    ))
                });
            }
        }))
    }

    fn attribute(&self, id: &str, name: &str) -> Result<Value, Fault> {
        let found = self.made.get(id).and_then(|one| one["attributes"].get(name)).cloned();
        found.ok_or_else(|| {
            invalid(format!(
                "Template error: resource {id} does not support attribute type {name} in \
                 Fn::GetAtt"
            ))
        })
    }

    /// A value with its functions carried out.
    pub fn value(&self, value: &Value) -> Result<Value, Fault> {
        match value {
            Value::Array(list) => {
                let list: Result<Vec<_>, _> = list.iter().map(|one| self.value(one)).collect();
                Ok(Value::Array(list?.into_iter().filter(|one| !one.is_null()).collect()))
            }
            Value::Object(members) => match members.iter().next() {
                Some((name, inner))
                    if members.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) =>
                {
                    self.function(name, inner)
                }
                _ => {
                    let mut whole = Map::new();
                    for (name, inner) in members {
                        let inner = self.value(inner)?;
                        if !inner.is_null() {
                            whole.insert(name.clone(), inner);
                        }
                    }
                    Ok(Value::Object(whole))
                }
            },
            other => Ok(other.clone()),
        }
    }

    fn function(&self, name: &str, inner: &Value) -> Result<Value, Fault> {
        let wrong =
            || invalid(format!("Template error: every {name} object has a form of its own"));
        match (name, inner) {
            ("Ref", Value::String(target)) => self.reference(target),
            ("Fn::GetAtt", Value::String(path)) => {
                let (id, attribute) = path.split_once('.').ok_or_else(wrong)?;
                self.attribute(id, attribute)
            }
            ("Fn::GetAtt", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(id), Value::String(attribute)] => self.attribute(id, attribute),
                _ => Err(wrong()),
            },
            ("Fn::Sub", Value::String(text)) => self.sub(text, &Map::new()),
            ("Fn::Sub", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(text), Value::Object(own)] => self.sub(text, own),
                _ => Err(wrong()),
            },
            ("Fn::Join", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(between), list] => {
                    let list = self.value(list)?;
                    let list = list.as_array().ok_or_else(wrong)?;
                    Ok(list.iter().map(plain).collect::<Vec<_>>().join(between).into())
                }
                _ => Err(wrong()),
            },
            ("Fn::Select", Value::Array(parts)) => match parts.as_slice() {
                [index, list] => {
                    let index: usize = plain(&self.value(index)?).parse().map_err(|_| wrong())?;
                    let list = self.value(list)?;
                    let found = list.as_array().and_then(|list| list.get(index)).cloned();
                    found.ok_or_else(|| {
                        invalid(format!("Template error: Fn::Select cannot select nonexistent value at index {index}"))
                    })
                }
                _ => Err(wrong()),
            },
            ("Fn::Split", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(between), source] => {
                    let source = plain(&self.value(source)?);
                    Ok(source.split(between.as_str()).map(Value::from).collect())
                }
                _ => Err(wrong()),
            },
            ("Fn::GetAZs", region) => {
                let region = plain(&self.value(region)?);
                let region = if region.is_empty() { self.region } else { &region };
                Ok(["a", "b", "c"]
                    .iter()
                    .map(|letter| Value::from(format!("{region}{letter}")))
                    .collect())
            }
            ("Fn::Cidr", Value::Array(parts)) => match parts.as_slice() {
                [block, count, bits] => {
                    let block = plain(&self.value(block)?);
                    let number = |value: &Value| plain(value).parse::<u32>().map_err(|_| wrong());
                    let (count, bits) = (number(&self.value(count)?)?, number(&self.value(bits)?)?);
                    cidrs(&block, count, bits).ok_or_else(wrong)
                }
                _ => Err(wrong()),
            },
            ("Fn::Base64" | "Fn::FindInMap" | "Fn::ImportValue", _) => Err(invalid(format!(
                "Template error: the sandbox does not simulate the function {name}"
            ))),
            _ => Err(wrong()),
        }
    }

    fn sub(&self, text: &str, own: &Map<String, Value>) -> Result<Value, Fault> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            whole.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                whole.push_str("${");
                rest = after;
                continue;
            };
            if let Some(literal) = name.strip_prefix('!') {
                whole.extend(["${", literal, "}"]);
            } else if let Some(value) = own.get(name) {
                whole.push_str(&plain(&self.value(value)?));
            } else if let (Some((id, attribute)), false) =
                (name.split_once('.'), name.starts_with("AWS::"))
            {
                whole.push_str(&plain(&self.attribute(id, attribute)?));
            } else {
                whole.push_str(&plain(&self.reference(name)?));
            }
            rest = behind;
        }
        whole.push_str(rest);
        Ok(whole.into())
    }
}

/// A block of addresses: its first one, and how many bits are fixed.
pub(super) fn block(text: &str) -> Option<(u32, u32)> {
    let (address, bits) = text.split_once('/')?;
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    Some((address.parse::<Ipv4Addr>().ok()?.to_bits(), bits))
}

/// The first blocks of a larger one, each with so many free bits.
fn cidrs(whole: &str, count: u32, free: u32) -> Option<Value> {
    let (first, fixed) = block(whole)?;
    let small = 32_u32.checked_sub(free).filter(|small| *small >= fixed)?;
    if u64::from(count) > 1_u64 << (small - fixed) {
        return None;
    }
    (0..count)
        .map(|index| {
            let address = first.checked_add(index.checked_shl(free)?)?;
            Some(Value::from(format!("{}/{small}", Ipv4Addr::from_bits(address))))
        })
        .collect()
}
