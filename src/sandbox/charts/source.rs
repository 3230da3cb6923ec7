//! Where charts come from: two registries that are simulated, and local
//! directories. Everything else cannot be reached, in `helm`'s own words.
//!
//! Which charts and versions exist is decided here and nowhere else.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::semver::{Version, satisfies};
use super::{Chart, Metadata, Rendition, karpenter, lakehouse, local};
use crate::sandbox::files::Files;

/// What a command says of the chart it wants.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The CHART argument.
    pub reference: &'a str,
    /// `--repo`.
    pub repo: Option<&'a str>,
    /// `--version`.
    pub version: Option<&'a str>,
    /// Whether the login to the chart's registry host has expired.
    pub stale_login: bool,
}

/// A chart that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The chart.
    pub chart: Chart,
    /// What `helm` says on standard error of a pull; empty for other sources.
    pub notice: String,
}

/// The registry host of the simulated charts.
pub const REGISTRY: &str = "public.ecr.aws";

/// The chart repository of the simulated ingress controller.
const EKS_CHARTS: &str = "https://aws.github.io/eks-charts";

/// The host of an `oci://` reference.
pub fn registry_host(reference: &str) -> Option<&str> {
    let path = reference.strip_prefix("oci://")?;
    Some(path.split_once('/').map_or(path, |(host, _)| host))
}

/// Finds the chart that a command names.
///
/// # Errors
///
/// `helm`'s words, without `Error: `.
pub fn locate(request: &Request<'_>, files: &dyn Files) -> Result<Found, String> {
    if let Some(path) = request.reference.strip_prefix("oci://") {
        return registry(path, request);
    }
    if let Some(repo) = request.repo {
        return repository(repo, request);
    }
    local::load(request.reference, files).map(|chart| Found { chart, notice: String::new() })
}

/// The versions of one published chart.
struct Published {
    /// From this on.
    first: Version,
    /// Below this major number.
    below: u64,
    /// What no `--version` gives.
    latest: &'static str,
}

fn published(registry_path: &str) -> Option<Published> {
    let (first, below, latest) = match registry_path.split_once('/')? {
        ("karpenter", "karpenter" | "karpenter-crd") => ("1.0.0", 2, "1.8.3"),
        ("ingext", name) if !name.is_empty() && !name.contains('/') => ("0.0.0", 10, "1.0.0"),
        ("eks-charts", "aws-load-balancer-controller") => ("1.0.0", 2, "1.14.0"),
        _ => return None,
    };
    Some(Published { first: Version::parse(first)?, below, latest })
}

impl Published {
    fn has(&self, version: &Version) -> bool {
        // A pre-release of the first version is older than it.
        *version >= self.first && version.major() < self.below
    }
}

/// What a look-up of a host that does not exist says.
fn no_such_host(host: &str) -> String {
    format!("dial tcp: lookup {host} on 127.0.0.11:53: no such host")
}

fn registry(path: &str, request: &Request<'_>) -> Result<Found, String> {
    let Some((host, repository)) = path.split_once('/') else {
        return Err("invalid reference: missing registry or repository".to_owned());
    };
    let (repository, tag) = match repository.rsplit_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (repository, None),
    };
    let wanted = request.version.or(tag);
    let exact = wanted.and_then(Version::parse);
    let tags_url = format!("https://{host}/v2/{repository}/tags/list");
    // An exact version is fetched at once; anything else lists the tags first.
    let refused = |why: &str| match (&exact, wanted) {
        (Some(_), Some(version)) => format!(
            "failed to perform \"FetchReference\" on source: {} \"https://{host}/v2/{repository}/manifests/{version}\": {why}",
            if request.stale_login { "GET" } else { "Get" },
        ),
        _ => format!("{} \"{tags_url}\": {why}", if request.stale_login { "GET" } else { "Get" }),
    };
    if host != REGISTRY {
        return Err(refused(&no_such_host(host)));
    }
    if request.stale_login {
        return Err(refused(&expired(repository)));
    }
    let Some(published) = published(repository) else {
        return Err(match (&exact, wanted) {
            (Some(_), Some(version)) => not_found(host, repository, version),
            _ => format!(
                "GET \"{tags_url}\": response status code 404: name unknown: The repository with name '{}' does not exist in the registry with id '{}'",
                repository.split_once('/').map_or(repository, |(_, name)| name),
                repository.split_once('/').map_or(repository, |(registry, _)| registry),
            ),
        });
    };
    let version = match (exact, wanted) {
        (Some(version), Some(text)) if !published.has(&version) => {
            return Err(not_found(host, repository, text));
        }
        (Some(_), Some(text)) => text.strip_prefix('v').unwrap_or(text),
        (None, Some(constraint)) => matching(&published, constraint)?.ok_or_else(|| {
            format!("could not locate a version matching provided version string {constraint}")
        })?,
        (_, None) => published.latest,
    };
    let chart = publish(repository, version);
    let digest = hex::encode(Sha256::digest(format!("{host}/{repository}:{version}")));
    // A tag cannot hold the `+` of a version.
    let tag = version.replace('+', "_");
    let notice = format!("Pulled: {host}/{repository}:{tag}\nDigest: sha256:{digest}\n");
    Ok(Found { chart, notice })
}

/// What the registry says to an expired login; without any login a pull works.
pub fn expired(repository: &str) -> String {
    let scope = repository.replace('/', "%2F");
    format!(
        "GET \"https://{REGISTRY}/token/?scope=aws&scope=repository%3A{scope}%3Apull&service={REGISTRY}\": response status code 403: denied: Your authorization token has expired. Reauthenticate and try again."
    )
}

fn not_found(host: &str, repository: &str, version: &str) -> String {
    format!(
        "failed to perform \"FetchReference\" on source: {host}/{repository}:{version}: not found"
    )
}

/// The latest version, where it satisfies the constraint.
fn matching(published: &Published, constraint: &str) -> Result<Option<&'static str>, String> {
    let latest = Version::parse(published.latest);
    match latest.as_ref().and_then(|latest| satisfies(latest, constraint)) {
        None => Err(format!("improper constraint: {constraint}")),
        Some(true) => Ok(Some(published.latest)),
        Some(false) => Ok(None),
    }
}

fn repository(repo: &str, request: &Request<'_>) -> Result<Found, String> {
    let url = repo.trim_end_matches('/');
    if url != EKS_CHARTS {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or(host);
        return Err(format!(
            "looks like \"{repo}\" is not a valid chart repository or cannot be reached: Get \"{url}/index.yaml\": {}",
            no_such_host(host)
        ));
    }
    let path = format!("eks-charts/{}", request.reference);
    let found = published(&path).and_then(|published| match request.version {
        None => Some(published.latest.to_owned()),
        Some(text) => match Version::parse(text) {
            Some(version) => {
                published.has(&version).then(|| text.strip_prefix('v').unwrap_or(text).to_owned())
            }
            None => matching(&published, text).ok().flatten().map(str::to_owned),
        },
    });
    match (found, request.version) {
        (Some(version), _) => Ok(Found { chart: publish(&path, &version), notice: String::new() }),
        (None, None) => {
            Err(format!("chart \"{}\" not found in {repo} repository", request.reference))
        }
        (None, Some(version)) => Err(format!(
            "chart \"{}\" version \"{version}\" not found in {repo} repository",
            request.reference
        )),
    }
}

/// The published chart of that path and version, which exist.
fn publish(path: &str, version: &str) -> Chart {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let (rendition, defaults, app_version, description) = match name {
        "karpenter" => (
            Rendition::Karpenter,
            karpenter::defaults(version),
            version.to_owned(),
            karpenter::DESCRIPTION,
        ),
        "karpenter-crd" => (
            Rendition::KarpenterCrd,
            Value::Object(serde_json::Map::new()),
            version.to_owned(),
            karpenter::CRD_DESCRIPTION,
        ),
        "aws-load-balancer-controller" => {
            // The controller's version runs one major number ahead of its chart's.
            let app = version
                .split_once('.')
                .map_or_else(|| version.to_owned(), |(_, rest)| format!("v2.{rest}"));
            (
                Rendition::LoadBalancerController,
                lakehouse::load_balancer_defaults(),
                app,
                "Application load balancers for ingresses",
            )
        }
        _ => {
            let (rendition, defaults) = lakehouse::published(name);
            (rendition, defaults, version.to_owned(), "A part of the lakehouse")
        }
    };
    let crds = if rendition == Rendition::Karpenter { karpenter::crds(name) } else { Vec::new() };
    Chart {
        metadata: Metadata {
            api_version: Some("v2".to_owned()),
            app_version: Some(app_version),
            annotations: std::collections::BTreeMap::new(),
            description: Some(description.to_owned()),
            name: name.to_owned(),
            version: version.to_owned(),
        },
        defaults,
        values_text: None,
        crds,
        rendition,
    }
}
