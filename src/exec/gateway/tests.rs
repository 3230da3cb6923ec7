//! The gateway in front of an executor that answers from a script.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::sleep;

use crate::command::{Password, RegistryLogin};
use crate::exec::{PrivateFile, Running, Storing};

use super::*;

/// What the fake executor saw and will say.
#[derive(Default)]
struct Script {
    /// Answers by the beginning of the command; the last one stays.
    answers: Mutex<Vec<(String, VecDeque<Outcome>)>>,
    inputs: Mutex<Vec<(String, Option<Vec<u8>>)>>,
    stored: Mutex<Vec<(PrivateFile, String)>>,
    running: AtomicUsize,
    most: AtomicUsize,
    simulated: bool,
}

struct Fake(Arc<Script>);

impl Exec for Fake {
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
        Box::pin(async move {
            let now = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most.fetch_max(now, Ordering::SeqCst);
            let text = command.to_string();
            lock(&self.0.inputs).push((text.clone(), crate::exec::input(command)?));
            let long = text.starts_with("helm upgrade");
            sleep(Duration::from_millis(if long { 5_000 } else { 50 })).await;
            self.0.running.fetch_sub(1, Ordering::SeqCst);
            let mut answers = lock(&self.0.answers);
            let found = answers.iter_mut().find(|(start, _)| text.starts_with(start.as_str()));
            let Some((_, queue)) = found else { return Ok(Answer::default()) };
            let last = queue.len() == 1;
            if last { queue[0].clone() } else { queue.pop_front().unwrap() }
        })
    }

    fn store<'a>(&'a self, file: PrivateFile, text: &'a str) -> Storing<'a> {
        lock(&self.0.stored).push((file, text.to_owned()));
        Box::pin(async { Ok(()) })
    }

    fn needs_access(&self) -> bool {
        !self.0.simulated
    }
}

struct World {
    gateway: Gateway,
    script: Arc<Script>,
    notices: Arc<Mutex<Vec<String>>>,
}

fn world(answers: Vec<(&str, Vec<Outcome>)>) -> World {
    world_of(Script::default(), answers, &Surroundings::default())
}

fn world_of(
    mut script: Script,
    answers: Vec<(&str, Vec<Outcome>)>,
    surroundings: &Surroundings,
) -> World {
    script.answers = Mutex::new(
        answers.into_iter().map(|(start, queue)| (start.to_owned(), queue.into())).collect(),
    );
    let script = Arc::new(script);
    let notices: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&notices);
    let gateway = Gateway::new(
        Box::new(Fake(Arc::clone(&script))),
        surroundings,
        3,
        Arc::new(move |notice| lock(&told).push(notice.to_owned())),
    );
    World { gateway, script, notices }
}

impl World {
    fn commands(&self) -> Vec<String> {
        self.gateway.trace().into_iter().map(|started| started.command).collect()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a script holds outcomes")]
fn ok(stdout: &str) -> Outcome {
    Ok(Answer { stdout: stdout.into(), ..Answer::default() })
}

#[expect(clippy::unnecessary_wraps, reason = "a script holds outcomes")]
fn fails(stderr: &str) -> Outcome {
    Ok(Answer { code: 254, stdout: String::new(), stderr: stderr.into() })
}

fn service_error(code: &str) -> Outcome {
    fails(&format!("\nAn error occurred ({code}) when calling the X operation: because\n"))
}

fn get_role(name: &str) -> Command {
    Command::read(Tool::Aws, &["iam", "get-role"]).flag("--role-name", name)
}

fn access() -> ClusterAccess {
    ClusterAccess {
        name: "lake".into(),
        endpoint: "https://example.com".into(),
        certificate_authority: "Q0E=".into(),
    }
}

fn token(text: &str, seconds: i64) -> Outcome {
    let end = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap();
    ok(&serde_json::json!({"status": {"token": text, "expirationTimestamp": end}}).to_string())
}

#[tokio::test(start_paused = true)]
async fn a_read_is_remembered_until_told_to_forget() {
    let world = world(vec![("aws iam get-role", vec![ok("1"), ok("2"), ok("3")])]);
    let read = |world: &World| world.gateway.trace().len();
    assert_eq!(world.gateway.read(&get_role("x")).await.unwrap().stdout, "1");
    assert_eq!(world.gateway.read(&get_role("x")).await.unwrap().stdout, "1");
    assert_eq!(read(&world), 1);
    assert_eq!(world.gateway.read_fresh(&get_role("x")).await.unwrap().stdout, "2");
    assert_eq!(world.gateway.read(&get_role("x")).await.unwrap().stdout, "1");
    world.gateway.forget();
    assert_eq!(world.gateway.read(&get_role("x")).await.unwrap().stdout, "3");
    assert_eq!((world.gateway.started(Tool::Aws), world.gateway.started(Tool::Helm)), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn an_asker_that_goes_away_leaves_the_read_to_the_others() {
    let world = Arc::new(world(vec![("aws iam get-role", vec![ok("1")])]));
    let (first, second) = (Arc::clone(&world), Arc::clone(&world));
    let first = tokio::spawn(async move { first.gateway.read(&get_role("x")).await });
    let second = tokio::spawn(async move { second.gateway.read(&get_role("x")).await });
    sleep(Duration::from_millis(10)).await;
    first.abort();
    assert_eq!(second.await.unwrap().unwrap().stdout, "1");
}

#[tokio::test(start_paused = true)]
async fn many_askers_of_one_read_share_one_run() {
    let world = Arc::new(world(vec![("aws iam get-role", vec![ok("1")])]));
    let askers: Vec<_> = (0..40)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.gateway.read(&get_role("x")).await })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.await.unwrap().unwrap().stdout, "1");
    }
    assert_eq!(world.commands().len(), 1);
    // Different reads run side by side, up to the limit.
    let askers: Vec<_> = (0..10)
        .map(|i| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.gateway.read(&get_role(&format!("r{i}"))).await })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap().unwrap();
    }
    assert_eq!(world.script.most.load(Ordering::SeqCst), 3);
}

fn role_of(name: &str) -> Command {
    Command::read(Tool::Aws, &["iam", "list-roles"]).picking("Roles", &[("RoleName", name)])
}

#[tokio::test(start_paused = true)]
async fn a_list_runs_once_and_each_gets_its_part() {
    let roles = serde_json::json!({"Roles": [{"RoleName": "a"}, {"RoleName": "b"}], "Marker": "x"});
    let world = world(vec![("aws iam list-roles", vec![ok(&roles.to_string())])]);
    for (name, members) in [("a", 1), ("b", 1), ("c", 0), ("a", 1)] {
        let part = world.gateway.read(&role_of(name)).await.unwrap().json().unwrap();
        let listed = part["Roles"].as_array().unwrap();
        assert_eq!(listed.len(), members, "{name}");
        assert!(listed.iter().all(|role| role["RoleName"] == name));
        assert_eq!(part["Marker"], "x");
    }
    assert_eq!(world.gateway.started(Tool::Aws), 1);
    assert!(lock(&world.notices).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_alone_is_to_blame_is_no_failure_and_told_once() {
    for (outcome, says) in [
        (service_error("AccessDenied"), Some("lkh reads each alone")),
        (Err(ExecError::TimedOut { after: Duration::from_secs(180) }), Some("180 s")),
        (Err(ExecError::TooMuchOutput { limit: 64 }), Some("64 bytes")),
        // The read of one ends in the same way, and tells it better.
        (service_error("ExpiredToken"), None),
        (service_error("ResourceNotFoundException"), None),
    ] {
        let world = world(vec![("aws iam list-roles", vec![outcome])]);
        for name in ["a", "b"] {
            assert!(!world.gateway.read(&role_of(name)).await.unwrap().succeeded());
        }
        let told = lock(&world.notices).clone();
        assert_eq!(told.len(), usize::from(says.is_some()), "{told:?}");
        assert!(told.iter().all(|told| told.contains(says.unwrap_or_default())), "{told:?}");
    }
    let missing = ExecError::ToolMissing { tool: Tool::Aws };
    let world = world(vec![("aws iam list-roles", vec![Err(missing.clone())])]);
    assert_eq!(world.gateway.read(&role_of("a")).await, Err(missing));
    assert!(lock(&world.notices).is_empty());
}

#[tokio::test]
async fn a_read_that_could_write_is_refused() {
    let world = world(vec![]);
    let mut liar = Command::write(Tool::Aws, &["iam", "delete-role"]);
    assert_eq!(world.gateway.read(&liar).await, Err(ExecError::NotARead));
    liar.effect = Effect::Read;
    assert_eq!(world.gateway.read(&liar).await, Err(ExecError::NotARead));
    assert_eq!(world.gateway.read_fresh(&liar).await, Err(ExecError::NotARead));
    assert!(world.gateway.trace().is_empty());
}

#[tokio::test(start_paused = true)]
async fn throttling_is_waited_out_and_told_once() {
    let queue = vec![service_error("Throttling"), service_error("Throttling"), ok("1")];
    let world = world(vec![("aws", queue)]);
    assert_eq!(world.gateway.read(&get_role("x")).await.unwrap().stdout, "1");
    assert_eq!(world.commands().len(), 3);
    assert_eq!(lock(&world.notices).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_outcome_is_unknown_runs_once() {
    for answer in [
        service_error("ServiceUnavailableException"),
        fails("Could not connect to the endpoint URL: \"https://x\""),
        Err(ExecError::TimedOut { after: Duration::from_secs(1) }),
    ] {
        let world = world(vec![("aws", vec![answer.clone()])]);
        let command = Command::write(Tool::Aws, &["iam", "create-role"]);
        assert_eq!(world.gateway.write(&command).await, answer);
        assert_eq!(world.commands().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_role_is_waited_for_two_minutes() {
    let stubborn = fails(
        "An error occurred (MalformedPolicyDocument) when calling the CreateRole operation: \
         Invalid principal in policy: \"AWS\"",
    );
    let world = world(vec![("aws", vec![stubborn.clone()])]);
    let began = Instant::now();
    let command = Command::write(Tool::Aws, &["iam", "create-role"]);
    assert_eq!(world.gateway.write(&command).await, stubborn);
    let took = began.elapsed().as_secs();
    assert!((100..=121).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_waited_for_only_after_a_create() {
    let missing = service_error("NoSuchEntity");
    let world = world(vec![
        ("aws iam attach-role-policy", vec![missing.clone(), missing.clone(), ok("")]),
        ("aws iam create-role", vec![ok("{}")]),
    ]);
    let attach = Command::write(Tool::Aws, &["iam", "attach-role-policy"]);
    assert_eq!(world.gateway.write(&attach).await, missing);
    world.gateway.write(&Command::write(Tool::Aws, &["iam", "create-role"])).await.unwrap();
    assert!(world.gateway.write(&attach).await.unwrap().succeeded());
    sleep(Duration::from_secs(120)).await;
}

#[tokio::test(start_paused = true)]
async fn helm_and_kubectl_get_a_private_token() {
    let world = world(vec![("aws eks get-token", vec![token("tok-canary", 840)])]);
    let get = Command::read(Tool::Kubectl, &["get", "ns"]);
    let error = world.gateway.read(&get).await.unwrap_err();
    assert!(error.to_string().contains("spec.kubernetes.cluster"), "{error}");
    // Templates need no cluster.
    world.gateway.read(&Command::read(Tool::Helm, &["template", "x"])).await.unwrap();

    world.gateway.set_cluster(access());
    world.gateway.forget();
    world.gateway.read(&get).await.unwrap();
    world.gateway.read(&Command::read(Tool::Helm, &["status", "x"])).await.unwrap();
    assert_eq!(
        world.commands(),
        [
            "helm template x",
            "aws eks get-token --output json --cluster-name lake",
            "kubectl get ns",
            "helm status x",
        ]
    );
    let stored = lock(&world.script.stored).clone();
    assert_eq!(stored[0], (PrivateFile::Token, "tok-canary".into()));
    assert_eq!(stored[1].0, PrivateFile::Kubeconfig);
    assert!(!stored[1].1.contains("canary"));
    assert_eq!(world.gateway.show("tok-canary"), crate::value::SENSITIVE);
}

#[tokio::test(start_paused = true)]
async fn a_token_near_its_end_or_refused_is_renewed() {
    let world = world(vec![
        ("aws eks get-token", vec![token("one-token", 60), token("two-token", 840)]),
        (
            "kubectl get pods",
            vec![fails("error: You must be logged in to the server (Unauthorized)"), ok("")],
        ),
    ]);
    world.gateway.set_cluster(access());
    world.gateway.read(&Command::read(Tool::Kubectl, &["get", "ns"])).await.unwrap();
    world.gateway.read(&Command::read(Tool::Kubectl, &["get", "sa"])).await.unwrap();
    world.gateway.read(&Command::read(Tool::Kubectl, &["get", "crd"])).await.unwrap();
    let tokens = |world: &World| {
        lock(&world.script.stored).iter().filter(|(file, _)| *file == PrivateFile::Token).count()
    };
    assert_eq!(tokens(&world), 2);
    let pods = Command::read(Tool::Kubectl, &["get", "pods"]);
    assert!(world.gateway.read(&pods).await.unwrap().succeeded());
    assert_eq!(tokens(&world), 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_command_outlives_its_token() {
    let world =
        world(vec![("aws eks get-token", vec![token("one-token", 60), token("two-token", 840)])]);
    world.gateway.set_cluster(access());
    world.gateway.write(&Command::write(Tool::Helm, &["upgrade", "x"])).await.unwrap();
    let tools: Vec<_> = world.gateway.trace().iter().map(|started| started.tool).collect();
    assert_eq!(tools, [Tool::Aws, Tool::Helm, Tool::Aws]);
    assert_eq!(lock(&world.script.stored).last().unwrap().1, "two-token");
}

#[tokio::test]
async fn a_kubeconfig_of_the_users_is_left_to_the_user() {
    let surroundings = Surroundings { kubeconfig: Some("/k".into()), ..Surroundings::default() };
    let world = world_of(Script::default(), vec![], &surroundings);
    world.gateway.read(&Command::read(Tool::Kubectl, &["get", "ns"])).await.unwrap();
    assert_eq!(world.commands(), ["kubectl get ns"]);
}

#[tokio::test]
async fn a_simulated_account_needs_no_access() {
    let script = Script { simulated: true, ..Script::default() };
    let world = world_of(script, vec![], &Surroundings::default());
    let command = Command::read(Tool::Helm, &["show", "chart", "oci://public.ecr.aws/x"])
        .with_login(Some(login(Password::EcrPublic)));
    world.gateway.read(&command).await.unwrap();
    world.gateway.read(&Command::read(Tool::Kubectl, &["get", "ns"])).await.unwrap();
    assert_eq!(world.gateway.started(Tool::Aws), 0);
}

fn login(password: Password) -> RegistryLogin {
    RegistryLogin {
        host: "public.ecr.aws".into(),
        username: "AWS".into(),
        password,
        plain_http: false,
    }
}

#[tokio::test]
async fn helm_is_logged_in_once_with_the_password_on_standard_input() {
    let world = world(vec![("aws ecr-public", vec![ok("canary-password\n")])]);
    for name in ["a", "b"] {
        let command = Command::read(Tool::Helm, &["show", "chart", name])
            .with_login(Some(login(Password::EcrPublic)));
        world.gateway.read(&command).await.unwrap();
    }
    assert_eq!(
        world.commands(),
        [
            "aws ecr-public get-login-password --region us-east-1",
            "helm registry login public.ecr.aws --username AWS --password-stdin",
            "helm show chart a",
            "helm show chart b",
        ]
    );
    assert_eq!(lock(&world.script.inputs)[1].1.as_deref(), Some(&b"canary-password"[..]));
    let session: Vec<_> = world.gateway.trace().iter().map(|started| started.session).collect();
    assert_eq!(session, [true, true, false, false]);
    assert!(world.gateway.trace().iter().all(|started| started.effect == Effect::Read));
    assert!(!world.gateway.show("no canary-password").contains("canary"));
}

#[tokio::test]
async fn a_public_registry_is_used_without_a_login_where_there_is_none() {
    let denied = fails("\nUnable to locate credentials. You can configure credentials.");
    let world = world(vec![("aws ecr", vec![denied])]);
    let show = |password| {
        Command::read(Tool::Helm, &["show", "chart", "x"]).with_login(Some(login(password)))
    };
    world.gateway.read_fresh(&show(Password::EcrPublic)).await.unwrap();
    assert_eq!(lock(&world.notices).len(), 1);
    assert!(lock(&world.notices)[0].contains("without a login"));

    let mut private = show(Password::Ecr);
    private.login.as_mut().unwrap().host = "1.dkr.ecr.eu-west-1.amazonaws.com".into();
    let error = world.gateway.read_fresh(&private).await.unwrap_err();
    assert!(error.to_string().contains("no AWS credentials"), "{error}");
}

#[tokio::test]
async fn inputs_and_secret_variables_do_not_show() {
    let surroundings = Surroundings {
        environment: vec![
            ("AWS_SECRET_ACCESS_KEY".into(), "canary-one".into()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE".into(), "/token/file".into()),
        ],
        ..Surroundings::default()
    };
    let world = world_of(Script::default(), vec![], &surroundings);
    let secret = Value::Sensitive(Box::new(Value::from("canary-two")));
    let command = Command::write(Tool::Kubectl, &["create", "-f", "-"])
        .with_stdin(Value::List(vec![secret, Value::from("plain")]));
    world.gateway.set_cluster(access());
    let _ = world.gateway.write(&command).await;
    let command = Command::write(Tool::Aws, &["x", "y"]).with_stdin(command.stdin.unwrap());
    world.gateway.write(&command).await.unwrap();
    assert_eq!(
        world.gateway.show("canary-one canary-two plain /token/file"),
        "(sensitive value) (sensitive value) plain /token/file"
    );
}

#[tokio::test(start_paused = true)]
async fn gateways_that_share_a_snapshot_ask_once_together() {
    let [snapshot, other] = [Snapshot::default(), Snapshot::default()];
    let surroundings = Surroundings { manifests: "/base".into(), ..Surroundings::default() };
    let elsewhere = Surroundings { manifests: "/head".into(), ..Surroundings::default() };
    let make = |snapshot: &Snapshot, surroundings: &Surroundings, role: &str| {
        let roles = vec![ok(role)];
        let World { gateway, .. } =
            world_of(Script::default(), vec![("aws iam get-role", roles)], surroundings);
        gateway.sharing(snapshot, surroundings)
    };
    let (one, two) = (make(&snapshot, &surroundings, "one"), make(&snapshot, &elsewhere, "two"));
    let alone = make(&other, &surroundings, "alone");
    let role = get_role("x");
    for gateway in [&one, &two] {
        assert_eq!(gateway.read(&role).await.unwrap().stdout, "one");
    }
    assert_eq!(alone.read(&role).await.unwrap().stdout, "alone");
    assert_eq!((one.trace().len(), two.trace().len(), alone.trace().len()), (1, 0, 1));
    // What may look at files is asked from both folders.
    let chart = Command::read(Tool::Helm, &["template", "x", "charts/x"]);
    for gateway in [&one, &two, &one, &two] {
        gateway.read(&chart).await.unwrap();
    }
    assert_eq!((one.trace().len(), two.trace().len()), (2, 1));
    // What is asked anew is not what others remember.
    assert_eq!(two.read_fresh(&role).await.unwrap().stdout, "two");
    assert_eq!(one.read(&role).await.unwrap().stdout, "one");
}
