//! A stack described: phases, resources, parameters and outputs, before
//! anything of it exists.
//!
//! Pure: from the checked manifests alone.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use super::{BOLD, DIM, short, styled};
use crate::adapter::Context;
use crate::address::Address;
use crate::manifest::declaration::Parameter;
use crate::manifest::resource::Resource;
use crate::manifest::stack::Stack;
use crate::manifest::when::Condition;
use crate::quote::line;
use crate::value::Value;

/// What there is to know of a stack.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    stack: String,
    description: Option<String>,
    phases: Vec<Group>,
    parameters: Vec<Given>,
    outputs: Vec<Promised>,
    switched_off: Vec<Off>,
}

/// The resources of a phase; of none, where it has no name.
#[derive(Debug, Serialize)]
struct Group {
    name: Option<String>,
    description: Option<String>,
    resources: Vec<One>,
}

#[derive(Debug, Serialize)]
struct One {
    address: Address,
    description: Option<String>,
    /// What names the object, references that are not known yet as written.
    identity: String,
    external: bool,
    when: Vec<Condition>,
}

#[derive(Debug, Serialize)]
struct Given {
    #[serde(flatten)]
    parameter: Parameter,
    required: bool,
    /// What it is now; nothing where it has no value yet.
    value: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Promised {
    name: String,
    description: Option<String>,
    value: Option<String>,
    sensitive: bool,
    /// The switched-off resource that it needs.
    off: Option<Address>,
}

#[derive(Debug, Serialize)]
struct Off {
    address: Address,
    phase: Option<String>,
    description: Option<String>,
    because: String,
}

/// Describes a stack.
pub fn describe(stack: &Stack) -> Described {
    let group = |name: Option<&str>, description: Option<&String>| Group {
        name: name.map(str::to_owned),
        description: description.cloned(),
        resources: stack
            .resources
            .iter()
            .filter(|resource| resource.phase.as_deref() == name)
            .map(|resource| one(stack, resource))
            .collect(),
    };
    let mut phases: Vec<_> = stack
        .phases
        .iter()
        .map(|phase| group(Some(&phase.name), phase.description.as_ref()))
        .collect();
    phases.push(group(None, None));
    phases.retain(|group| group.name.is_some() || !group.resources.is_empty());
    let parameters = stack.parameters.iter().map(|parameter| Given {
        required: parameter.is_required(),
        value: stack
            .variables
            .get(&parameter.name)
            .filter(|value| !value.has_unknown() && !value.is_null())
            .cloned(),
        parameter: parameter.clone(),
    });
    let outputs = stack.outputs.iter().map(|output| Promised {
        name: output.name.clone(),
        description: output.description.clone(),
        value: (!output.sensitive).then(|| output.written.clone()),
        sensitive: output.sensitive,
        off: output.off.clone(),
    });
    let switched_off = stack.switched_off.iter().map(|(resource, because)| Off {
        address: resource.address.clone(),
        phase: resource.phase.clone(),
        description: resource.description.clone(),
        because: because.to_string(),
    });
    Described {
        stack: stack.name.clone(),
        description: stack.description.clone(),
        phases,
        parameters: parameters.collect(),
        outputs: outputs.collect(),
        switched_off: switched_off.collect(),
    }
}

fn one(stack: &Stack, resource: &Resource) -> One {
    let context = Context {
        name: resource.address.name.clone(),
        account: None,
        region: stack.region.clone().unwrap_or_default(),
        external: resource.external,
        files: Arc::clone(&resource.files),
    };
    let adapter = resource.address.kind.adapter();
    let desired = adapter.desired(&resource.spec, &context).ok();
    let desired = desired.map(|desired| desired.in_cluster(adapter, stack.cluster.as_ref()));
    let parts: Vec<_> = desired
        .iter()
        .flat_map(|desired| &desired.identity.0)
        .map(|(key, value)| match value {
            Value::String(text) | Value::Unknown(text) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        })
        .collect();
    One {
        address: resource.address.clone(),
        description: resource.description.clone(),
        identity: parts.join(" "),
        external: resource.external,
        when: resource.when.clone(),
    }
}

impl Described {
    /// The parameters that have no value and need one.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let open = |one: &&Given| one.required && one.value.is_none();
        self.parameters.iter().filter(open).map(|one| one.parameter.name.as_str())
    }

    /// The description for people.
    pub fn text(&self) -> String {
        let mut text = styled(BOLD, format!("Stack {}", line(&self.stack)));
        if let Some(description) = &self.description {
            let _ = write!(text, ": {}", line(description));
        }
        text.push_str("\n\n");
        let _ = writeln!(text, "{}", styled(BOLD, "Phases and resources"));
        for phase in &self.phases {
            let name = phase.name.as_deref().unwrap_or("(no phase)");
            let about = phase.description.as_deref().map(line).unwrap_or_default();
            let _ = writeln!(text, "  {}  {}", styled(BOLD, line(name)), about);
            if phase.resources.is_empty() {
                let _ = writeln!(text, "    {}", styled(DIM, "(nothing is declared)"));
            }
            for one in &phase.resources {
                let what = one.description.as_ref().unwrap_or(&one.identity);
                let mut more = Vec::new();
                if one.external {
                    more.push("external: must exist".to_owned());
                }
                let when: Vec<_> = one.when.iter().map(ToString::to_string).collect();
                if !when.is_empty() {
                    more.push(format!("when {}", when.join(" and ")));
                }
                let _ = write!(text, "    {}", one.address);
                if !what.is_empty() {
                    let _ = write!(text, "  {}", line(what));
                }
                if !more.is_empty() {
                    let comma = if what.is_empty() { "  " } else { ", " };
                    let _ = write!(text, "{comma}{}", styled(DIM, line(&more.join(", "))));
                }
                text.push('\n');
            }
        }
        self.write_parameters(&mut text);
        if !self.outputs.is_empty() {
            let _ = writeln!(text, "\n{}", styled(BOLD, "Outputs"));
        }
        for output in &self.outputs {
            let what = match (&output.description, &output.value) {
                (Some(description), _) => line(description),
                (None, Some(written)) => line(written),
                (None, None) => "(its value is not shown)".to_owned(),
            };
            let off = output.off.as_ref().map(|off| format!(", switched off with {off}"));
            let sensitive = if output.sensitive { ", sensitive" } else { "" };
            let more = styled(DIM, format!("{sensitive}{}", off.unwrap_or_default()));
            let _ = writeln!(text, "  {}  {what}{more}", styled(BOLD, line(&output.name)));
        }
        if !self.switched_off.is_empty() {
            let _ = writeln!(text, "\n{}", styled(BOLD, "Switched off"));
        }
        for off in &self.switched_off {
            let what = off.description.as_deref().map(|text| format!("  {}", line(text)));
            let _ = writeln!(
                text,
                "  {}{}  {}",
                off.address,
                what.unwrap_or_default(),
                styled(DIM, line(&off.because))
            );
        }
        text
    }

    fn write_parameters(&self, text: &mut String) {
        if !self.parameters.is_empty() {
            let _ = writeln!(text, "\n{}", styled(BOLD, "Parameters"));
        }
        for one in &self.parameters {
            let parameter = &one.parameter;
            let default = match &parameter.default {
                None => "required".to_owned(),
                Some(Value::Null) => "may be left out".to_owned(),
                Some(value) => format!("default {}", bare(value)),
            };
            let now = one.value.as_ref().filter(|value| parameter.default.as_ref() != Some(value));
            let now = now.map(|value| format!(" = {}", bare(value))).unwrap_or_default();
            let kind = match parameter.kind {
                crate::manifest::declaration::VariableType::String => "string",
                crate::manifest::declaration::VariableType::Number => "number",
                crate::manifest::declaration::VariableType::Bool => "bool",
                crate::manifest::declaration::VariableType::List => "list",
            };
            let sensitive = if parameter.sensitive { ", sensitive" } else { "" };
            let name = styled(BOLD, line(&parameter.name));
            let _ = writeln!(text, "  {name} ({kind}, {default}{sensitive}){now}");
            if let Some(description) = &parameter.description {
                let _ = writeln!(text, "      {}", line(description));
            }
            if !parameter.allowed.is_empty() {
                let allowed: Vec<_> = parameter.allowed.iter().map(bare).collect();
                let _ = writeln!(text, "      one of {}", allowed.join(", "));
            }
            if let Some(pattern) = &parameter.pattern {
                let _ = writeln!(text, "      pattern {}", line(pattern));
            }
            if let Some(value) = &parameter.sandbox_value {
                let _ = writeln!(text, "      in the sandbox {}", bare(value));
            }
        }
    }
}

/// A value on a line: a text without quotes, unless it is empty.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => line(text),
        other => short(other),
    }
}
