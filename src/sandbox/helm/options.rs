//! What `template`, `install` and `upgrade` may be told: their flags, and the
//! names they accept.

use std::collections::BTreeMap;

use super::apply::Method;
use super::ready::Strategy;
use super::{Call, Failure};
use crate::sandbox::flags::{Flag, Takes, flag, short};

/// Flags of all three commands.
pub const FLAGS: &[Flag] = &[
    flag("create-namespace", Takes::Nothing),
    flag("dependency-update", Takes::Nothing),
    flag("description", Takes::Value),
    flag("disable-openapi-validation", Takes::Nothing),
    flag("dry-run", Takes::Optional("unset")),
    flag("enable-dns", Takes::Nothing),
    flag("force-conflicts", Takes::Nothing),
    flag("force-replace", Takes::Nothing),
    flag("hide-notes", Takes::Nothing),
    short("labels", 'l', Takes::Value),
    flag("no-hooks", Takes::Nothing),
    flag("post-renderer", Takes::Value),
    flag("post-renderer-args", Takes::Value),
    flag("render-subchart-notes", Takes::Nothing),
    flag("rollback-on-failure", Takes::Nothing),
    flag("skip-crds", Takes::Nothing),
    flag("skip-schema-validation", Takes::Nothing),
    flag("take-ownership", Takes::Nothing),
    flag("timeout", Takes::Duration),
    flag("wait", Takes::Optional("watcher")),
    flag("wait-for-jobs", Takes::Nothing),
];

pub const TEMPLATE_FLAGS: &[Flag] = &[
    short("api-versions", 'a', Takes::Value),
    short("generate-name", 'g', Takes::Nothing),
    flag("include-crds", Takes::Nothing),
    flag("is-upgrade", Takes::Nothing),
    flag("kube-version", Takes::Value),
    flag("name-template", Takes::Value),
    flag("output-dir", Takes::Value),
    flag("release-name", Takes::Nothing),
    flag("replace", Takes::Nothing),
    flag("server-side", Takes::Nothing),
    short("show-only", 's', Takes::Value),
    flag("skip-tests", Takes::Nothing),
];

pub const INSTALL_FLAGS: &[Flag] = &[
    short("generate-name", 'g', Takes::Nothing),
    flag("hide-secret", Takes::Nothing),
    flag("name-template", Takes::Value),
    flag("replace", Takes::Nothing),
    flag("server-side", Takes::Nothing),
];

pub const UPGRADE_FLAGS: &[Flag] = &[
    flag("cleanup-on-fail", Takes::Nothing),
    flag("hide-secret", Takes::Nothing),
    flag("history-max", Takes::Number),
    short("install", 'i', Takes::Nothing),
    flag("reset-then-reuse-values", Takes::Nothing),
    flag("reset-values", Takes::Nothing),
    flag("reuse-values", Takes::Nothing),
    flag("server-side", Takes::Value),
];

/// `--dry-run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// Do it.
    No,
    /// Show, and do not ask the cluster.
    Client,
    /// Show, and ask the cluster.
    Server,
}

/// What a command's flags ask for.
pub struct Options {
    pub dry_run: DryRun,
    pub strategy: Strategy,
    /// Go back where it fails.
    pub rollback: bool,
    /// Take over the name of a release that is gone.
    pub replace: bool,
    pub description: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub method: Method,
}

impl Options {
    pub fn shows_only(&self) -> bool {
        self.dry_run != DryRun::No
    }

    pub fn asks_cluster(&self) -> bool {
        self.dry_run != DryRun::Client
    }
}

/// What a bare `--dry-run` says.
pub const BARE_DRY_RUN: &str =
    "level=WARN msg=\"--dry-run is deprecated and should be replaced with '--dry-run=client'\"\n";

/// What mutually exclusive flags say.
const BOTH_FORCED: &str = "if any flags in the group [force-replace force-conflicts] are set none of the others can be; [force-conflicts force-replace] were all set";

/// Reads the flags.
pub fn options(call: &mut Call<'_>) -> Result<Options, Failure> {
    if call.args.value("dry-run") == Some("unset") {
        call.complain(BARE_DRY_RUN);
    }
    let dry_run = match call.args.value("dry-run") {
        None | Some("none" | "false") => DryRun::No,
        Some("client" | "unset" | "true") => DryRun::Client,
        Some("server") => DryRun::Server,
        Some(other) => {
            let valid = "Must be \"none\", \"server\", or \"client\"";
            return Err(format!("invalid dry-run value (\"{other}\"). {valid}").into());
        }
    };
    let rollback = call.args.on("rollback-on-failure");
    let mut strategy = Strategy::parse(call.args.value("wait"))?;
    if rollback && strategy == Strategy::HookOnly {
        strategy = Strategy::Watcher;
    }
    let (force_conflicts, force_replace) =
        (call.args.on("force-conflicts"), call.args.on("force-replace"));
    if force_conflicts && force_replace {
        return Err(BOTH_FORCED.to_owned().into());
    }
    let pairs = call.args.values("labels").iter().flat_map(|labels| labels.split(','));
    let labels = pairs.filter_map(|pair| pair.split_once('='));
    let description = call.args.value("description").filter(|text| !text.is_empty());
    Ok(Options {
        dry_run,
        strategy,
        rollback,
        replace: call.args.on("replace"),
        description: description.map(str::to_owned),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        method: Method {
            server_side: call.args.value("server-side") != Some("false"),
            force_conflicts,
            force_replace,
        },
    })
}

/// What every release name looks like; longer ones leave no room in the names
/// of what belongs to it.
pub fn valid_name(name: &str) -> bool {
    let part = |part: &str| {
        let mut letters = part.chars();
        let edge = |letter: Option<char>| {
            letter.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        edge(letters.clone().next())
            && edge(letters.next_back())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    name.len() <= 53 && name.split('.').all(part)
}

/// Name and chart of `template` and `install`.
pub fn name_and_chart(
    call: &Call<'_>,
    otherwise: Option<&str>,
) -> Result<(String, String), Failure> {
    match call.args.positional.as_slice() {
        [name, chart] => Ok((name.clone(), chart.clone())),
        [chart] => match otherwise {
            Some(name) => Ok((name.to_owned(), chart.clone())),
            None if call.args.on("generate-name") => {
                let base = chart.rsplit('/').next().unwrap_or(chart);
                Ok((format!("{base}-{}", call.world.now().as_second()), chart.clone()))
            }
            None => Err("must either provide a name or specify --generate-name".to_owned().into()),
        },
        [_, _, more @ ..] => Err(format!(
            "expected at most two arguments, unexpected arguments: {}",
            more.join(", ")
        )
        .into()),
        [] => Err("must either provide a name or specify --generate-name".to_owned().into()),
    }
}

const NAME_RULE: &str = r"invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53";

/// Refuses a name that no release can have.
pub fn check_name(call: &mut Call<'_>, name: &str) -> Result<(), Failure> {
    if valid_name(name) {
        return Ok(());
    }
    name_refused(call, &format!("release name \"{name}\": {NAME_RULE}"))
}

/// Refuses a name, as `install` does.
pub fn name_refused(call: &mut Call<'_>, why: &str) -> Result<(), Failure> {
    let quoted = why.replace('\\', "\\\\").replace('"', "\\\"");
    call.complain(&format!("level=ERROR msg=\"release name check failed\" error=\"{quoted}\"\n"));
    Err(format!("release name check failed: {why}").into())
}
