//! Absence right after a change is not absence: reads that are behind are
//! repeated until they show what was done, or a minute is over. Time is
//! virtual.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

#[path = "support/account.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod account;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use account::Account;
use lkh::command::{Answer, Command, Effect};
use lkh::engine::clock::Clock;
use lkh::engine::{Engine, Report, Targets};
use lkh::exec::gateway::Gateway;
use lkh::exec::sandbox::SandboxExec;
use lkh::exec::{Exec, PrivateFile, Running, Storing, Surroundings};
use lkh::plan::{Action, Mode, Plan, Reason};
use lkh::store::LockInfo;
use tokio::sync::watch;
use tokio::time::Instant;

const STACK: &str = r#"
apiVersion: lkh/v1
kind: Stack
metadata: {name: test}
spec: {}
---
apiVersion: lkh/v1
kind: IamRole
metadata: {name: node}
spec:
  roleName: Node
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Principal: {Service: ec2.amazonaws.com}
        Action: sts:AssumeRole
  managedPolicies: [arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy]
  tags: {team: data}
"#;

/// Reads that tell of the time before: the beginning of their argv, how often,
/// and what they answer.
type Behind = Arc<Mutex<BTreeMap<&'static str, (usize, Answer)>>>;

/// The sandbox, with reads that are behind.
struct Stale {
    sandbox: SandboxExec,
    behind: Behind,
}

impl Exec for Stale {
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
        let argv = command.to_string();
        let mut behind = self.behind.lock().unwrap();
        let old = behind.iter_mut().find(|(start, _)| argv.starts_with(**start));
        if let Some((_, (times, answer))) = old
            && *times > 0
        {
            *times -= 1;
            let answer = answer.clone();
            return Box::pin(async move { Ok(answer) });
        }
        drop(behind);
        self.sandbox.run(command)
    }

    fn store<'a>(&'a self, file: PrivateFile, text: &'a str) -> Storing<'a> {
        self.sandbox.store(file, text)
    }

    fn needs_access(&self) -> bool {
        false
    }
}

struct Case {
    account: Account,
    behind: Behind,
    clock: Clock,
}

impl Case {
    /// A role that was applied just now.
    async fn applied() -> Self {
        let start = Instant::now();
        let began = jiff::Timestamp::from_second(1_900_000_000).unwrap();
        let case = Self {
            account: Account::new(&[("all.yaml", STACK)]),
            behind: Behind::default(),
            clock: Clock::new(move || began + start.elapsed()),
        };
        assert!(case.apply(Mode::Apply).await.is_good());
        case
    }

    fn engine(&self) -> Engine {
        let surroundings = Surroundings {
            region: lkh::sandbox::REGION.to_owned(),
            manifests: self.account.manifests(),
            run: "test".to_owned(),
            ..Surroundings::default()
        };
        let sandbox = SandboxExec::new(self.account.sandbox(), &surroundings);
        let stale = Stale { sandbox, behind: Arc::clone(&self.behind) };
        let gateway = Gateway::new(Box::new(stale), &surroundings, 4, Arc::new(|_: &str| {}));
        let clock = self.clock.clone();
        Engine { gateway: Arc::new(gateway), clock, ..self.account.engine() }
    }

    async fn apply(&self, mode: Mode) -> Report {
        let engine = self.engine();
        let info = LockInfo {
            id: "test".into(),
            operation: "apply".into(),
            who: "test".into(),
            pid: 1,
            since: jiff::Timestamp::UNIX_EPOCH,
        };
        let lock = Arc::new(engine.store.lock(&info).await.unwrap());
        let planned = engine.plan(mode, &Targets::default()).await.unwrap();
        let (_sender, stop) = watch::channel(false);
        let report = engine.apply(planned, &info.id, &lock, stop).await.unwrap();
        assert!(
            mode == Mode::Destroy
                || engine.gateway.trace().iter().any(|one| one.effect == Effect::Read)
        );
        report
    }

    /// What is planned, and how many seconds that took.
    async fn plan(&self, mode: Mode) -> (Plan, u64) {
        let start = Instant::now();
        let planned = self.engine().plan(mode, &Targets::default()).await.unwrap();
        (planned.plan, start.elapsed().as_secs())
    }

    fn let_be_behind(&self, start: &'static str, times: usize, answer: Answer) {
        self.behind.lock().unwrap().insert(start, (times, answer));
    }

    fn hide_the_role(&self, times: usize) {
        self.let_be_behind("aws iam get-role --role-name Node", times, no_such_entity());
    }

    fn delete_the_role(&self) {
        let policy = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy";
        self.account
            .behind(&format!("aws iam detach-role-policy --role-name Node --policy-arn {policy}"));
        self.account.behind("aws iam delete-role --role-name Node");
    }
}

fn no_such_entity() -> Answer {
    Answer {
        code: 254,
        stdout: String::new(),
        stderr: "An error occurred (NoSuchEntity) when calling the GetRole operation: The role \
                 with name Node cannot be found."
            .into(),
    }
}

fn only(plan: &Plan) -> (Action, &Reason) {
    let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
    (change.action, &change.reason)
}

#[tokio::test(start_paused = true)]
async fn a_role_that_does_not_show_yet_is_not_created_again() {
    let case = Case::applied().await;
    case.hide_the_role(4);
    let (plan, took) = case.plan(Mode::Apply).await;
    assert_eq!(only(&plan).0, Action::NoOp);
    assert!((1..60).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_believed_when_the_minute_is_over() {
    let case = Case::applied().await;
    case.delete_the_role();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (plan, took) = case.plan(Mode::Apply).await;
    assert_eq!(only(&plan), (Action::Create, &Reason::RemovedOutside));
    assert!((30..=40).contains(&took), "{took} s");
    // From then on at once.
    let (plan, took) = case.plan(Mode::Apply).await;
    assert_eq!(only(&plan).0, Action::Create);
    assert_eq!(took, 0);
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_plan_waits_for_nothing() {
    let case = Case::applied().await;
    let (plan, took) = case.plan(Mode::Apply).await;
    assert_eq!((only(&plan).0, took), (Action::NoOp, 0));
    tokio::time::sleep(Duration::from_secs(61)).await;
    case.hide_the_role(1);
    let (plan, took) = case.plan(Mode::Apply).await;
    assert_eq!((only(&plan).0, took), (Action::Create, 0));
}

#[tokio::test(start_paused = true)]
async fn a_destroy_right_after_leaves_nothing_behind() {
    let case = Case::applied().await;
    case.hide_the_role(3);
    assert_eq!(only(&case.plan(Mode::Destroy).await.0).0, Action::Delete);
    case.hide_the_role(3);
    let report = case.apply(Mode::Destroy).await;
    assert!(report.is_good());
    assert_eq!(report.resources[0].1, Action::Delete);
    assert!(case.engine().store.load().await.unwrap().unwrap().resources.is_empty());
    // What lkh deleted itself is not waited for.
    let (plan, took) = case.plan(Mode::Apply).await;
    assert_eq!((only(&plan).0, took), (Action::Create, 0));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_misses_a_member_is_read_again() {
    let case = Case::applied().await;
    let empty = |stdout: &str| Answer { stdout: stdout.into(), ..Answer::default() };
    case.let_be_behind(
        "aws iam list-attached-role-policies",
        3,
        empty(r#"{"AttachedPolicies": []}"#),
    );
    let (plan, took) = case.plan(Mode::Apply).await;
    assert_eq!(only(&plan).0, Action::NoOp, "{:?}", plan.changes);
    assert!((1..60).contains(&took), "{took} s");
    // A policy that someone detached is attached again, a minute later.
    let policy = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy";
    case.account
        .behind(&format!("aws iam detach-role-policy --role-name Node --policy-arn {policy}"));
    let (plan, took) = case.plan(Mode::Apply).await;
    assert_eq!(only(&plan).0, Action::Update);
    assert!((30..60).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn the_apply_log_remembers_where_the_state_is_lost() {
    let case = Case::applied().await;
    let state = case.account.files().into_keys().find(|path| path.ends_with("test.json"));
    std::fs::remove_file(state.unwrap()).unwrap();
    case.hide_the_role(3);
    let (plan, took) = case.plan(Mode::Apply).await;
    assert_eq!(only(&plan).0, Action::Adopt);
    assert!((1..60).contains(&took), "{took} s");
    // A list that misses what was just attached, too.
    case.let_be_behind(
        "aws iam list-attached-role-policies",
        3,
        Answer { stdout: r#"{"AttachedPolicies": []}"#.into(), ..Answer::default() },
    );
    let (plan, took) = case.plan(Mode::Apply).await;
    assert!(plan.changes[0].commands.is_empty(), "{:?}", plan.changes[0].commands);
    assert!((1..60).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn the_look_before_a_change_is_as_patient() {
    let case = Case::applied().await;
    case.account.write("all.yaml", &STACK.replace("team: data", "team: lake"));
    // The plan sees the role; the look right before the change does not.
    let engine = case.engine();
    let info = LockInfo {
        id: "second".into(),
        operation: "apply".into(),
        who: "test".into(),
        pid: 1,
        since: jiff::Timestamp::UNIX_EPOCH,
    };
    let lock = Arc::new(engine.store.lock(&info).await.unwrap());
    let planned = engine.plan(Mode::Apply, &Targets::default()).await.unwrap();
    assert_eq!(only(&planned.plan).0, Action::Update);
    case.hide_the_role(3);
    let (_sender, stop) = watch::channel(false);
    let report = engine.apply(planned, &info.id, &lock, stop).await.unwrap();
    assert!(report.is_good(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_ours_even_if_no_read_ever_showed_it() {
    let case = Case::applied().await;
    let cni = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy";
    let more = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    case.account.write("all.yaml", &STACK.replace(cni, &format!("{cni}, {more}")));
    let shown = format!(r#"{{"AttachedPolicies": [{{"PolicyName": "x", "PolicyArn": "{cni}"}}]}}"#);
    let old = Answer { stdout: shown, ..Answer::default() };
    case.let_be_behind("aws iam list-attached-role-policies", 1000, old);
    assert!(!case.apply(Mode::Apply).await.is_good());
    case.behind.lock().unwrap().clear();
    // Nobody declares it any more: it goes, it is not taken for someone else's.
    case.account.write("all.yaml", STACK);
    tokio::time::advance(Duration::from_secs(61)).await;
    let (plan, _) = case.plan(Mode::Apply).await;
    let [command] = plan.changes[0].commands.as_slice() else { panic!("{:?}", plan.changes) };
    assert!(command.argv.contains(&"detach-role-policy".to_owned()), "{command:?}");
    assert!(command.input.as_ref().unwrap().redacted_json().to_string().contains(more));
}
