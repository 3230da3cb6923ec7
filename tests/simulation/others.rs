//! What other people do in the same account: to what the stack declares, and
//! to what is theirs.

use lkh::command::Tool;
use lkh::sandbox::cluster::{Cluster, Fault as Trouble, Target, Trouble as What};
use lkh::sandbox::world::World;

use crate::account::Actor;
use crate::sim::{Fault, Inner};
use crate::stacks::CLUSTER;

const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
const WORKER: &str = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Now and then someone does something while a command is on its way.
pub fn perhaps(inner: &mut Inner) {
    let often = inner.weather.others;
    if inner.rng.chance(often) {
        interfere(inner);
    }
}

/// Someone changes something.
pub fn interfere(inner: &mut Inner) {
    inner.hit(Fault::ChangedByOthers);
    inner.approved.touched = true;
    let roles = names(inner.account.world(), "iam/role/sim-");
    let role = if roles.is_empty() { "sim-r0".to_owned() } else { inner.rng.pick(&roles).clone() };
    let number = inner.rng.below(4);
    let command = match inner.rng.below(13) {
        0 => format!("aws iam attach-role-policy --role-name {role} --policy-arn {READ_ONLY}"),
        1 => format!("aws iam detach-role-policy --role-name {role} --policy-arn {WORKER}"),
        2 => format!("aws iam tag-role --role-name {role} --tags Key=x-{number},Value=theirs"),
        3 => format!("aws iam untag-role --role-name {role} --tag-keys team"),
        4 => format!("aws iam tag-role --role-name {role} --tags Key=team,Value=theirs"),
        5 => format!(
            "aws iam update-assume-role-policy --role-name {role} --policy-document {TRUST}"
        ),
        6 => match association(inner, number) {
            Some(id) => format!(
                "aws eks delete-pod-identity-association --cluster-name {CLUSTER} \
                 --association-id {id}"
            ),
            None => return,
        },
        7 => format!(
            "aws eks delete-access-entry --cluster-name {CLUSTER} --principal-arn \
             arn:aws:iam::111122223333:role/{}",
            role.replace("sim-r", "Sim-R")
        ),
        8 => "helm uninstall sim-hello -n default".to_owned(),
        9 => "kubectl scale deployment sim-hello -n default --replicas=0".to_owned(),
        10 => format!(
            "aws iam create-role --role-name theirs-{number} --assume-role-policy-document {TRUST}"
        ),
        11 => format!(
            "aws iam create-role --role-name Sim-R{number} --assume-role-policy-document {TRUST}"
        ),
        _ => {
            trouble(inner, true);
            return;
        }
    };
    run(inner, &command);
}

/// Everyone leaves: what they put on the stack's objects and what stands in
/// the way of a deletion is taken off again.
pub fn leave(inner: &mut Inner) {
    trouble(inner, false);
    for role in names(inner.account.world(), "iam/role/sim-") {
        let attached = format!("iam/role-attached/{role}/{READ_ONLY}");
        if inner.account.world().get(&attached).is_some() {
            run(
                inner,
                &format!("aws iam detach-role-policy --role-name {role} --policy-arn {READ_ONLY}"),
            );
        }
    }
}

/// The pods of the release become ready no more, or again.
fn trouble(inner: &mut Inner, begins: bool) {
    let target = Target::Workload { namespace: "default".into(), name: "sim-hello".into() };
    if begins {
        inner.hit(Fault::SlowPods);
    }
    let slow = inner.rng.chance(500);
    inner.account.change(|world| {
        let mut cluster = Cluster::open(world);
        if begins {
            let trouble = if slow { What::Slow { seconds: 40 } } else { What::NeverReady };
            cluster.set_fault(&Trouble { target, trouble });
        } else {
            cluster.clear_fault(&target);
        }
        cluster.reconcile();
    });
}

fn run(inner: &mut Inner, command: &str) {
    inner.note(&format!("others: {command}"));
    let now = inner.now();
    inner.account.advance(now);
    let mut words = command.split_whitespace().map(str::to_owned);
    let tool = match words.next().as_deref() {
        Some("aws") => Tool::Aws,
        Some("helm") => Tool::Helm,
        _ => Tool::Kubectl,
    };
    let args: Vec<_> = words.collect();
    // What can't be done is not done: they look as little as anyone.
    drop(inner.account.run(Actor::Others, tool, &args, b""));
}

fn names(world: &World, prefix: &str) -> Vec<String> {
    let start = prefix.rfind('/').map_or(0, |at| at + 1);
    world.scan(prefix).map(|(key, _)| key[start..].to_owned()).collect()
}

fn association(inner: &Inner, number: u64) -> Option<String> {
    let key = format!("eks/us-east-2/association-of/{CLUSTER}/default/sim-a{number}");
    Some(inner.account.world().get(&key)?.as_str()?.to_owned())
}
