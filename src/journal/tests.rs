//! Logs as they are written, torn and damaged.

use super::*;
use crate::adapter::Kind;

fn log() -> Vec<u8> {
    let mut journal = Journal::default();
    let mut text = String::new();
    let address = Address::new(Kind::IamRole, "x");
    for event in [
        Event::RunStarted { format_version: 1, run: "r".into(), plan: Digest::of(b"p") },
        Event::Intended {
            operation: 1,
            address: address.clone(),
            title: "create".into(),
            command: "aws iam create-role".into(),
            input: None,
            object: None,
        },
        Event::Finished { operation: 1, outcome: Outcome::Exited },
        Event::Settled { address, status: "applied".into(), action: None },
        Event::RunEnded { run: "r".into(), code: 0 },
    ] {
        text.push_str(&journal.append(Timestamp::UNIX_EPOCH, event).unwrap());
    }
    text.into_bytes()
}

#[test]
fn a_log_reads_back() {
    let journal = Journal::parse(&log()).unwrap();
    assert_eq!(journal.entries.len(), 5);
    assert_eq!(journal.open_intents().count(), 0);
    assert!(!journal.is_torn());
}

#[test]
fn every_truncation_is_a_shorter_log_or_a_torn_one() {
    let bytes = log();
    for end in 0..bytes.len() {
        let journal = Journal::parse(&bytes[..end]).unwrap();
        let mut whole = bytes[..end].split(|&byte| byte == b'\n').count() - 1;
        if bytes[end] == b'\n' {
            // Only the newline is missing.
            whole += 1;
            assert_eq!(journal.tail(), Tail::Unended);
        } else {
            assert_eq!(journal.is_torn(), end > 0 && bytes[end - 1] != b'\n');
        }
        assert_eq!(journal.entries.len(), whole);
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = log();
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[index] ^= 1 << bit;
            assert!(Journal::parse(&broken).is_err(), "byte {index} bit {bit}");
        }
    }
}

#[test]
fn a_line_of_another_log_does_not_follow() {
    let ours = log();
    let mut other = Journal::default();
    let event = Event::RunStarted { format_version: 1, run: "other".into(), plan: Digest::of(b"") };
    let first = other.append(Timestamp::UNIX_EPOCH, event).unwrap();
    // Each line is whole and has the right number; the one after is not its own.
    let rest: Vec<_> = ours.split_inclusive(|&byte| byte == b'\n').skip(1).collect();
    assert_eq!(Journal::parse(&[first.as_bytes(), &rest.concat()].concat()).unwrap_err().line, 2);
}

#[test]
fn a_line_that_someone_remembers_is_missed() {
    let bytes = log();
    let whole = Journal::parse(&bytes).unwrap();
    let (line, digest) = whole.end().map(|(line, digest)| (line, digest.clone())).unwrap();
    assert_eq!(line, 5);
    assert!(whole.holds(5, &digest) && whole.holds(4, &whole.entries[4].previous));
    assert!(!whole.holds(4, &digest) && !whole.holds(6, &digest));
    assert!(!whole.holds(0, &whole.entries[0].previous) && !whole.holds(u64::MAX, &digest));
    let lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let shorter = Journal::parse(&lines[..4].concat()).unwrap();
    assert!(!shorter.holds(5, &digest) && !Journal::default().holds(5, &digest));
}

#[test]
fn what_no_crash_leaves_at_the_end_is_broken() {
    let bytes = log();
    let broken = |tail: &[u8]| Journal::parse(&[&bytes, tail].concat()).unwrap_err().line;
    for tail in [&b"x"[..], b"{\"line\":7,\"at\":\"2", b"{\"line\":6,\"at\":\"\\x", b"{} "] {
        assert_eq!(broken(tail), 6);
    }
    assert!(Journal::parse(&[&bytes[..], b"{\"line\":6,\"at\":\"20"].concat()).unwrap().is_torn());
}

#[test]
fn what_was_begun_stays_so_until_a_read_settles_it() {
    let mut journal = Journal::default();
    let address = Address::new(Kind::IamRole, "x");
    let identity = Map::from_iter([("roleName".to_owned(), crate::value::Value::from("X"))]);
    let object = Begun { identity, attributes: Map::new(), settings: Map::new() };
    let run = || Event::RunStarted { format_version: 1, run: "r".into(), plan: Digest::of(b"") };
    let intent = |object: &Begun| Event::Intended {
        operation: 1,
        address: Address::new(Kind::IamRole, "x"),
        title: "create".into(),
        command: "aws iam create-role".into(),
        input: None,
        object: Some(object.clone()),
    };
    let exited = Event::Finished { operation: 1, outcome: Outcome::Exited };
    for event in [run(), intent(&object), exited, run()] {
        journal.append(Timestamp::UNIX_EPOCH, event).unwrap();
    }
    assert_eq!(journal.begun().collect::<Vec<_>>(), [(&address, &object)]);
    let settled = Event::Settled { address, status: "applied".into(), action: None };
    journal.append(Timestamp::UNIX_EPOCH, settled).unwrap();
    assert_eq!(journal.begun().count(), 0);
}

#[test]
fn an_outcome_needs_its_intent() {
    let mut journal = Journal::default();
    let event = Event::Finished { operation: 1, outcome: Outcome::Exited };
    assert!(journal.append(Timestamp::UNIX_EPOCH, event).is_err());
}
