//! Preflight: what can be told before anything is changed.
//!
//! Tools, credentials, state, what must exist, quotas and permissions: each is
//! a check that is good, blocked, or unknown. What can't be told is never taken
//! for good. Every command here only reads.

mod account;
mod network;
mod permissions;

use std::collections::BTreeSet;

use super::{Engine, EngineError, Planned, Targets};
use crate::adapter::Blocker;
use crate::command::{Answer, Command, Tool};
use crate::exec::{ExecError, explain};
use crate::plan::{Action, Change, Mode, Reason};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What kind of thing: `tool`, `credentials`, `resource`, `quota`, ...
    pub name: &'static str,
    /// Which one; empty where there is only one.
    pub subject: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is good; how.
    Good(String),
    /// It stands in the way.
    Blocked(Blocker),
    /// It can't be told; why.
    Unknown(String),
}

impl Check {
    fn new(name: &'static str, subject: impl Into<String>, verdict: Verdict) -> Self {
        Self { name, subject: subject.into(), verdict }
    }

    /// The blocker, if it is one.
    pub fn blocker(&self) -> Option<&Blocker> {
        match &self.verdict {
            Verdict::Blocked(blocker) => Some(blocker),
            Verdict::Good(_) | Verdict::Unknown(_) => None,
        }
    }
}

fn blocked(code: &str, message: impl Into<String>, next: impl Into<String>) -> Verdict {
    Verdict::Blocked(Blocker { code: code.into(), message: message.into(), next: next.into() })
}

impl Engine {
    /// Checks everything that an apply would need. `image`: the toolbox, where
    /// the tools run in one.
    pub async fn preflight(&self, targets: &Targets, image: Option<&str>) -> Vec<Check> {
        let mut checks = vec![self.manifests()];
        let usable = self.tools(image, &mut checks).await;
        if !usable {
            checks.push(Check::new(
                "credentials",
                "",
                Verdict::Unknown("no tool can be used to ask with".into()),
            ));
            return checks;
        }
        let caller = match self.caller().await {
            Ok(caller) => caller,
            Err(verdict) => {
                checks.push(Check::new("credentials", "", verdict));
                let why = "nothing can be read without credentials".to_owned();
                checks.push(Check::new("resources", "", Verdict::Unknown(why)));
                return checks;
            }
        };
        let known = format!("{}, region {}", caller.arn, self.region);
        checks.push(Check::new("credentials", caller.account.clone(), Verdict::Good(known)));
        match self.plan(Mode::Apply, targets).await {
            Ok(planned) => {
                checks.push(self.state_of_plan(&planned));
                checks.extend(resources(&planned));
                checks.extend(self.quotas(&planned).await);
                checks.extend(self.permissions(&planned, &caller).await);
            }
            Err(error) => checks.push(unplannable(&error)),
        }
        checks
    }

    /// Checks what a plan that is about to be carried out needs beyond what the
    /// plan itself tells: quotas, permissions, and the tools that it has not
    /// used yet.
    pub async fn preflight_of(&self, planned: &Planned) -> Vec<Check> {
        let mut checks = Vec::new();
        let programs: BTreeSet<&str> = commands(planned)
            .filter_map(|(_, command)| command.argv.first().map(String::as_str))
            .collect();
        for tool in [Tool::Aws, Tool::Helm, Tool::Kubectl] {
            if programs.contains(tool.program()) && self.gateway.started(tool) == 0 {
                checks.push(self.tool(tool).await.0);
            }
        }
        if let Ok(caller) = self.caller().await {
            checks.extend(self.quotas(planned).await);
            checks.extend(self.permissions(planned, &caller).await);
        }
        checks
    }

    fn manifests(&self) -> Check {
        let known = format!(
            "{} resources, {} variables",
            self.stack.resources.len(),
            self.stack.variables.iter().count()
        );
        Check::new("manifests", self.stack.name.clone(), Verdict::Good(known))
    }

    /// Whether the tools can be used at all.
    async fn tools(&self, image: Option<&str>, checks: &mut Vec<Check>) -> bool {
        let kubernetes = self
            .stack
            .resources
            .iter()
            .any(|resource| resource.address.kind.adapter().needs_kubernetes());
        let mut needed = vec![Tool::Aws];
        if kubernetes {
            needed.extend([Tool::Helm, Tool::Kubectl]);
        }
        let mut toolbox = None;
        let mut found = Vec::new();
        let mut usable = true;
        for tool in needed {
            let (check, error) = self.tool(tool).await;
            if let Some(error @ ExecError::Docker { .. }) = error {
                // One reason for all of them.
                let verdict = blocked("ToolboxUnavailable", error.to_string(), error.next());
                toolbox = Some(verdict);
                found.clear();
                usable = false;
                break;
            }
            usable &= tool != Tool::Aws || check.blocker().is_none();
            found.push(check);
        }
        if let Some(image) = image {
            let verdict = toolbox.unwrap_or_else(|| {
                Verdict::Good("the engine is up and the image is here".to_owned())
            });
            checks.push(Check::new("toolbox", image, verdict));
        } else if let Some(verdict) = toolbox {
            checks.push(Check::new("toolbox", "", verdict));
        }
        checks.extend(found);
        usable
    }

    async fn tool(&self, tool: Tool) -> (Check, Option<ExecError>) {
        let ask: &[&str] = match tool {
            Tool::Aws => &["--version"],
            Tool::Helm => &["version", "--short"],
            Tool::Kubectl => &["version", "--client"],
            Tool::Bash => &["--version"],
        };
        let command = Command::read(tool, ask);
        let (verdict, error) = match self.gateway.read(&command).await {
            Ok(answer) if answer.succeeded() => {
                // Version 1 of `aws` tells it on standard error in old releases.
                let told = [answer.stdout.as_str(), answer.stderr.as_str()]
                    .into_iter()
                    .flat_map(str::lines)
                    .find(|line| !line.trim().is_empty())
                    .unwrap_or_default();
                (Verdict::Good(told.trim().to_owned()), None)
            }
            Ok(answer) => (self.unknown(&command, &answer), None),
            Err(error) => {
                let code = match &error {
                    ExecError::ToolMissing { .. } => "ToolMissing",
                    _ => "ToolUnusable",
                };
                let why = self.gateway.show(&error.to_string());
                (blocked(code, why, error.next()), Some(error))
            }
        };
        (Check::new("tool", tool.program(), verdict), error)
    }

    fn state_of_plan(&self, planned: &Planned) -> Check {
        let known = match &planned.plan.lineage {
            Some(_) => format!("serial {}, of this account and region", planned.plan.serial),
            None => "none yet; the first apply makes it".to_owned(),
        };
        Check::new("state", self.store.place(), Verdict::Good(known))
    }

    /// That a read did not tell, and why.
    fn unknown(&self, command: &Command, answer: &Answer) -> Verdict {
        let why = match explain::explain(answer) {
            Some(explanation) => explanation.cause,
            None => super::read::detail(answer, "it does not tell"),
        };
        Verdict::Unknown(self.gateway.show(&format!("`{}`: {why}", short(command))))
    }
}

/// The checks where not even the way to the tools can be prepared.
pub fn without_tools(error: &ExecError) -> Vec<Check> {
    let why = "no tool can be used to ask with".to_owned();
    vec![
        Check::new("toolbox", "", blocked("ToolboxUnavailable", error.to_string(), error.next())),
        Check::new("credentials", "", Verdict::Unknown(why.clone())),
        Check::new("resources", "", Verdict::Unknown(why)),
    ]
}

/// The words that name a command, without its options.
fn short(command: &Command) -> String {
    let words = command.args.iter().take_while(|word| !word.starts_with("--"));
    let words: Vec<&str> = words.map(String::as_str).collect();
    format!("{} {}", command.tool.program(), words.join(" "))
}

/// Every changing command of a plan, with the change that it is of.
fn commands(planned: &Planned) -> impl Iterator<Item = (&Change, &crate::plan::PlannedCommand)> {
    let changes = planned.plan.changes.iter();
    changes.flat_map(|change| change.commands.iter().map(move |command| (change, command)))
}

fn unplannable(error: &EngineError) -> Check {
    let (name, code) = match error {
        EngineError::Account(_) => ("credentials", "CredentialsRefused"),
        EngineError::ForeignState { .. } => ("state", "ForeignState"),
        EngineError::StateChanged | EngineError::Store(_) => ("state", "StateUnusable"),
        EngineError::Cycle(_) | EngineError::SameObject { .. } => ("resources", "NotPlannable"),
        EngineError::NoSuchTarget(_) => ("resources", "NoSuchTarget"),
        EngineError::ToolboxMoved { .. } => ("toolbox", "ToolboxMoved"),
    };
    Check::new(name, "", blocked(code, error.to_string(), "correct that, then run it again"))
}

/// What must exist, what can't be read, and a line on the rest.
fn resources(planned: &Planned) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut others = 0;
    for change in &planned.plan.changes {
        let subject = change.address.to_string();
        let external = matches!(change.reason, Reason::External)
            || planned.survey.entries.get(&change.address).is_some_and(|entry| entry.external);
        let follows = matches!(
            change.reason,
            Reason::DependencyUnknown { .. } | Reason::DependencyMissing { .. }
        );
        // What is not ready is in nobody's way before the apply; the status
        // tells of it. What follows from another is told with that.
        let unready = change.action == Action::NoOp && !external;
        if follows || unready || change.blockers.is_empty() {
            if external && !follows {
                let known = format!("exists: {}", change.identity);
                checks.push(Check::new("resource", subject, Verdict::Good(known)));
            } else {
                others += 1;
            }
            continue;
        }
        for blocker in &change.blockers {
            let verdict = Verdict::Blocked(blocker.clone());
            checks.push(Check::new("resource", subject.clone(), verdict));
        }
    }
    if others > 0 {
        let known = planned.plan.summary().to_string();
        let known = known.trim_start_matches("Plan: ").trim_end_matches('.').to_owned();
        let subject = format!("{others} more");
        checks.push(Check::new("resources", subject, Verdict::Good(known)));
    }
    checks
}
