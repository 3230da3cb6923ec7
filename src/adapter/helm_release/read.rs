//! Reading a release: which questions, and what their answers mean.

use serde_json::Value as Json;

use super::HelmRelease;
use super::commands::{Release, get_objects, get_pods, show_chart};
use super::manifest;
use super::objects::Objects;
use super::settings::Settings;
use super::spec::{is_dns_label, is_release_name};
use super::teardown::{self, POOLS};
use super::values::{
    canonical, canonical_version, hide, hide_texts, same_version, sensitive_texts,
};
use crate::adapter::workload::Obstacle;
use crate::adapter::{
    Adapter, Answers, Blocker, CLUSTER_NAME, Desired, Health, Live, Object, Questions, ReadError,
    Reading, Subject, is_cut_off,
};
use crate::command::{Answer, Command, Tool};
use crate::diff::keep_ignored;
use crate::diff::kubernetes::project_tree;
use crate::value::{Map, Path, Value};

/// A fact of an object.
pub fn fact<'o>(object: Option<&'o Object>, name: &str) -> Option<&'o Value> {
    object?.facts.get(name)
}

/// Asks for the answers that are still missing, or says what the release is.
///
/// # Errors
/// What could not be read.
pub fn read(subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
    let release = Release::of(subject.identity);
    if !is_release_name(release.name) || !is_dns_label(release.namespace) {
        // A state that someone edited: Helm would take some names for flags.
        let why = "the state's name for the release can't be one";
        let never_run = Command::read(Tool::Helm, &["status"]);
        return Err(ReadError::new(never_run, &Answer::default(), why));
    }
    let mut questions = Questions::new(answers);
    let status = questions.ask(release.status());
    let metadata = questions.ask(release.metadata());
    let (Some(status), Some(metadata)) = (status, metadata) else {
        return Ok(questions.asking());
    };
    if is_not_found(status) {
        return teardown::gone(subject, questions);
    }
    let found = Found {
        status: document(&release.status(), status)?,
        metadata: document(&release.metadata(), metadata)?,
    };
    if found.word() == "uninstalled" {
        // Only its history was kept, and an install may follow it.
        return teardown::gone(subject, questions);
    }
    if found.status["version"].as_u64() != found.metadata["revision"].as_u64() {
        let why = "the release changed while it was read";
        return Err(ReadError::new(release.metadata(), metadata, why));
    }
    let mut objects = Objects::of_status(&found.status, release.namespace)
        .map_err(|why| ReadError::new(release.status(), status, why))?;

    // All that is still to be asked does not depend on one another, except for
    // the pods, and for the second try at rendering.
    let mut waiting = false;
    let mut ask = |command: Command| {
        let answer = questions.ask(command.clone());
        waiting |= answer.is_none();
        answer.map(|answer| (command, answer))
    };
    let wanted_values = wanted_values(subject, &found);
    let rendering = Rendering::of(subject.desired, wanted_values.as_ref(), &found);
    let history = found.is_pending().then(|| ask(release.history())).flatten();
    let missing = objects.missing();
    let missing =
        (!missing.is_empty()).then(|| ask(get_objects(missing, release.namespace))).flatten();
    let shown = rendering.local.and_then(|chart| ask(show_chart(chart)));
    let mut rendered = None;
    let mut without_cluster = None;
    if let Some((settings, values)) = rendering.needed {
        rendered = ask(release.template(settings, values, true));
        if let Some((_, first)) = rendered.as_ref().filter(|(_, answer)| !answer.succeeded()) {
            // Kinds that the cluster does not know yet are the usual cause:
            // another resource of the same plan may bring them.
            without_cluster = Some(failure(first));
            rendered = ask(release.template(settings, values, false));
        }
    }
    if waiting {
        return Ok(questions.asking());
    }
    if let Some((command, answer)) = missing {
        objects.add_live(&existing(&command, answer)?);
    }
    let mut waiting = false;
    for (namespace, selector) in objects.wanted_pods() {
        let command = get_pods(&namespace, &selector);
        match questions.ask(command.clone()) {
            Some(answer) => objects.add_pods(&printed(&command, answer)?),
            None => waiting = true,
        }
    }
    if waiting || !objects.gather(&mut questions, subject.identity.part(CLUSTER_NAME)) {
        return Ok(questions.asking());
    }

    let mut object = found.object(subject, release, &objects);
    if subject.desired.is_none() {
        let chart = found.metadata["chart"].as_str().unwrap_or_default();
        match teardown::of_chart(chart, &objects, &mut questions)? {
            Some(left) => left.into_facts(&mut object.facts),
            None => return Ok(questions.asking()),
        }
    }
    if let Some((command, answer)) = history {
        let revisions = document(&command, answer)?;
        if let Some(revision) = rollback_target(&revisions, found.revision()) {
            object.facts.insert("rollbackTo".into(), Value::from(revision));
        }
    }
    if let Some((command, answer)) = shown {
        let chart = chart_of(&command, answer, subject.desired)?;
        object.desired.extend(chart);
    }
    let declared = objects.declared_tree();
    let wanted = match rendered {
        Some((command, answer)) => {
            if !answer.succeeded() {
                let why = format!("the chart can't be rendered: {}", failure(answer));
                return Err(ReadError::new(command, answer, why));
            }
            if let Some(why) = without_cluster {
                object.notes.push(format!(
                    "the chart was rendered without the cluster, what it looks up there is \
                     missing: {why}"
                ));
            }
            let rendered = manifest::objects(&answer.stdout).map_err(|error| {
                let why = format!("what the chart renders can't be read: {error}");
                ReadError::new(command, answer, why)
            })?;
            objects.tree(&rendered)
        }
        None => declared.clone(),
    };
    if rendering.hindered {
        object.notes.push(
            "the chart was not rendered: its values hold what only the apply brings to light, so \
             changes of its objects are not shown"
                .into(),
        );
    }
    let live = project_tree(&objects.live_tree(), &[&declared, &wanted]);
    let applied = applied_objects(subject, &object, &declared, &wanted);
    let mut secrets = Vec::new();
    let declared = subject.desired.and_then(|desired| desired.attributes.get("values"));
    for values in declared.into_iter().chain(&wanted_values).chain(object.attributes.get("values"))
    {
        sensitive_texts(values, &mut secrets);
    }
    let tree = |tree: Map| hide_texts(Value::Map(tree), &secrets);
    object.desired.insert("objects".into(), tree(wanted));
    object.prior.extend(applied.map(|applied| ("objects".into(), tree(applied))));
    object.attributes.insert("objects".into(), tree(live));
    Ok(Reading::Live(Live::Present(Box::new(object))))
}

/// The values that an upgrade would give: as declared, and as they are where
/// that is ignored.
fn wanted_values(subject: &Subject<'_>, found: &Found) -> Option<Value> {
    let declared = subject.desired?.attributes.get("values")?;
    let values = Path::new("values");
    let ignore: Vec<Path> =
        subject.ignore.iter().filter(|path| path.starts_with(&values)).cloned().collect();
    if ignore.is_empty() {
        return Some(declared.clone());
    }
    let map = |value: Value| Map::from([("values".to_owned(), value)]);
    let live = map(hide(found.values(), &[declared]));
    keep_ignored(HelmRelease.attributes(), &map(declared.clone()), &live, &ignore).remove("values")
}

/// The objects as they were applied last. A release keeps them itself, unless
/// someone else has upgraded it since: then they are what would be applied now,
/// if the manifest is the same as then, and nobody knows them otherwise.
fn applied_objects(
    subject: &Subject<'_>,
    object: &Object,
    declared: &Map,
    wanted: &Map,
) -> Option<Map> {
    // Without what is sensitive: the state does not remember that. Nor does it
    // know the name of a chart at a path, which only the chart tells.
    let same = |prior: &Map, other: &Map| {
        ["chart", "version", "values"].iter().all(|&name| {
            let remembered = prior.get(name).map(Value::redacted_json);
            remembered.is_none() || remembered == other.get(name).map(Value::redacted_json)
        })
    };
    match (subject.prior, subject.desired) {
        (Some(prior), _) if same(&prior.attributes, &object.attributes) => Some(declared.clone()),
        (Some(prior), Some(desired)) => {
            same(&prior.attributes, &desired.attributes).then(|| wanted.clone())
        }
        _ => Some(declared.clone()),
    }
}

/// A release that exists.
struct Found {
    status: Json,
    metadata: Json,
}

impl Found {
    /// Helm's word for its state.
    fn word(&self) -> &str {
        self.status["info"]["status"].as_str().unwrap_or("unknown")
    }

    fn is_pending(&self) -> bool {
        self.word().starts_with("pending-")
    }

    fn revision(&self) -> u64 {
        self.status["version"].as_u64().unwrap_or(0)
    }

    /// Helm's word on its last run, in one line; without the name, which is
    /// known.
    fn description(&self) -> String {
        let text = self.status["info"]["description"].as_str().unwrap_or("");
        let mut lines = text.lines().map(str::trim);
        let mut line = lines.next().unwrap_or("").to_owned();
        // An announcement is worth nothing without what follows it.
        while line.ends_with(':') {
            let Some(next) = lines.next() else { break };
            line = format!("{line} {}", next.trim_start_matches("- "));
        }
        match line.split_once("\" failed: ") {
            Some((_, why)) => why.to_owned(),
            None if line.is_empty() => "no reason is given".to_owned(),
            None => line,
        }
    }

    fn version(&self) -> String {
        canonical_version(self.metadata["version"].as_str().unwrap_or(""))
    }

    fn values(&self) -> Value {
        let config = &self.status["config"];
        if config.is_null() { Value::map() } else { canonical(Value::from_json(config)) }
    }

    /// The release without its trees of objects.
    fn object(&self, subject: &Subject<'_>, release: Release<'_>, objects: &Objects) -> Object {
        let wanted = subject.desired.map(|desired| &desired.attributes);
        let remembered = subject.prior.map(|prior| &prior.attributes);
        let guides: Vec<&Value> =
            [wanted, remembered].into_iter().flatten().filter_map(|a| a.get("values")).collect();
        let text = |json: &Json| json.as_str().map_or(Value::Null, Value::from);
        let mut version = self.version();
        if let Some(wanted) = wanted.and_then(|wanted| wanted.get("version")?.as_str())
            && same_version(&version, wanted)
        {
            wanted.clone_into(&mut version);
        }
        let info = &self.status["info"];
        let (workloads, mut obstacles) = objects.assess();
        let health = self.health(release);
        let mut notes = Vec::new();
        if self.is_pending() || self.word() == "uninstalling" {
            let since = info["last_deployed"].as_str().unwrap_or("an unknown time");
            notes.push(format!("release {} is {} since {since}", release.name, self.word()));
        }
        if health != Health::Sound {
            // Helm says that it waited in vain; only the workloads say for what.
            let lasting = obstacles.iter().find(|obstacle| obstacle.lasting);
            notes.extend(lasting.or(obstacles.first()).map(|Obstacle { blocker, .. }| {
                format!("what it runs is not ready: {}\nnext: {}", blocker.message, blocker.next)
            }));
            let message = match self.word() {
                "failed" => format!("revision {}: {}", self.revision(), self.description()),
                _ if self.is_pending() => format!(
                    "revision {}: a helm is at work on it, or was ended in the middle",
                    self.revision()
                ),
                word => format!("revision {} is {word}", self.revision()),
            };
            obstacles.push(Obstacle {
                lasting: !self.is_pending(),
                blocker: Blocker {
                    code: if self.is_pending() { "ReleasePending" } else { "ReleaseFailed" }.into(),
                    message,
                    next: format!("helm history {} -n {}", release.name, release.namespace),
                },
            });
        }
        let method = [&self.status["apply_method"], &self.metadata["applyMethod"]];
        let method = method.into_iter().find(|method| method.is_string());
        let mut object = Object {
            attributes: Map::from([
                ("chart".into(), text(&self.metadata["chart"])),
                ("version".into(), Value::from(version.as_str())),
                ("values".into(), hide(self.values(), &guides)),
            ]),
            outputs: Map::from([
                ("name".into(), Value::from(release.name)),
                ("namespace".into(), Value::from(release.namespace)),
                ("status".into(), Value::from(self.word())),
                ("version".into(), Value::from(version)),
                ("revision".into(), Value::from(self.revision())),
                ("appVersion".into(), text(&self.metadata["appVersion"])),
            ]),
            notes,
            health,
            facts: Map::from([
                ("status".into(), Value::from(self.word())),
                ("revision".into(), Value::from(self.revision())),
                ("lastDeployed".into(), text(&info["last_deployed"])),
                ("description".into(), Value::from(self.description())),
                ("applyMethod".into(), method.map_or(Value::Null, text)),
                ("workloads".into(), Value::Map(workloads)),
                ("volumeClaims".into(), Value::List(objects.volume_claims())),
                ("obstacles".into(), Value::from_spec(&obstacles).unwrap_or_default()),
            ]),
            ..Object::default()
        };
        if let Some(host) = objects.load_balancer() {
            object.outputs.insert("loadBalancer".into(), host.into());
        }
        let pools = objects.node_pools();
        if !pools.is_empty() {
            object.outputs.insert(POOLS.into(), Value::List(pools));
        }
        object
    }

    fn health(&self, release: Release<'_>) -> Health {
        let name = release.name;
        match self.word() {
            "deployed" => Health::Sound,
            "failed" => Health::Broken(format!("release {name} is failed: {}", self.description())),
            "uninstalling" => {
                Health::Broken(format!("an uninstall of release {name} was interrupted"))
            }
            word => Health::Broken(match word.strip_prefix("pending-") {
                Some(run) => format!("a helm {run} of release {name} was interrupted"),
                None => format!("the last revision of release {name} is {word}"),
            }),
        }
    }
}

/// Whether and how the chart is to be rendered.
#[derive(Default)]
struct Rendering<'a> {
    /// With what; `None`: there is nothing to learn, or no way to.
    needed: Option<(Settings<'a>, &'a Value)>,
    /// The path of a chart that only itself tells its name and version.
    local: Option<&'a str>,
    /// Whether it is needed, and impossible before the apply.
    hindered: bool,
}

impl<'a> Rendering<'a> {
    fn of(desired: Option<&'a Desired>, values: Option<&'a Value>, found: &Found) -> Self {
        let Some(desired) = desired else { return Self::default() };
        let settings = Settings(&desired.settings);
        let (Some(chart), Some(values)) = (settings.chart(), values) else {
            return Self::default();
        };
        let local = settings.is_local().then_some(chart);
        let wants = |name: &str| desired.attributes.get(name).and_then(Value::as_str);
        let same = local.is_none()
            && wants("chart") == found.metadata["chart"].as_str()
            && wants("version").is_some_and(|version| same_version(version, &found.version()))
            && values.reveal() == found.values().reveal();
        let hindered = !same && values.has_unknown();
        Self { needed: (!same && !hindered).then_some((settings, values)), local, hindered }
    }
}

/// The revision to go back to when a later one was interrupted: the deployed
/// one, else the last that had succeeded, else the last at all. `None` when
/// there is no earlier one.
fn rollback_target(history: &Json, current: u64) -> Option<u64> {
    let revisions: Vec<(u64, &Json)> = history
        .as_array()?
        .iter()
        .filter_map(|revision| Some((revision["revision"].as_u64()?, revision)))
        .filter(|(number, _)| *number < current)
        .collect();
    let last = |test: &dyn Fn(&Json) -> bool| {
        revisions.iter().filter(|(_, revision)| test(revision)).map(|(number, _)| *number).max()
    };
    last(&|revision| revision["status"] == "deployed")
        .or_else(|| {
            // A failed revision becomes superseded too, once a later one succeeds.
            last(&|revision| {
                let description = revision["description"].as_str().unwrap_or("");
                revision["status"] == "superseded" && !description.contains(" failed: ")
            })
        })
        .or_else(|| last(&|_| true))
}

/// The name and version of a chart at a path.
fn chart_of(
    command: &Command,
    answer: &Answer,
    desired: Option<&Desired>,
) -> Result<Map, ReadError> {
    let error = |why: String| ReadError::new(command.clone(), answer, why);
    if !answer.succeeded() {
        return Err(error(format!("the chart can't be read: {}", failure(answer))));
    }
    let chart: Json = serde_yaml::from_str(&answer.stdout)
        .map_err(|_| error("the chart's description is not YAML".into()))?;
    let (Some(name), Some(version)) = (chart["name"].as_str(), chart["version"].as_str()) else {
        return Err(error("the chart tells neither name nor version".into()));
    };
    let version = canonical_version(version);
    let wanted = desired.and_then(|desired| desired.attributes.get("version")?.as_str());
    if let Some(wanted) = wanted.filter(|wanted| !same_version(wanted, &version)) {
        return Err(error(format!(
            "the manifest asks for version {wanted} of the chart, and the chart is {version}"
        )));
    }
    let version = wanted.map_or(version, str::to_owned);
    Ok(Map::from([("chart".into(), Value::from(name)), ("version".into(), Value::from(version))]))
}

fn is_not_found(answer: &Answer) -> bool {
    !answer.succeeded()
        && answer.stderr.lines().any(|line| line.trim() == "Error: release: not found")
}

/// The JSON document of an answer.
fn document(command: &Command, answer: &Answer) -> Result<Json, ReadError> {
    let error = |why| ReadError::new(command.clone(), answer, why);
    if !answer.succeeded() {
        return Err(error(failure(answer)));
    }
    let json = answer.json().map_err(error)?;
    if is_cut_off(&json) {
        return Err(error("the list is cut off: there is more than was read".into()));
    }
    Ok(json)
}

/// What `kubectl get` printed: nothing, if nothing was found.
fn printed(command: &Command, answer: &Answer) -> Result<Json, ReadError> {
    if answer.succeeded() && answer.stdout.trim().is_empty() {
        return Ok(Json::Null);
    }
    let json = document(command, answer)?;
    let is_list = matches!(json["kind"].as_str(), Some("List" | "PodList"));
    if json["items"].is_array() || (json["kind"].is_string() && !is_list) {
        return Ok(json);
    }
    let why = "the answer is neither an object nor a whole list";
    Err(ReadError::new(command.clone(), answer, why))
}

/// Those of the objects asked for that exist. Objects of kinds that the
/// cluster does not know do not exist; `kubectl` complains of them, and prints
/// the others.
fn existing(command: &Command, answer: &Answer) -> Result<Json, ReadError> {
    let mut complaints = answer.stderr.lines().filter(|line| !line.trim().is_empty()).peekable();
    let harmless =
        complaints.peek().is_some() && complaints.all(|line| line.contains("no matches for kind"));
    if !answer.succeeded() && harmless {
        let answered = Answer { code: 0, ..answer.clone() };
        return printed(command, &answered);
    }
    printed(command, answer)
}

/// Why a command failed, in one line.
fn failure(answer: &Answer) -> String {
    let errors = || answer.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = errors()
        .find_map(|line| line.strip_prefix("Error: "))
        .or_else(|| errors().next_back())
        .unwrap_or("it says nothing");
    let unreachable = ["cluster unreachable", "connection to the server", "connection refused"];
    if unreachable.iter().any(|text| line.contains(text)) {
        return format!("the Kubernetes API does not answer: {line}");
    }
    line.to_owned()
}
