//! The stacks of the stories: small ones that are generated and changed, and
//! the one that ships. Each says what the account must hold when it is as
//! declared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use lkh::sandbox::world::World;
use serde_json::Value as Json;

use crate::rng::Rng;

pub const CLUSTER: &str = "testskillcluster";
const ACCOUNT: &str = "111122223333";
/// The value of the sensitive variable.
pub const CANARY: &str = "canary-7f3a-hidden";
/// The same as a Kubernetes secret has it.
pub const CANARY_ENCODED: &str = "Y2FuYXJ5LTdmM2EtaGlkZGVu";

const MANAGED: [&str; 3] =
    ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonSSMManagedInstanceCore"];
/// Whom a role trusts besides the pods.
const SERVICES: [&str; 2] = ["ec2.amazonaws.com", "glue.amazonaws.com"];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Role {
    managed: BTreeSet<usize>,
    policies: BTreeSet<u64>,
    tags: BTreeMap<&'static str, u64>,
    service: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Policy {
    version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Release {
    replicas: u64,
    greeting: u64,
    secret: bool,
}

/// A generated stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    roles: BTreeMap<u64, Role>,
    policies: BTreeMap<u64, Policy>,
    /// Service accounts, with the role that each acts as.
    associations: BTreeMap<u64, u64>,
    /// Roles that are let into the cluster.
    entries: BTreeSet<u64>,
    /// A tag of the cluster's subnets.
    tags: Option<u64>,
    release: Option<Release>,
    spot: bool,
    /// A namespace with a secret and an object of this value.
    inside: Option<u64>,
}

/// What the account must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    Role { name: String, service: String, attached: Vec<String>, tags: Vec<(String, String)> },
    Policy { name: String, says: String },
    Association { namespace: String, account: String, role: String },
    Entry { role: String },
    Tag { key: String, value: String },
    Release { namespace: String, name: String, replicas: u64 },
    Inside { value: u64 },
}

impl Model {
    pub fn draw(rng: &mut Rng) -> Self {
        let mut model = Self::default();
        for _ in 0..3 + rng.below(9) {
            model.add(rng);
        }
        model
    }

    fn add(&mut self, rng: &mut Rng) {
        let number = rng.below(4);
        match rng.below(10) {
            9 => self.inside = Some(rng.below(3)),
            0..=2 => {
                let role = self.draw_role(rng);
                self.roles.entry(number).or_insert(role);
            }
            3 | 4 => drop(self.policies.entry(number).or_insert(Policy { version: rng.below(3) })),
            5 => {
                if let Some(role) = self.any_role(rng) {
                    self.associations.entry(number).or_insert(role);
                }
            }
            6 => {
                if let Some(role) = self.any_role(rng) {
                    self.entries.insert(role);
                }
            }
            7 => self.tags = Some(rng.below(3)),
            _ => match &self.release {
                None => {
                    let release = Release { replicas: 1, greeting: 0, secret: rng.chance(500) };
                    self.release = Some(release);
                }
                Some(_) => self.spot = true,
            },
        }
    }

    fn draw_role(&self, rng: &mut Rng) -> Role {
        let mut role = Role {
            managed: BTreeSet::new(),
            policies: BTreeSet::new(),
            tags: BTreeMap::new(),
            service: rng.index(SERVICES.len()),
        };
        for index in 0..MANAGED.len() {
            if rng.chance(400) {
                role.managed.insert(index);
            }
        }
        role.policies.extend(self.policies.keys().filter(|_| rng.chance(400)));
        for key in ["team", "cost"] {
            if rng.chance(400) {
                role.tags.insert(key, rng.below(3));
            }
        }
        role
    }

    fn any_role(&self, rng: &mut Rng) -> Option<u64> {
        let roles: Vec<_> = self.roles.keys().copied().collect();
        if roles.is_empty() { None } else { Some(*rng.pick(&roles)) }
    }

    /// The manifests are edited: something is added, changed or removed.
    pub fn mutate(&mut self, rng: &mut Rng) {
        match rng.below(6) {
            0 | 1 => self.add(rng),
            2 => self.remove(rng),
            3 => {
                if let Some(number) = self.any_role(rng) {
                    let role = self.draw_role(rng);
                    self.roles.insert(number, role);
                }
            }
            4 => {
                let number = rng.below(4);
                if let Some(policy) = self.policies.get_mut(&number) {
                    policy.version = rng.below(4);
                }
            }
            _ => match &mut self.release {
                Some(release) if rng.chance(700) => {
                    release.greeting += 1;
                    release.replicas = 1 + rng.below(2);
                }
                _ => self.tags = Some(rng.below(3)),
            },
        }
    }

    fn remove(&mut self, rng: &mut Rng) {
        let number = rng.below(4);
        match rng.below(7) {
            6 => self.inside = None,
            0 => {
                self.roles.remove(&number);
                self.associations.retain(|_, role| *role != number);
                self.entries.remove(&number);
            }
            1 => {
                self.policies.remove(&number);
                for role in self.roles.values_mut() {
                    role.policies.remove(&number);
                }
            }
            2 => drop(self.associations.remove(&number)),
            3 => drop(self.entries.remove(&number)),
            4 => self.tags = None,
            _ => self.release = None,
        }
    }

    /// The manifests, as one file.
    pub fn manifests(&self) -> String {
        let mut text = format!(
            "apiVersion: lkh/v1\nkind: Stack\nmetadata: {{name: sim}}\nspec:\n  variables:\n    \
             secret: {{description: A secret., sensitive: true, default: {CANARY}}}\n  phases: \
             [{{name: main}}]\n  toolbox: {{exec: sandbox}}\n  kubernetes: {{cluster: \
             {CLUSTER}}}\n---\napiVersion: lkh/v1\nkind: EksCluster\nmetadata: {{name: main, \
             phase: main}}\nexternal: true\nspec: {{name: {CLUSTER}}}\n"
        );
        let mut add = |kind: &str, name: &str, spec: &str| {
            let _ = write!(
                text,
                "---\napiVersion: lkh/v1\nkind: {kind}\nmetadata: {{name: {name}, phase: \
                 main}}\nspec:\n{spec}"
            );
        };
        for (number, policy) in &self.policies {
            add(
                "IamPolicy",
                &format!("p{number}"),
                &format!(
                    "  policyName: Sim-P{number}\n  document:\n    Version: '2012-10-17'\n    \
                     Statement:\n      - {{Sid: Change{}, Effect: Allow, Action: 's3:GetObject', \
                     Resource: '*'}}\n",
                    policy.version
                ),
            );
        }
        for (number, role) in &self.roles {
            add("IamRole", &format!("r{number}"), &role.spec(*number));
        }
        for (number, role) in &self.associations {
            add(
                "PodIdentityAssociation",
                &format!("a{number}"),
                &format!(
                    "  clusterName: '${{EksCluster.main.name}}'\n  namespace: default\n  \
                     serviceAccount: sim-a{number}\n  roleArn: '${{IamRole.r{role}.arn}}'\n"
                ),
            );
        }
        for role in &self.entries {
            add(
                "EksAccessEntry",
                &format!("e{role}"),
                &format!(
                    "  clusterName: '${{EksCluster.main.name}}'\n  principalArn: \
                     '${{IamRole.r{role}.arn}}'\n"
                ),
            );
        }
        if let Some(value) = self.tags {
            add(
                "Ec2Tags",
                "tags",
                &format!(
                    "  resources: ['${{EksCluster.main.subnetIds}}']\n  tags: {{sim-tag: \
                     'v{value}'}}\n"
                ),
            );
        }
        if let Some(value) = self.inside {
            add("Namespace", "sim-space", "  labels: {sim: 'true'}\n");
            add(
                "KubernetesObject",
                "sim-settings",
                &format!(
                    "  manifest:\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {{name: \
                     sim-settings, namespace: '${{Namespace.sim-space.name}}'}}\n    data: {{value: \
                     'v{value}'}}\n"
                ),
            );
            add(
                "KubernetesSecret",
                "sim-secret",
                "  namespace: ${Namespace.sim-space.name}\n  onDelete: delete\n  data:\n    token: \
                 {generate: {length: 15}}\n    given: {value: '${var.secret}'}\n",
            );
        }
        if self.spot {
            add("ServiceLinkedRole", "spot", "  serviceName: spot.amazonaws.com\n");
        }
        if let Some(release) = &self.release {
            let secret = if release.secret { "    password: '${var.secret}'\n" } else { "" };
            add(
                "HelmRelease",
                "sim-hello",
                &format!(
                    "  namespace: default\n  chart: ./charts/hello\n  timeout: 60s\n  values:\n    \
                     replicas: {}\n    greeting: hello-{}\n{secret}",
                    release.replicas, release.greeting
                ),
            );
        }
        text
    }

    /// What the account holds when everything is as declared.
    pub fn expected(&self) -> Vec<Expect> {
        let mut all = Vec::new();
        for (number, role) in &self.roles {
            let managed = role.managed.iter().map(|&i| managed(i));
            let own = role
                .policies
                .iter()
                .map(|number| format!("arn:aws:iam::{ACCOUNT}:policy/Sim-P{number}"));
            all.push(Expect::Role {
                name: format!("Sim-R{number}"),
                service: SERVICES[role.service].to_owned(),
                attached: managed.chain(own).collect(),
                tags: role.tags.iter().map(|(k, v)| ((*k).to_owned(), format!("v{v}"))).collect(),
            });
        }
        for (number, policy) in &self.policies {
            let says = format!("Change{}", policy.version);
            all.push(Expect::Policy { name: format!("Sim-P{number}"), says });
        }
        for (number, role) in &self.associations {
            all.push(Expect::Association {
                namespace: "default".to_owned(),
                account: format!("sim-a{number}"),
                role: format!("Sim-R{role}"),
            });
        }
        all.extend(self.entries.iter().map(|role| Expect::Entry { role: format!("Sim-R{role}") }));
        if let Some(value) = self.tags {
            all.push(Expect::Tag { key: "sim-tag".to_owned(), value: format!("v{value}") });
        }
        if let Some(release) = &self.release {
            all.push(Expect::Release {
                namespace: "default".to_owned(),
                name: "sim-hello".to_owned(),
                replicas: release.replicas,
            });
        }
        all.extend(self.inside.map(|value| Expect::Inside { value }));
        all
    }
}

fn managed(index: usize) -> String {
    format!("arn:aws:iam::aws:policy/{}", MANAGED[index])
}

impl Role {
    fn spec(&self, number: u64) -> String {
        let mut text = format!(
            "  roleName: Sim-R{number}\n  trustPolicy:\n    Version: '2012-10-17'\n    \
             Statement:\n      - {{Effect: Allow, Principal: {{Service: [{}, \
             pods.eks.amazonaws.com]}}, Action: ['sts:AssumeRole', 'sts:TagSession']}}\n",
            SERVICES[self.service]
        );
        if !self.managed.is_empty() || !self.policies.is_empty() {
            text.push_str("  managedPolicies:\n");
            for &index in &self.managed {
                let _ = writeln!(text, "    - {}", managed(index));
            }
            for policy in &self.policies {
                let _ = writeln!(text, "    - '${{IamPolicy.p{policy}.arn}}'");
            }
        }
        if !self.tags.is_empty() {
            text.push_str("  tags:\n");
            for (key, value) in &self.tags {
                let _ = writeln!(text, "    {key}: v{value}");
            }
        }
        text
    }
}

impl Expect {
    /// What is not so in the account.
    pub fn wrong(&self, world: &World) -> Option<String> {
        let text = |key: &str, field: &str| -> String {
            let found = world.get(key).and_then(|json| json.get(field));
            found
                .map(|json| json.as_str().map_or_else(|| json.to_string(), str::to_owned))
                .unwrap_or_default()
        };
        match self {
            Self::Role { name, service, attached, tags } => {
                let lower = name.to_lowercase();
                let key = format!("iam/role/{lower}");
                let Some(role) = world.get(&key) else {
                    return Some(format!("the role {name} does not exist"));
                };
                if !text(&key, "AssumeRolePolicyDocument").contains(service.as_str()) {
                    return Some(format!("the role {name} does not trust {service}"));
                }
                let missing = attached
                    .iter()
                    .find(|arn| world.get(&format!("iam/role-attached/{lower}/{arn}")).is_none());
                if let Some(arn) = missing {
                    return Some(format!("the role {name} lacks {arn}"));
                }
                let has = |(key, value): &&(String, String)| {
                    let found = role["Tags"].as_array().into_iter().flatten();
                    let found = found.filter(|tag| tag["Key"] == key.as_str());
                    found.map(|tag| &tag["Value"]).any(|tag| tag == value.as_str())
                };
                let tag = tags.iter().find(|tag| !has(tag));
                tag.map(|(key, value)| format!("the role {name} lacks the tag {key}={value}"))
            }
            Self::Policy { name, says } => {
                let lower = name.to_lowercase();
                let key = format!("iam/policy/account/{lower}");
                let version = text(&key, "DefaultVersionId");
                let Ok(number) = version.trim_start_matches('v').parse::<u64>() else {
                    return Some(format!("the policy {name} does not exist"));
                };
                let document = text(&format!("iam/policy-version/{lower}/{number:09}"), "Document");
                (!document.contains(says.as_str()))
                    .then(|| format!("the policy {name} does not say {says}: {document}"))
            }
            Self::Association { namespace, account, role } => {
                let of = format!("eks/us-east-2/association-of/{CLUSTER}/{namespace}/{account}");
                let id = world.get(&of).and_then(Json::as_str).unwrap_or_default();
                let arn = text(&format!("eks/us-east-2/association/{CLUSTER}/{id}"), "roleArn");
                (!arn.ends_with(&format!("/{role}")))
                    .then(|| format!("{namespace}/{account} acts as `{arn}`, not as {role}"))
            }
            Self::Entry { role } => {
                let key = format!(
                    "eks/us-east-2/access-entry/{CLUSTER}/arn:aws:iam::{ACCOUNT}:role/{role}"
                );
                world.get(&key).is_none().then(|| format!("{role} has no access entry"))
            }
            Self::Tag { key, value } => {
                let with = |prefix: &str| {
                    world
                        .scan(prefix)
                        .filter(|(k, v)| {
                            k.ends_with(&format!("/{key}")) && v.as_str() == Some(value)
                        })
                        .count()
                };
                let count = with("ec2/us-east-2/tag/subnet-");
                (count != 6).then(|| format!("{count} subnets have the tag {key}={value}, not 6"))
            }
            Self::Inside { value } => {
                let of = |kind: &str, name: &str| {
                    world.get(&format!("k8s/object/core/{kind}/sim-space/{name}"))
                };
                let found = of("configmaps", "sim-settings").map(|json| &json["data"]["value"]);
                if found != Some(&Json::from(format!("v{value}"))) {
                    return Some(format!("sim-settings holds {found:?}, not v{value}"));
                }
                let data = of("secrets", "sim-secret").map(|json| &json["data"]);
                let whole = data.is_some_and(|data| {
                    data["token"].as_str().is_some_and(|token| token.len() == 20)
                        && data["given"] == CANARY_ENCODED
                });
                (!whole).then(|| "sim-secret lacks an entry".to_owned())
            }
            Self::Release { namespace, name, replicas } => {
                let prefix = format!("helm/release/{namespace}/{name}/");
                let last = world.scan(&prefix).last().map(|(key, json)| (key.to_owned(), json));
                let Some((_, release)) = last else {
                    return Some(format!("the release {name} does not exist"));
                };
                if release["status"] != "deployed" {
                    return Some(format!("the release {name} is {}", release["status"]));
                }
                let key = format!("k8s/object/apps/deployments/{namespace}/{name}");
                let ready = world
                    .get(&key)
                    .and_then(|d| d.pointer("/status/readyReplicas")?.as_u64())
                    .unwrap_or(0);
                (ready < *replicas)
                    .then(|| format!("{ready} of {replicas} pods of {name} are ready"))
            }
        }
    }
}
