//! `get` and `version`: the commands that only read.

use serde_json::{Value, json};
use std::fmt::Write as _;

use super::table::{self, Style};
use super::{Call, Failure, VERSION, Wanted, output};
use crate::sandbox::charts::yaml;
use crate::sandbox::cluster::{FieldSelector, ListOptions, ResourceType, Selector, Status};
use crate::sandbox::flags::{Flag, Takes, flag, short};
use crate::sandbox::reach;

pub const FLAGS: &[Flag] = &[
    flag("chunk-size", Takes::Number),
    flag("ignore-not-found", Takes::Nothing),
    short("label-columns", 'L', Takes::Value),
    flag("no-headers", Takes::Nothing),
    flag("output-watch-events", Takes::Nothing),
    flag("raw", Takes::Value),
    short("recursive", 'R', Takes::Nothing),
    flag("server-print", Takes::Nothing),
    flag("show-kind", Takes::Nothing),
    flag("show-labels", Takes::Nothing),
    flag("sort-by", Takes::Value),
    flag("subresource", Takes::Value),
];

pub const VERSION_FLAGS: &[Flag] = &[flag("client", Takes::Nothing)];

/// The answers to one `TYPE`, or to one named object.
struct Group {
    ty: ResourceType,
    objects: Vec<Value>,
}

/// What a list is narrowed by.
pub fn list_options(call: &mut Call<'_>) -> Result<ListOptions, Failure> {
    let given = |flag: &str| call.args.value(flag).unwrap_or_default().to_owned();
    let (labels, fields) = (given("selector"), given("field-selector"));
    let parsed = Selector::parse(&labels)
        .and_then(|labels| Ok(ListOptions { labels, fields: FieldSelector::parse(&fields)? }));
    parsed.or_else(|status| {
        // It is the first list that the server refuses.
        let first = call.wanted()?.into_iter().next();
        let resource = first.map_or_else(String::new, |Wanted { ty, .. }| {
            format!("{}/{}, Resource={}", ty.group, ty.version, ty.plural)
        });
        let message = format!("Unable to find \"{resource}\" that match label selector \"{labels}\", field selector \"{fields}\": {status}");
        Err(Failure::server(&Status { message, ..status }))
    })
}

/// `kubectl get`.
pub fn get(call: &mut Call<'_>) -> Result<(), Failure> {
    if let Some(path) = call.args.value("raw").map(str::to_owned) {
        return raw(call, &path);
    }
    let from_files = !call.args.values("filename").is_empty();
    if call.args.positional.is_empty() && !from_files {
        return Err(Failure::bare(
            "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n\nerror: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples",
        ));
    }
    let format = call.args.value("output").unwrap_or_default().to_owned();
    let plain = matches!(format.as_str(), "" | "wide");
    let known = matches!(format.as_str(), "json" | "yaml" | "name")
        || format.starts_with("jsonpath=")
        || format.starts_with("custom-columns=");
    if !plain && !known {
        reach::check(call.world).map_err(|unreachable| Failure::bare(unreachable.kubectl()))?;
        return Err(output::unknown(&format));
    }
    let Read { groups, errors, named, single } = read(call, from_files)?;
    let objects: Vec<&Value> = groups.iter().flat_map(|group| &group.objects).collect();
    // Nothing found is an error of its own, and ignoring it is an empty answer.
    let silent =
        objects.is_empty() && (!errors.is_empty() || named && call.args.on("ignore-not-found"));
    if !silent {
        let single = single && objects.len() == 1;
        call.out = match format.as_str() {
            "" | "wide" => tables(call, &groups, named),
            "json" | "yaml" => {
                let keep = call.args.on("show-managed-fields");
                let clean = |object: &Value| {
                    if keep {
                        object.clone()
                    } else {
                        output::without_managed_fields(object.clone())
                    }
                };
                let shown = match objects.first().filter(|_| single) {
                    Some(object) => clean(object),
                    None => output::list(
                        &objects.iter().map(|object| clean(object)).collect::<Vec<_>>(),
                    ),
                };
                if format == "json" { output::json(&shown) } else { yaml::print(&shown) }
            }
            "name" => groups
                .iter()
                .flat_map(|group| {
                    group.objects.iter().map(|object| {
                        format!(
                            "{}/{}\n",
                            table::qualified(&group.ty),
                            table::text(object, "/metadata/name")
                        )
                    })
                })
                .collect(),
            _ => match format.split_once('=') {
                Some(("jsonpath", template)) => {
                    let shown = match objects.first().filter(|_| single) {
                        Some(object) => (*object).clone(),
                        None => output::list(
                            &objects.iter().map(|object| (*object).clone()).collect::<Vec<_>>(),
                        ),
                    };
                    output::path_template(template, &shown)?
                }
                Some((_, spec)) => {
                    output::custom_columns(spec, &objects, call.args.on("no-headers"))?
                }
                None => return Err(output::unknown(&format)),
            },
        };
        if plain && objects.is_empty() && !call.args.on("ignore-not-found") {
            let namespaced = groups.iter().any(|group| group.ty.namespaced);
            let place = match call.scope().filter(|_| namespaced) {
                Some(namespace) => format!(" in {namespace} namespace."),
                None => String::new(),
            };
            call.complain(&format!("No resources found{place}\n"));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure { text: errors.join("\n"), code: 1 }) }
}

/// What was read.
struct Read {
    /// The answers by type.
    groups: Vec<Group>,
    /// What was not found.
    errors: Vec<String>,
    /// Whether objects were named.
    named: bool,
    /// Whether one object was asked for, so that no list is made of it.
    single: bool,
}

/// Reads what is wanted.
fn read(call: &mut Call<'_>, from_files: bool) -> Result<Read, Failure> {
    let mut errors = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    let ignore = call.args.on("ignore-not-found");
    let sort_by = call.args.value("sort-by").map(str::to_owned);
    let mut add = |ty: ResourceType, objects: Vec<Value>| match groups.last_mut() {
        Some(last) if last.ty == ty => last.objects.extend(objects),
        _ => groups.push(Group { ty, objects }),
    };
    let mut missing = |error: Failure| {
        if !ignore {
            errors.push(error.text);
        }
    };
    let mut named = true;
    let single;
    if from_files {
        let documents = call.documents()?;
        single = documents.len() == 1;
        let cluster = call.connect()?;
        for document in documents {
            match cluster.get(&document.ty, &document.namespace, &document.name) {
                Ok(object) => add(document.ty, vec![object.clone()]),
                Err(status) => missing(status.into()),
            }
        }
    } else {
        if let Err(unreachable) = reach::check(call.world) {
            // Each type is asked for on its own, and fails on its own.
            let types = call.args.positional.first().map_or(1, |types| types.split(',').count());
            return Err(Failure::bare(vec![unreachable.kubectl(); types].join("\n")));
        }
        let options = list_options(call)?;
        let (scope, namespace) = (call.scope(), call.namespace());
        let wanted = call.wanted()?;
        named = wanted.iter().all(|one| one.name.is_some());
        single = named && wanted.len() == 1;
        if named && scope.is_none() && wanted.iter().any(|one| one.ty.namespaced) {
            return Err(Failure::said(
                "a resource cannot be retrieved by name across all namespaces",
            ));
        }
        if named
            && (call.args.value("selector").is_some()
                || call.args.value("field-selector").is_some())
        {
            return Err(Failure::said("name cannot be provided when a selector is specified"));
        }
        let cluster = call.connect()?;
        for Wanted { ty, name } in wanted {
            match name {
                None => {
                    let objects = cluster
                        .list(&ty, scope.as_deref(), &options)
                        .into_iter()
                        .cloned()
                        .collect();
                    add(ty, objects);
                }
                Some(name) => match cluster.get(&ty, &namespace, &name) {
                    Ok(object) => add(ty.clone(), vec![object.clone()]),
                    Err(status) => missing(status.into()),
                },
            }
        }
    }
    if let Some(path) = sort_by {
        for group in &mut groups {
            group.objects.sort_by_key(|object| output::sort_key(&path, object));
        }
    }
    Ok(Read { groups, errors, named, single })
}

fn tables(call: &Call<'_>, groups: &[Group], named: bool) -> String {
    let several = groups.len() > 1;
    let all = call.args.on("all-namespaces");
    let now = call.world.now();
    let mut tables = Vec::new();
    for group in groups.iter().filter(|group| !group.objects.is_empty()) {
        let style = Style {
            namespaces: all && (several || group.ty.namespaced) && !named,
            kinds: several || call.args.on("show-kind"),
            no_headers: call.args.on("no-headers"),
        };
        let objects: Vec<&Value> = group.objects.iter().collect();
        tables.push(table::print(&group.ty, &objects, now, style));
    }
    tables.join("\n")
}

/// `get --raw`: the few paths that people ask.
fn raw(call: &mut Call<'_>, path: &str) -> Result<(), Failure> {
    let cluster = call.connect()?;
    let text = match path.split('?').next().unwrap_or(path) {
        "/readyz" | "/livez" | "/healthz" => "ok".to_owned(),
        "/version" => {
            serde_json::to_string_pretty(&server_version(&cluster.version())).unwrap_or_default()
        }
        _ => {
            return Err(Failure::bare(
                "Error from server (NotFound): the server could not find the requested resource",
            ));
        }
    };
    call.out = text;
    Ok(())
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
struct Build {
    major: String,
    minor: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    compatible: Option<Compatible>,
    git_version: String,
    git_commit: &'static str,
    git_tree_state: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    compiler: &'static str,
    platform: &'static str,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
struct Versions {
    client_version: Build,
    kustomize_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<Build>,
}

/// What a server says of the versions that it behaves like.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Compatible {
    emulation_major: String,
    emulation_minor: String,
    min_compatibility_major: String,
    min_compatibility_minor: String,
}

/// The build of a server.
fn server_build(version: &str) -> Build {
    let mut build = build(version);
    let before = build.minor.parse::<u64>().unwrap_or(0).saturating_sub(1);
    build.compatible = Some(Compatible {
        emulation_major: build.major.clone(),
        emulation_minor: build.minor.clone(),
        min_compatibility_major: build.major.clone(),
        min_compatibility_minor: before.to_string(),
    });
    build
}

fn build(version: &str) -> Build {
    let mut numbers = version.trim_start_matches('v').split(['.', '-', '+']);
    let mut number = || numbers.next().unwrap_or_default().to_owned();
    Build {
        major: number(),
        minor: number(),
        compatible: None,
        git_version: version.to_owned(),
        git_commit: "ebfac057369b21558006b8815821ab2fb1e29f2d",
        git_tree_state: "clean",
        build_date: "2026-02-26T20:06:18Z",
        go_version: "go1.24.13",
        compiler: "gc",
        platform: "linux/amd64",
    }
}

fn server_version(version: &str) -> Value {
    serde_json::to_value(server_build(version)).unwrap_or_else(|_| json!({}))
}

/// `kubectl version`.
pub fn version(call: &mut Call<'_>) -> Result<(), Failure> {
    let format = call.args.value("output").unwrap_or_default().to_owned();
    if !matches!(format.as_str(), "" | "json" | "yaml") {
        return Err(Failure::said("--output must be 'yaml' or 'json'"));
    }
    let client_only = call.args.on("client");
    let server = if client_only {
        Ok(None)
    } else {
        call.connect().map(|cluster| Some(server_build(&cluster.version())))
    };
    let (server_version, failure) = match server {
        Ok(server) => (server, None),
        Err(failure) => (None, Some(failure)),
    };
    let versions =
        Versions { client_version: build(VERSION), kustomize_version: "v5.7.1", server_version };
    call.out = match format.as_str() {
        "json" => serde_json::to_string_pretty(&versions).unwrap_or_default() + "\n",
        "yaml" => yaml::print(&serde_json::to_value(&versions).unwrap_or_default()),
        _ => {
            let mut text = format!("Client Version: {VERSION}\nKustomize Version: v5.7.1\n");
            if let Some(server) = &versions.server_version {
                let _ = writeln!(text, "Server Version: {}", server.git_version);
            }
            text
        }
    };
    if let Some(server) = &versions.server_version {
        let minor = |build: &Build| build.minor.parse::<i64>().unwrap_or(0);
        if (minor(server) - minor(&versions.client_version)).abs() > 1 {
            call.complain(&format!("Warning: version difference between client ({}.{}) and server ({}.{}) exceeds the supported minor version skew of +/-1\n",
                versions.client_version.major, versions.client_version.minor, server.major, server.minor));
        }
    }
    failure.map_or(Ok(()), Err)
}
