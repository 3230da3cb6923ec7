use super::*;
use crate::journal::Event as Logged;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + second).unwrap()
}

fn role() -> Address {
    "IamRole.node".parse().unwrap()
}

fn begin(operation: u64, command: &str) -> Logged {
    Logged::Intended {
        operation,
        address: role(),
        title: "do it".into(),
        command: command.into(),
        input: None,
        object: None,
    }
}

fn end(operation: u64, outcome: Outcome) -> Logged {
    Logged::Finished { operation, outcome }
}

/// What is remembered at second 100 of what was logged at these seconds.
fn remembered(events: Vec<(i64, Logged)>) -> Option<Recent> {
    let mut log = Journal::default();
    for (second, event) in events {
        log.append(at(second), event).unwrap();
    }
    recent(None, &log, at(100)).remove(&role())
}

const CREATE: &str = "aws iam create-role --cli-input-json file:///dev/stdin";

#[test]
fn a_command_counts_for_a_minute_unless_it_failed() {
    let failed = || Outcome::Failed { code: 254, why: "no".into() };
    let unknown = || Outcome::Unknown { why: "killed".into() };
    let made = |events| remembered(events).is_some_and(|recent| recent.made);
    assert!(made(vec![(90, begin(1, CREATE))]), "open");
    assert!(made(vec![(90, begin(1, CREATE)), (91, end(1, Outcome::Exited))]));
    assert!(made(vec![(90, begin(1, CREATE)), (91, end(1, unknown()))]));
    assert!(!made(vec![(90, begin(1, CREATE)), (91, end(1, failed()))]));
    assert!(!made(vec![(39, begin(1, CREATE))]), "long ago");
    // A log is written in order: what comes before something old is older.
    assert!(made(vec![(39, begin(1, CREATE)), (50, begin(2, CREATE))]));
    assert!(made(vec![(110, begin(1, CREATE))]), "the clock was set back");
}

#[test]
fn what_was_taken_away_is_not_expected() {
    let gone = Logged::Settled { address: role(), status: "gone".into(), action: None };
    assert_eq!(remembered(vec![(90, begin(1, CREATE)), (92, gone)]), None);
    for command in [
        "aws iam delete-role --cli-input-json file:///dev/stdin",
        "aws iam detach-role-policy --cli-input-json file:///dev/stdin",
        "helm uninstall karpenter",
        "kubectl delete -f -",
    ] {
        assert!(!remembered(vec![(90, begin(1, command))]).unwrap().made, "{command}");
    }
    for command in ["helm upgrade --install delete-me", "aws iam put-role-policy x"] {
        assert!(remembered(vec![(90, begin(1, command))]).unwrap().made, "{command}");
    }
}

#[test]
fn the_window_ends_a_minute_after_the_last_command() {
    let recent = remembered(vec![(60, begin(1, CREATE)), (90, begin(2, CREATE))]).unwrap();
    assert_eq!(recent.left(at(100)), Duration::from_secs(50));
    assert_eq!(recent.left(at(149)), Duration::from_secs(1));
    assert_eq!(recent.left(at(151)), Duration::ZERO);
    assert_eq!(recent.left(at(0)), WINDOW, "the clock was set back");
}
