//! Charts and values as commands name them, and the registry logins that pulls
//! use: `show`, `registry login`, `registry logout`.

use serde_json::{Map, Value, json};

use super::{Call, Failure};
use crate::sandbox::charts::values::{Reading, overlay, set};
use crate::sandbox::charts::{self, Chart, REGISTRY, Request, registry_host, yaml};
use crate::sandbox::flags::{Flag, Takes, flag, short};
use crate::sandbox::world::World;

/// Flags that say where a chart is.
pub const CHART_FLAGS: &[Flag] = &[
    flag("ca-file", Takes::Value),
    flag("cert-file", Takes::Value),
    flag("devel", Takes::Nothing),
    flag("insecure-skip-tls-verify", Takes::Nothing),
    flag("key-file", Takes::Value),
    flag("keyring", Takes::Value),
    flag("pass-credentials", Takes::Nothing),
    flag("password", Takes::Value),
    flag("plain-http", Takes::Nothing),
    flag("repo", Takes::Value),
    flag("username", Takes::Value),
    flag("verify", Takes::Nothing),
    flag("version", Takes::Value),
];

/// Flags that give values.
pub const VALUE_FLAGS: &[Flag] = &[
    flag("set", Takes::Value),
    flag("set-file", Takes::Value),
    flag("set-json", Takes::Value),
    flag("set-literal", Takes::Value),
    flag("set-string", Takes::Value),
    short("values", 'f', Takes::Value),
];

pub const SHOW_VALUES_FLAGS: &[Flag] = &[flag("jsonpath", Takes::Value)];

pub const LOGIN_FLAGS: &[Flag] = &[
    flag("ca-file", Takes::Value),
    flag("cert-file", Takes::Value),
    flag("insecure", Takes::Nothing),
    flag("key-file", Takes::Value),
    short("password", 'p', Takes::Value),
    flag("password-stdin", Takes::Nothing),
    flag("plain-http", Takes::Nothing),
    short("username", 'u', Takes::Value),
];

/// The chart that the command names; what a pull says goes to standard error.
pub fn chart(call: &mut Call<'_>, reference: &str) -> Result<Chart, Failure> {
    let request = Request {
        reference,
        repo: call.args.value("repo").filter(|repo| !repo.is_empty()),
        version: call.args.value("version").filter(|version| !version.is_empty()),
        stale_login: registry_host(reference).is_some_and(|host| login_is_stale(call, host)),
    };
    let found = charts::locate(&request, call.files)?;
    call.err.push_str(&found.notice);
    Ok(found.chart)
}

/// The values that the command gives: files in order, then the `--set` flags.
pub fn user_values(call: &Call<'_>) -> Result<Value, Failure> {
    let mut values = Value::Object(Map::new());
    // One flag may name several files.
    for path in call.args.values("values").iter().flat_map(|paths| paths.split(',')) {
        let bytes = if path == "-" {
            call.stdin.to_vec()
        } else {
            call.files.read(path).map_err(|_| format!("open {path}: no such file or directory"))?
        };
        match yaml::read(&String::from_utf8_lossy(&bytes)) {
            Ok(Value::Null) => {}
            Ok(document @ Value::Object(_)) => overlay(&mut values, &document),
            Ok(other) => {
                let kind = if other.is_array() { "array" } else { "string" };
                return Err(format!("failed to parse {path}: cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}").into());
            }
            Err(error) => {
                return Err(format!("failed to parse {path}: cannot unmarshal yaml document: error converting YAML to JSON: yaml: {error}").into());
            }
        }
    }
    for (name, reading) in [
        ("set-json", Reading::Json),
        ("set", Reading::Typed),
        ("set-string", Reading::Text),
        ("set-literal", Reading::Literal),
    ] {
        for text in call.args.values(name) {
            set(&mut values, text, reading)
                .map_err(|error| format!("failed parsing --{name} data: {error}"))?;
        }
    }
    for text in call.args.values("set-file") {
        let (key, path) = text.split_once('=').ok_or_else(|| {
            format!("failed parsing --set-file data: key \"{text}\" has no value")
        })?;
        let bytes = call.files.read(path).map_err(|_| {
            format!("failed parsing --set-file data: open {path}: no such file or directory")
        })?;
        let assignment = format!("{key}={}", String::from_utf8_lossy(&bytes));
        set(&mut values, &assignment, Reading::Literal)
            .map_err(|error| format!("failed parsing --set-file data: {error}"))?;
    }
    Ok(values)
}

/// How long the password of a public registry is good for.
const LOGIN_HOURS: i64 = 12;

/// Where a login is kept: each registry config file has its own.
fn login_key(call: &Call<'_>, host: &str) -> String {
    format!("helm/registry/{}/{host}", call.args.value("registry-config").unwrap_or("default"))
}

fn login_is_stale(call: &Call<'_>, host: &str) -> bool {
    let Some(login) = call.world.get(&login_key(call, host)) else { return false };
    let at = login.get("at").and_then(Value::as_i64).unwrap_or(0);
    let expired = call.world.now().as_second() - at >= LOGIN_HOURS * 3600;
    expired || login.get("expired") == Some(&Value::Bool(true))
}

/// Makes every registry login stale, as the passing of half a day does.
pub fn expire_logins(world: &mut World) {
    let logins: Vec<(String, Value)> =
        world.scan("helm/registry/").map(|(key, login)| (key.to_owned(), login.clone())).collect();
    for (key, mut login) in logins {
        if let Some(login) = login.as_object_mut() {
            login.insert("expired".into(), true.into());
        }
        world.put(key, login);
    }
}

/// `helm registry login`.
pub fn login(call: &mut Call<'_>) -> Result<(), Failure> {
    let host = call.arg(0).to_owned();
    if host.contains("://") {
        return Err(format!("invalid reference: invalid registry \"{host}\"").into());
    }
    let password = if call.args.on("password-stdin") {
        String::from_utf8_lossy(call.stdin).trim_end_matches(['\n', '\r']).to_owned()
    } else {
        let given = call.args.value("password").unwrap_or_default().to_owned();
        if !given.is_empty() {
            call.err.push_str("level=WARN msg=\"using --password via the CLI is insecure. Use --password-stdin\"\n");
        }
        given
    };
    let username = call.args.value("username").unwrap_or_default().to_owned();
    if host != REGISTRY {
        return Err(format!(
            "authenticating to \"{host}\": Get \"https://{host}/v2/\": dial tcp: lookup {host} on 127.0.0.11:53: no such host"
        )
        .into());
    }
    if password.is_empty() || username.is_empty() {
        return Err(format!(
            "authenticating to \"{host}\": GET \"https://{host}/v2/\": GET \"https://{host}/token/?scope=aws&service={host}\": response status code 401: unauthorized: Not Authorized"
        )
        .into());
    }
    let at = call.world.now().as_second();
    call.world.put(login_key(call, &host), json!({"username": username, "at": at}));
    call.err.push_str("Login Succeeded\n");
    Ok(())
}

/// `helm registry logout`.
#[expect(clippy::unnecessary_wraps, reason = "one of a table of commands, of which others fail")]
pub fn logout(call: &mut Call<'_>) -> Result<(), Failure> {
    let host = call.arg(0).to_owned();
    let key = login_key(call, &host);
    call.world.remove(&key);
    call.complain(&format!("Removing login credentials for {host}\n"));
    Ok(())
}

fn shown(call: &mut Call<'_>) -> Result<Chart, Failure> {
    let reference = call.arg(0).to_owned();
    chart(call, &reference)
}

/// `helm show chart`.
pub fn show_chart(call: &mut Call<'_>) -> Result<(), Failure> {
    let chart = shown(call)?;
    call.out = chart_text(&chart) + "\n";
    Ok(())
}

/// `helm show values`.
pub fn show_values(call: &mut Call<'_>) -> Result<(), Failure> {
    let chart = shown(call)?;
    call.out = values_text(&chart) + "\n";
    Ok(())
}

/// `helm show crds`.
pub fn show_crds(call: &mut Call<'_>) -> Result<(), Failure> {
    let chart = shown(call)?;
    call.out = crds_text(&chart);
    Ok(())
}

/// `helm show all`.
pub fn show_all(call: &mut Call<'_>) -> Result<(), Failure> {
    let chart = shown(call)?;
    call.out =
        format!("{}\n---\n{}\n{}", chart_text(&chart), values_text(&chart), crds_text(&chart));
    Ok(())
}

fn chart_text(chart: &Chart) -> String {
    yaml::print(&serde_json::to_value(&chart.metadata).unwrap_or_default())
}

fn values_text(chart: &Chart) -> String {
    chart.values_text.clone().unwrap_or_else(|| yaml::print(&chart.defaults))
}

fn crds_text(chart: &Chart) -> String {
    let texts = chart.crds.iter().map(|crd| format!("---\n{}\n", yaml::print(&crd.object)));
    texts.collect::<Vec<_>>().concat()
}
