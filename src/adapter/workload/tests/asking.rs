//! Which clues are asked for, and what an answer that tells nothing does.

use super::*;
use crate::adapter::{Answers, Questions, Reading};
use crate::command::Answer;

/// Gathers, answering as `answer` says; the commands asked, round by round.
fn gathered(
    cluster: &str,
    objects: &[Json],
    pods: &[Json],
    answer: &dyn Fn(&str) -> Answer,
) -> (Vec<String>, Clues) {
    let mut answers = Answers::default();
    let mut asked = Vec::new();
    for _ in 0..8 {
        let mut questions = Questions::new(&answers);
        if let Some(clues) = Clues::gather(&mut questions, cluster, objects, pods) {
            return (asked, clues);
        }
        let Reading::Ask(commands) = questions.asking() else { panic!("it asks") };
        for command in commands {
            let text = command.to_string();
            answers.insert(&command, answer(&text));
            asked.push(text);
        }
    }
    panic!("the asking does not come to an end")
}

fn printed(json: &Json) -> Answer {
    Answer { stdout: json.to_string(), ..Answer::default() }
}

#[test]
fn what_is_ready_costs_no_read() {
    let (asked, _) = gathered("lake", &[deployment(1, 1)], &[], &|_| Answer::default());
    assert_eq!(asked, [""; 0]);
}

#[test]
fn a_pod_without_a_node_leads_to_nodes_groups_and_pools() {
    let pods = [pod("a", &unschedulable("no nodes available to schedule pods"))];
    let answer = |command: &str| {
        if command.contains("list-nodegroups") {
            printed(&json!({"nodegroups": ["workers"]}))
        } else if command.contains("karpenter") {
            Answer {
                code: 1,
                stderr: "error: the server doesn't have a resource type \"x\"".into(),
                ..Answer::default()
            }
        } else if command.contains("describe-nodegroup") {
            printed(&json!({"nodegroup": {
                "nodegroupName": "workers", "status": "ACTIVE", "nodeRole": "arn",
                "scalingConfig": {"desiredSize": 0},
            }}))
        } else {
            printed(&json!({"items": [], "accessEntries": []}))
        }
    };
    let objects = [deployment(1, 0)];
    let (mut asked, clues) = gathered("lake", &objects, &pods, &answer);
    asked.sort();
    assert_eq!(
        asked,
        [
            "aws eks describe-nodegroup --cluster-name lake --nodegroup-name workers",
            "aws eks list-access-entries --cluster-name lake",
            "aws eks list-nodegroups --cluster-name lake",
            "kubectl get ec2nodeclasses.karpenter.k8s.aws -o json",
            "kubectl get nodeclaims.karpenter.sh -o json",
            "kubectl get nodepools.karpenter.sh -o json",
            "kubectl get nodes -o json",
        ]
    );
    let found = assess_with(&objects, &pods, &clues).obstacles;
    assert!(found[0].blocker.message.ends_with("node group workers is set to 0 nodes"));
}

#[test]
fn a_clue_that_tells_nothing_ends_the_chain_there() {
    let pods = [pod("a", &unschedulable("no nodes available to schedule pods"))];
    let objects = [deployment(1, 0)];
    for useless in [
        Answer { code: 1, stderr: "Error from server (Forbidden)".into(), ..Answer::default() },
        Answer { stdout: "not JSON".into(), ..Answer::default() },
        printed(&json!({"items": [], "metadata": {"continue": "more"}})),
        printed(&json!({"nodegroups": [], "nextToken": "more"})),
    ] {
        let (_, clues) = gathered("lake", &objects, &pods, &|_| useless.clone());
        let found = assess_with(&objects, &pods, &clues).obstacles;
        assert_eq!(
            found[0].blocker.message,
            "deployment shop/web 0/1: pods Pending: no nodes available to schedule pods (a)"
        );
        assert_eq!(found[0].blocker.next, "kubectl get nodes");
    }
}

#[test]
fn without_the_clusters_name_aws_is_not_asked() {
    let pods = [pod("a", &unschedulable("no nodes available to schedule pods"))];
    let (asked, _) = gathered("", &[deployment(1, 0)], &pods, &|_| printed(&json!({"items": []})));
    assert!(asked.iter().all(|command| command.starts_with("kubectl get ")), "{asked:?}");
}
