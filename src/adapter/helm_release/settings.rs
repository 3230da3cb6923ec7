//! What reading and steps need of a spec besides the attributes, as the map
//! that plan and state keep.

use std::time::Duration;

use crate::command::{Password, RegistryLogin};
use crate::value::{Map, Value};

/// A reading view of the settings. A setting that is missing, as in a state
/// that another version wrote, has its default.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a>(pub &'a Map);

impl<'a> Settings<'a> {
    pub const CHART: &'static str = "chart";
    pub const REPOSITORY: &'static str = "repository";
    pub const VERSION: &'static str = "version";
    pub const CREATE_NAMESPACE: &'static str = "createNamespace";
    pub const WAIT: &'static str = "wait";
    pub const PLAIN_HTTP: &'static str = "plainHttp";
    pub const SKIP_CRDS: &'static str = "skipCrds";
    pub const TAKE_OWNERSHIP: &'static str = "takeOwnership";
    pub const FORCE_CONFLICTS: &'static str = "forceConflicts";
    const TIMEOUT: &'static str = "timeoutSeconds";
    const REGISTRY: &'static str = "registry";

    /// A text, if it is given.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// The chart as commands name it; `None` for an external release.
    pub fn chart(self) -> Option<&'a str> {
        self.text(Self::CHART)
    }

    /// Whether the chart is at a path.
    pub fn is_local(self) -> bool {
        self.chart().is_some_and(|chart| !chart.starts_with("oci://"))
            && self.text(Self::REPOSITORY).is_none()
    }

    /// A switch; off unless it is on.
    pub fn on(self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// How long Helm may wait.
    pub fn timeout(self) -> Duration {
        let seconds = match self.0.get(Self::TIMEOUT) {
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        Duration::from_secs(seconds.unwrap_or(300))
    }

    /// The login that a pull needs.
    pub fn login(self) -> Option<RegistryLogin> {
        let registry = self.0.get(Self::REGISTRY)?;
        let text = |name: &str| Some(registry.get(name)?.as_str()?.to_owned());
        Some(RegistryLogin {
            host: text("host")?,
            username: text("username")?,
            password: match registry.get("password")?.as_str() {
                Some("ecr") => Password::Ecr,
                Some(_) => Password::EcrPublic,
                None => Password::Given(registry.get("password")?.clone()),
            },
            plain_http: self.on(Self::PLAIN_HTTP),
        })
    }
}

/// Builds the map that [`Settings`] reads.
#[derive(Debug, Default)]
pub struct SettingsBuilder(Map);

impl SettingsBuilder {
    /// Sets a text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), Value::from(text));
    }

    /// Sets a switch.
    pub fn switch(&mut self, name: &str, on: bool) {
        self.0.insert(name.to_owned(), Value::from(on));
    }

    /// Sets how long Helm may wait, in seconds.
    pub fn timeout(&mut self, seconds: u64) {
        self.0.insert(Settings::TIMEOUT.to_owned(), Value::from(seconds));
    }

    /// Sets the login: `password` is `ecr`, `ecrPublic` or sensitive.
    pub fn registry(&mut self, host: &str, username: &str, password: Value) {
        let registry = Map::from([
            ("host".to_owned(), Value::from(host)),
            ("username".to_owned(), Value::from(username)),
            ("password".to_owned(), password),
        ]);
        self.0.insert(Settings::REGISTRY.to_owned(), Value::Map(registry));
    }

    /// The map.
    pub fn build(self) -> Map {
        self.0
    }
}
