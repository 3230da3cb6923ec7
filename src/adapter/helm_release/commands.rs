//! The commands about one release. Each works with Helm 3 and 4 alike, save
//! for `--force-conflicts`, which only Helm 4 knows.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::settings::Settings;
use crate::adapter::{Identity, Source, SourceAt};
use crate::command::{Command, Tool};
use crate::value::Value;

/// What a command may take beyond the time that Helm itself waits: pulling
/// the chart, and the end of its last request.
const MARGIN: Duration = Duration::from_secs(60);
/// How long pulling and rendering a chart may take.
const RENDER_TIMEOUT: Duration = Duration::from_secs(180);

/// A release, by its natural key.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// The namespace that Helm keeps it in.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Release<'a> {
    /// The release that an identity stands for.
    pub fn of(identity: &'a Identity) -> Self {
        Self { namespace: identity.part("namespace"), name: identity.part("releaseName") }
    }

    fn read(self, words: &[&str]) -> Command {
        let mut command = Command::read(Tool::Helm, words);
        command.args.push(self.name.to_owned());
        command.flag("-n", self.namespace)
    }

    /// Its last revision: status, values, manifest; with Helm 4 its live
    /// objects and their pods too.
    pub fn status(self) -> Command {
        self.read(&["status"]).flag("-o", "json")
    }

    /// Its chart's name and version, which no other answer tells apart.
    pub fn metadata(self) -> Command {
        self.read(&["get", "metadata"]).flag("-o", "json")
    }

    /// Its revisions.
    pub fn history(self) -> Command {
        self.read(&["history"]).flag("-o", "json")
    }

    /// What the chart makes of the values. On the server's side Helm knows the
    /// cluster's version and kinds, and charts can look at what exists.
    pub fn template(self, settings: Settings<'_>, values: &Value, server: bool) -> Command {
        let command = Command::read(Tool::Helm, &["template", self.name]);
        let command = with_chart(command, settings)
            .flag("-n", self.namespace)
            .arg("-f")
            .arg("-")
            .arg("--is-upgrade")
            .arg("--no-hooks");
        let command = if server { command.arg("--dry-run=server") } else { command };
        command.with_stdin(values.clone()).with_timeout(RENDER_TIMEOUT)
    }

    /// Brings the release to a chart and values, whether it exists or not. The
    /// values are complete: `--reset-values` matters where there are none,
    /// since Helm would then reuse those of the last revision.
    pub fn upgrade(self, settings: Settings<'_>, values: &Value, force: bool) -> Command {
        let command = Command::write(Tool::Helm, &["upgrade", "--install", self.name]);
        let mut command = with_chart(command, settings)
            .flag("-n", self.namespace)
            .arg("-f")
            .arg("-")
            .arg("--reset-values");
        for (name, flag) in [
            (Settings::CREATE_NAMESPACE, "--create-namespace"),
            (Settings::SKIP_CRDS, "--skip-crds"),
            (Settings::TAKE_OWNERSHIP, "--take-ownership"),
        ] {
            if settings.on(name) {
                command = command.arg(flag);
            }
        }
        if force {
            command = command.arg("--force-conflicts");
        }
        waiting(command, settings, settings.on(Settings::WAIT)).with_stdin(values.clone())
    }

    /// Goes back to a revision, without waiting for it to be ready.
    pub fn rollback(self, revision: u64, settings: Settings<'_>, force: bool) -> Command {
        let mut command = Command::write(Tool::Helm, &["rollback", self.name])
            .arg(revision.to_string())
            .flag("-n", self.namespace);
        if force {
            command = command.arg("--force-conflicts");
        }
        waiting(command, settings, false)
    }

    /// Removes the release with its objects, and waits until they are gone.
    pub fn uninstall(self, settings: Settings<'_>) -> Command {
        let command = Command::write(Tool::Helm, &["uninstall", self.name]);
        waiting(command.flag("-n", self.namespace), settings, true)
    }
}

/// Where a release's chart comes from. What a registry serves has a digest of
/// its own, which Helm prints; of a repository's chart it is the digest of what
/// Helm shows of it: description, values, definitions and README.
pub fn source(settings: Settings<'_>) -> Option<Source> {
    let chart = settings.chart()?;
    let version = settings.text(Settings::VERSION).map(str::to_owned);
    let (reference, what) = match settings.text(Settings::REPOSITORY) {
        Some(repository) => (format!("{}/{chart}", repository.trim_end_matches('/')), "all"),
        None => (chart.to_owned(), "chart"),
    };
    let at = if settings.is_local() {
        SourceAt::Folder(chart.to_owned())
    } else {
        let command = Command::read(Tool::Helm, &["show", what]);
        SourceAt::Published(Box::new(with_chart(command, settings).with_timeout(RENDER_TIMEOUT)))
    };
    Some(Source { reference, version, at })
}

/// What the chart at a path says of itself.
pub fn show_chart(chart: &str) -> Command {
    Command::read(Tool::Helm, &["show", "chart", chart])
}

/// Those of these objects that exist. Only their names are sent.
pub fn get_objects<'o>(objects: impl IntoIterator<Item = &'o Json>, namespace: &str) -> Command {
    let items: Vec<Json> = objects
        .into_iter()
        .map(|object| {
            let own = object["metadata"]["namespace"].as_str();
            json!({
                "apiVersion": object["apiVersion"],
                "kind": object["kind"],
                "metadata": {
                    "name": object["metadata"]["name"],
                    "namespace": own.unwrap_or(namespace),
                },
            })
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    Command::read(Tool::Kubectl, &["get", "-f", "-", "--ignore-not-found", "-o", "json"])
        .with_stdin(Value::from_json(&list))
}

/// Pods by their labels.
pub fn get_pods(namespace: &str, selector: &str) -> Command {
    Command::read(Tool::Kubectl, &["get", "pods"])
        .flag("-n", namespace)
        .flag("-l", selector)
        .flag("-o", "json")
}

/// Adds the chart, where it comes from, and the login that its pull needs.
fn with_chart(command: Command, settings: Settings<'_>) -> Command {
    let mut command = command.arg(settings.chart().unwrap_or_default());
    if let Some(repository) = settings.text(Settings::REPOSITORY) {
        command = command.flag("--repo", repository);
    }
    if let (Some(version), false) = (settings.text(Settings::VERSION), settings.is_local()) {
        command = command.flag("--version", version);
    }
    if settings.on(Settings::PLAIN_HTTP) {
        command = command.arg("--plain-http");
    }
    // A chart at a path is pulled from nowhere.
    command.with_login(settings.login().filter(|_| !settings.is_local()))
}

/// Adds how long Helm may wait; without `--wait` it waits for hooks only.
fn waiting(command: Command, settings: Settings<'_>, wait: bool) -> Command {
    let timeout = settings.timeout();
    let command = if wait { command.arg("--wait") } else { command };
    command
        .flag("--timeout", &format!("{}s", timeout.as_secs()))
        .with_timeout(timeout.saturating_add(MARGIN))
}
