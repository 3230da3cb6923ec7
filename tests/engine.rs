//! What happens between a plan and the end of its apply: someone changes
//! things meanwhile, or stops the run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

#[path = "support/account.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod account;

use std::path::Path;

use account::Account;
use lkh::address::Address;
use lkh::command::Command;
use lkh::engine::Report;
use lkh::engine::apply::Ending;
use lkh::engine::event::Event;
use lkh::engine::{Engine, Targets};
use lkh::exec::gateway::Gateway;
use lkh::exec::sandbox::SandboxExec;
use lkh::exec::{Exec, PrivateFile, Running, Snapshot, Storing, Surroundings};
use lkh::plan::delta::{Bucket, PlanDelta};
use lkh::plan::{Action, Change, Mode, Reason};
use lkh::report;

const DETACH: &str = "aws iam detach-role-policy --role-name NodeRole \
                      --policy-arn arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy";
const ATTACH_ANOTHER: &str = "aws iam attach-role-policy --role-name NodeRole \
                              --policy-arn arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";

/// The stack of the command line's tests, applied.
fn applied() -> Account {
    let account = fresh();
    assert!(account.apply().is_good());
    account
}

fn fresh() -> Account {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack");
    let account = Account::with(&directory);
    let stack = std::fs::read_to_string(directory.join("stack.yaml")).unwrap();
    account.write("stack.yaml", &stack.replace("name: small", "name: test"));
    account
}

/// Gives the role of the nodes a tag, and the cluster's subnets another one.
fn change_manifests(account: &Account) {
    let edit = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(account.manifests().join(name)).unwrap();
        assert!(text.contains(from));
        account.write(name, &text.replace(from, to));
    };
    edit("node.yaml", "  roleName: NodeRole\n", "  roleName: NodeRole\n  tags: {team: data}\n");
    edit("cluster.yaml", "  tags:\n", "  tags:\n    team: data\n");
}

/// Runs a command behind the engine's back when the work on a resource begins:
/// after the plan, before the resource is read again.
fn at_start(
    account: &Account,
    address: &str,
    command: &'static str,
) -> impl Fn(&Event, &tokio::sync::watch::Sender<bool>) + Send + Sync + 'static {
    let address: Address = address.parse().unwrap();
    let sandbox = account.sandbox();
    move |event, _| {
        if matches!(event, Event::Started { address: started, .. } if *started == address) {
            let words: Vec<_> = command.split_whitespace().skip(1).map(str::to_owned).collect();
            let output = sandbox.run(lkh::command::Tool::Aws, &words, b"", Path::new(".")).unwrap();
            assert_eq!(output.code, 0, "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

fn ending<'a>(report: &'a Report, address: &str) -> &'a Ending {
    let mut resources = report.resources.iter();
    let found = resources.find(|(found, _, _)| found.to_string() == address);
    &found.expect("the report names every resource").2.ending
}

fn is_clean(account: &Account) -> bool {
    !account.plan(Mode::Apply).0.plan.has_changes()
}

#[test]
fn exactly_the_planned_commands_are_run() {
    let account = fresh();
    for mode in [Mode::Apply, Mode::Destroy] {
        let (report, plan, mut started) = account.carry_out(mode, |_, _| ());
        assert!(report.is_good());
        let commands = plan.changes.iter().flat_map(|change| &change.commands);
        let mut planned: Vec<_> = commands.map(|command| command.argv.join(" ")).collect();
        planned.sort();
        started.sort();
        assert_eq!(started, planned);
    }
}

#[test]
fn a_field_of_ours_that_moved_stops_that_resource_alone() {
    let account = applied();
    change_manifests(&account);
    let (report, _, started) =
        account.carry_out(Mode::Apply, at_start(&account, "IamRole.node", DETACH));
    let Ending::Moved { now, .. } = ending(&report, "IamRole.node") else {
        panic!("{:?}", ending(&report, "IamRole.node"));
    };
    let now: Vec<_> = now.iter().map(|field| field.path.to_string()).collect();
    assert_eq!(
        now,
        [r#"managedPolicies["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"]"#, "tags.team"]
    );
    assert_eq!(ending(&report, "Ec2Tags.discovery"), &Ending::Applied);
    assert!(started.iter().all(|command| command.starts_with("aws ec2 ")), "{started:?}");
    assert_eq!(report.exit_code(), 3);
    let text = anstream::adapter::strip_str(&report::run::text(&report)).to_string();
    assert!(text.contains("IamRole.node: moved since the plan; nothing was changed"), "{text}");
    assert!(text.contains("AmazonEKS_CNI_Policy"), "{text}");
    // Planned again, it is undone together with the change.
    assert!(account.apply().is_good());
    assert!(is_clean(&account));
}

#[test]
fn what_others_do_meanwhile_stops_nothing() {
    let account = applied();
    change_manifests(&account);
    let (report, _, _) =
        account.carry_out(Mode::Apply, at_start(&account, "IamRole.node", ATTACH_ANOTHER));
    assert!(report.is_good(), "{}", report::run::text(&report));
    assert!(is_clean(&account));
}

#[test]
fn what_someone_else_finished_meanwhile_is_not_done_twice() {
    let account = applied();
    account.behind(DETACH);
    let attach = "aws iam attach-role-policy --role-name NodeRole \
                  --policy-arn arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy";
    let (report, _, started) =
        account.carry_out(Mode::Apply, at_start(&account, "IamRole.node", attach));
    assert!(matches!(ending(&report, "IamRole.node"), Ending::Moved { .. }));
    assert_eq!(started, Vec::<String>::new());
    assert!(is_clean(&account));
}

#[test]
fn an_object_that_vanished_meanwhile_is_not_updated() {
    let account = applied();
    account.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    let sandbox = account.sandbox();
    let (report, _, started) = account.carry_out(Mode::Apply, move |event, _| {
        if matches!(event, Event::Started { .. }) {
            let words = ["uninstall", "karpenter", "-n", "kube-system"].map(str::to_owned);
            let output = sandbox.run(lkh::command::Tool::Helm, &words, b"", Path::new("."));
            assert_eq!(output.unwrap().code, 0);
        }
    });
    assert!(matches!(ending(&report, "HelmRelease.karpenter"), Ending::Moved { .. }));
    assert_eq!(started, Vec::<String>::new());
    assert_eq!(report.exit_code(), 3);
    assert!(account.apply().is_good());
    assert!(is_clean(&account));
}

#[test]
fn a_run_that_is_stopped_finishes_what_it_began_and_no_more() {
    let account = fresh();
    let (report, plan, started) = account.carry_out(Mode::Apply, |event, stop| {
        if matches!(event, Event::CommandStarted { .. }) {
            stop.send_replace(true);
        }
    });
    assert!(report.interrupted);
    assert_eq!(report.exit_code(), 130);
    assert_eq!(ending(&report, "HelmRelease.karpenter"), &Ending::Interrupted);
    let commands = plan.changes.iter().flat_map(|change| &change.commands).count();
    assert!(!started.is_empty() && started.len() < commands, "{started:?}");
    // What was begun was finished and verified; the log has no loose end.
    for (address, _, finished) in &report.resources {
        let fine =
            matches!(finished.ending, Ending::Applied | Ending::Unchanged | Ending::Interrupted);
        assert!(fine, "{address}: {:?}", finished.ending);
    }
    assert_eq!(account.log().open_intents().count(), 0);
    // The next run does the rest, and nothing twice.
    let (report, _, rest) = account.carry_out(Mode::Apply, |_, _| ());
    assert!(report.is_good());
    assert_eq!(started.len() + rest.len(), commands);
    assert!(is_clean(&account));
}

#[test]
fn a_run_that_is_stopped_before_it_begins_changes_nothing() {
    let account = fresh();
    let (report, _, started) = account.carry_out(Mode::Apply, |event, stop| {
        if matches!(event, Event::ReadingStarted { .. }) {
            stop.send_replace(true);
        }
    });
    assert_eq!(report.exit_code(), 130);
    assert_eq!(started, Vec::<String>::new());
    assert!(account.apply().is_good());
}

#[test]
fn a_service_linked_role_that_someone_else_just_made_is_adopted() {
    let account = fresh();
    let sandbox = account.sandbox();
    let (report, _, started) = account.carry_out(Mode::Apply, move |event, _| {
        // After the last read, and right before the command.
        if let Event::CommandStarted { address, .. } = event
            && address.to_string() == "ServiceLinkedRole.spot"
        {
            let command = "iam create-service-linked-role --aws-service-name spot.amazonaws.com";
            let words: Vec<_> = command.split(' ').map(str::to_owned).collect();
            let output = sandbox.run(lkh::command::Tool::Aws, &words, b"", Path::new("."));
            assert_eq!(output.unwrap().code, 0);
        }
    });
    assert!(started.iter().any(|command| command.contains("create-service-linked-role")));
    assert_eq!(ending(&report, "ServiceLinkedRole.spot"), &Ending::Applied);
    assert!(report.is_good(), "{}", report::run::text(&report));
    assert!(is_clean(&account));
}

#[test]
fn a_release_that_is_deployed_and_not_ready_is_not_done() {
    let account = fresh();
    let text = std::fs::read_to_string(account.manifests().join("karpenter.yaml")).unwrap();
    assert!(text.contains("  values:\n"));
    // Helm does not look: it says `deployed` whatever the pods do.
    account.write("karpenter.yaml", &text.replace("  values:\n", "  wait: false\n  values:\n"));
    let fault = lkh::sandbox::Fault::ImagePull;
    account.sandbox().set_fault("kube-system", "karpenter", fault).unwrap();
    let report = account.apply();
    let Ending::NotReady(blockers) = ending(&report, "HelmRelease.karpenter") else {
        panic!("{:?}", ending(&report, "HelmRelease.karpenter"));
    };
    assert_eq!(blockers[0].code, "ImagePullFailed");
    assert_eq!(report.exit_code(), 1);
    let record = &account.state().unwrap().resources[&"HelmRelease.karpenter".parse().unwrap()];
    assert_eq!(record.status, lkh::state::Status::NotReady);
    // Again, with nothing to change.
    let report = account.apply();
    assert!(matches!(ending(&report, "HelmRelease.karpenter"), Ending::NotReady(_)));
    assert_eq!(report.exit_code(), 1);
}

/// Waits for the pods of the release, after it or by itself.
fn waits(depends: &str) -> String {
    format!(
        "apiVersion: lkh/v1\nkind: Readiness\nmetadata: {{name: pods}}\nspec:\n  namespace: \
         kube-system\n  workloads: [Deployment/karpenter]\n  timeout: 10m\n{depends}"
    )
}

#[test]
fn readiness_is_asked_by_every_apply_and_waits_in_virtual_time() {
    let account = fresh();
    account.write("ready.yaml", &waits("dependsOn: [HelmRelease.karpenter]\n"));
    let (report, plan, _) = account.carry_out(Mode::Apply, |_, _| ());
    assert_eq!(plan.change(&"Readiness.pods".parse().unwrap()).unwrap().action, Action::Check);
    assert_eq!(ending(&report, "Readiness.pods"), &Ending::Unchanged);
    assert!(is_clean(&account));

    account.write("ready.yaml", &waits(""));
    let fault = lkh::sandbox::Fault::NeverReady;
    account.sandbox().set_fault("kube-system", "karpenter", fault).unwrap();
    let report = account.apply();
    let Ending::NotReady(blockers) = ending(&report, "Readiness.pods") else {
        panic!("{:?}", ending(&report, "Readiness.pods"));
    };
    assert!(blockers[0].message.contains("deployment kube-system/karpenter 0/1"), "{blockers:?}");
    assert_eq!(report.exit_code(), 1);
    account.sandbox().set_fault("kube-system", "karpenter", lkh::sandbox::Fault::Nothing).unwrap();
    assert!(account.apply().is_good());
    // In a destroy it is only forgotten.
    let (report, _, _) = account.carry_out(Mode::Destroy, |_, _| ());
    assert_eq!(ending(&report, "Readiness.pods"), &Ending::Forgotten);
    assert!(report.is_good());
}

/// The sandbox behind an executor that must be told the way to the cluster, as
/// those are that run real tools.
struct Strict(SandboxExec);

impl Exec for Strict {
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
        self.0.run(command)
    }

    fn store<'a>(&'a self, file: PrivateFile, text: &'a str) -> Storing<'a> {
        self.0.store(file, text)
    }

    fn needs_access(&self) -> bool {
        true
    }
}

fn strict(account: &Account) -> Engine {
    let surroundings = Surroundings {
        region: lkh::sandbox::REGION.to_owned(),
        manifests: account.manifests(),
        run: "test".to_owned(),
        ..Surroundings::default()
    };
    let exec = Strict(SandboxExec::new(account.sandbox(), &surroundings));
    let gateway = Gateway::new(Box::new(exec), &surroundings, 4, std::sync::Arc::new(|_: &str| {}));
    Engine { gateway: std::sync::Arc::new(gateway), ..account.engine() }
}

/// What a plan says of the release, and the tools that were started for it.
fn release(engine: &Engine, mode: Mode) -> (Change, String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let planned = runtime.block_on(engine.plan(mode, &Targets::default())).unwrap();
    let commands: Vec<_> =
        engine.gateway.trace().into_iter().map(|started| started.command).collect();
    let address = "HelmRelease.karpenter".parse().unwrap();
    (planned.plan.change(&address).unwrap().clone(), commands.join("\n"))
}

#[test]
fn a_cluster_that_is_gone_needs_no_way_into_it() {
    let account = applied();
    let (change, commands) = release(&strict(&account), Mode::Destroy);
    assert_eq!(change.action, Action::Delete);
    assert!(commands.contains("helm status karpenter"), "{commands}");

    let gone =
        r#"{"now":"2030-01-01T00:00:00Z","removed":["eks/us-east-2/cluster/testskillcluster"]}"#;
    let world = std::fs::read_to_string(account.world()).unwrap();
    std::fs::write(account.world(), format!("{world}{gone}\n")).unwrap();
    let (change, commands) = release(&strict(&account), Mode::Destroy);
    assert_eq!(change.action, Action::Forget);
    assert_eq!(change.reason, Reason::GoneWith { address: "EksCluster.main".parse().unwrap() });
    assert!(!commands.contains("helm"), "nobody is asked: {commands}");
    let (change, commands) = release(&strict(&account), Mode::Apply);
    assert_eq!(change.action, Action::Unknown);
    assert_eq!(
        change.reason,
        Reason::DependencyMissing { address: "EksCluster.main".parse().unwrap() }
    );
    assert!(!commands.contains("helm"), "{commands}");
}

/// Copies the manifests to a directory beside them.
fn branch(account: &Account) -> std::path::PathBuf {
    let head = account.manifests().parent().unwrap().join("head");
    std::fs::create_dir_all(&head).unwrap();
    for entry in std::fs::read_dir(account.manifests()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), head.join(entry.file_name())).unwrap();
    }
    head
}

#[test]
fn two_plans_are_made_of_one_reading() {
    let account = applied();
    let head = branch(&account);
    let role = std::fs::read_to_string(head.join("node.yaml")).unwrap();
    let role = role.replace("name: node\n", "name: reader\n").replace("NodeRole", "ReaderRole");
    let role = role.split("---").next().unwrap();
    std::fs::write(head.join("reader.yaml"), role).unwrap();
    let alone = |directory: &Path| {
        let (planned, trace) = Account::plan_of(&account.engine_of(directory, None), Mode::Apply);
        (planned.plan, trace.into_iter().map(|one| one.command).collect::<Vec<_>>())
    };
    let (base_plan, base_reads) = alone(&account.manifests());
    let (head_plan, head_reads) = alone(&head);
    let snapshot = Snapshot::default();
    let shared = |directory: &Path| {
        let engine = account.engine_of(directory, Some(&snapshot));
        let (planned, trace) = Account::plan_of(&engine, Mode::Apply);
        (planned.plan, trace.into_iter().map(|one| one.command).collect::<Vec<_>>())
    };
    let (base, first) = shared(&account.manifests());
    // Whatever happens in between: both plans are of one moment.
    account.behind(DETACH);
    let (changed, second) = shared(&head);
    assert_eq!((&base, &changed), (&base_plan, &head_plan));

    // Every command ran once; what head alone asks for is all that was left. By
    // itself it would read its three roles at once, but then it might see another
    // moment than base, which read its two one by one.
    assert!(head_reads.iter().any(|read| read.contains("get-account-authorization-details")));
    let expected = ["get-role", "list-attached-role-policies", "list-role-policies"];
    let expected = expected.map(|words| format!("aws iam {words} --role-name ReaderRole"));
    let sorted = |mut reads: Vec<String>| {
        reads.sort();
        reads
    };
    assert_eq!(sorted(first), sorted(base_reads));
    assert_eq!(sorted(second), expected);

    let delta = PlanDelta::of(&base, &changed).unwrap();
    let entries: Vec<_> =
        delta.entries.iter().map(|one| (one.bucket, one.address.to_string())).collect();
    assert_eq!(entries, [(Bucket::Introduced, "IamRole.reader".to_owned())]);
    // A reading of its own sees what has happened since.
    let (later, _) = alone(&head);
    let delta = PlanDelta::of(&base, &later).unwrap();
    let entries: Vec<_> =
        delta.entries.iter().map(|one| (one.bucket, one.address.to_string())).collect();
    assert_eq!(
        entries,
        [
            (Bucket::Introduced, "IamRole.reader".to_owned()),
            (Bucket::Unknown, "IamRole.node".to_owned())
        ]
    );
}
