//! What a network's template takes of an account's quotas, before CloudFormation
//! finds out halfway.
//!
//! Pure. This module must not guess: what a condition decides that it can't read
//! does not count.

use serde_json::Value as Json;

use crate::plan::PlannedCommand;

/// A quota that templates use up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    /// The type of resource.
    pub(super) of: &'static str,
    /// What it is called.
    pub(super) what: &'static str,
    /// The call that lists what is there, and the list in its answer.
    pub(super) list: (&'static str, &'static str),
    /// The service and the quota's code in Service Quotas.
    pub(super) code: (&'static str, &'static str),
}

/// The quotas of a network.
pub(super) const QUOTAS: &[Quota] = &[
    Quota {
        of: "AWS::EC2::VPC",
        what: "VPCs",
        list: ("describe-vpcs", "/Vpcs"),
        code: ("vpc", "L-F678F1CE"),
    },
    Quota {
        of: "AWS::EC2::EIP",
        what: "Elastic IP addresses",
        list: ("describe-addresses", "/Addresses"),
        code: ("ec2", "L-0263D0A3"),
    },
];

/// How many resources of a type the stack has that a command makes; none where
/// it makes no stack.
pub(super) fn wanted(command: &PlannedCommand, of: &str) -> u64 {
    let words: Vec<&str> = command.argv.iter().map(String::as_str).take(3).collect();
    if words != ["aws", "cloudformation", "create-stack"] {
        return 0;
    }
    let Some(input) = command.input.as_ref().map(crate::value::Value::redacted_json) else {
        return 0;
    };
    let body = input["TemplateBody"].as_str().and_then(|text| serde_json::from_str(text).ok());
    body.map_or(0, |body: Json| {
        let resources = body["Resources"].as_object().into_iter().flatten();
        let counts = resources.filter(|(_, resource)| {
            let condition = resource["Condition"].as_str();
            resource["Type"] == of
                && condition.is_none_or(|name| named(name, &body, &input, 0) == Some(true))
        });
        counts.count() as u64
    })
}

/// Whether the condition of that name holds; `None`: that can't be read. `depth`:
/// how many conditions led to it.
fn named(name: &str, body: &Json, input: &Json, depth: u32) -> Option<bool> {
    holds(body["Conditions"].get(name)?, body, input, depth + 1)
}

fn holds(condition: &Json, body: &Json, input: &Json, depth: u32) -> Option<bool> {
    let (function, inner) = condition.as_object()?.iter().next()?;
    if depth > 16 {
        return None;
    }
    let parts = inner.as_array().map(Vec::as_slice).unwrap_or_default();
    let each = || parts.iter().map(|part| holds(part, body, input, depth + 1));
    match (function.as_str(), parts) {
        ("Fn::Equals", [left, right]) => {
            Some(text(left, body, input)? == text(right, body, input)?)
        }
        ("Fn::Not", [one]) => Some(!holds(one, body, input, depth + 1)?),
        ("Fn::And", [_, ..]) => Some(each().collect::<Option<Vec<_>>>()?.iter().all(|on| *on)),
        ("Fn::Or", [_, ..]) => Some(each().collect::<Option<Vec<_>>>()?.iter().any(|on| *on)),
        ("Condition", []) => named(inner.as_str()?, body, input, depth),
        _ => None,
    }
}

/// A text, or the value of a parameter.
fn text(value: &Json, body: &Json, input: &Json) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let name = value.get("Ref")?.as_str()?;
    let given = input["Parameters"].as_array().into_iter().flatten();
    let mut given = given.filter(|one| one["ParameterKey"] == name);
    let given = given.find_map(|one| one["ParameterValue"].as_str());
    given.or_else(|| body["Parameters"][name]["Default"].as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::value::Value;

    fn command(call: &str, nat: &str) -> PlannedCommand {
        let body = json!({
            "Parameters": {"Nat": {"Default": "one"}},
            "Conditions": {
                "Some": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Nat"}, "none"]}]},
                "Each": {"Fn::And": [{"Condition": "Some"}, {"Fn::Equals": [{"Ref": "Nat"}, "each"]}]},
                "Dark": {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]},
                "Circle": {"Condition": "Circle"},
            },
            "Resources": {
                "Vpc": {"Type": "AWS::EC2::VPC"},
                "A": {"Type": "AWS::EC2::EIP", "Condition": "Some"},
                "B": {"Type": "AWS::EC2::EIP", "Condition": "Each"},
                "C": {"Type": "AWS::EC2::EIP", "Condition": "Dark"},
                "D": {"Type": "AWS::EC2::EIP", "Condition": "Circle"},
                "E": {"Type": "AWS::EC2::EIP", "Condition": "Nowhere"},
            },
        });
        let mut input = json!({"StackName": "network", "TemplateBody": body.to_string()});
        if !nat.is_empty() {
            input["Parameters"] = json!([{"ParameterKey": "Nat", "ParameterValue": nat}]);
        }
        PlannedCommand {
            title: String::new(),
            argv: ["aws", "cloudformation", call].map(str::to_owned).to_vec(),
            input: Some(Value::from_json(&input)),
        }
    }

    #[test]
    fn what_a_template_takes_follows_from_its_conditions() {
        let addresses = |nat: &str| wanted(&command("create-stack", nat), "AWS::EC2::EIP");
        assert_eq!(["none", "one", "each", ""].map(addresses), [0, 1, 2, 1]);
        assert_eq!(wanted(&command("create-stack", "none"), "AWS::EC2::VPC"), 1);
        assert_eq!(wanted(&command("update-stack", "none"), "AWS::EC2::VPC"), 0);
    }
}
