//! Damaged files: state, apply log and saved plan, as the engine writes them,
//! cut off at every byte and with every bit flipped. Each damage is refused, or
//! means what the whole file means; nothing panics.
//!
//! The files are of two stacks. The small one's are damaged at every bit. Of the
//! larger one's, every byte is damaged at one bit, another one from byte to byte;
//! with the variable `LKH_TEST_LONG` set, at every bit too (some minutes).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that can't go on fails, and this one prints its figures"
)]

#[path = "support/account.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod account;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use account::Account;
use lkh::journal::{Journal, Tail};
use lkh::plan::{Mode, file};
use lkh::state::State;
use lkh::store::Store;

const SMALL: &str = r#"
apiVersion: lkh/v1
kind: Stack
metadata: {name: test}
spec: {phases: [{name: one}]}
---
apiVersion: lkh/v1
kind: IamRole
metadata: {name: node, phase: one}
spec:
  roleName: NodeRole
  trustPolicy:
    Version: "2012-10-17"
    Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
---
apiVersion: lkh/v1
kind: ServiceLinkedRole
metadata: {name: spot, phase: one}
spec: {serviceName: spot.amazonaws.com}
"#;

/// The files of a stack that was applied, changed and applied again.
struct Files {
    account: Account,
    state: Vec<u8>,
    log: Vec<u8>,
    plan: Vec<u8>,
}

impl Files {
    fn small() -> Self {
        let account = Account::new(&[("stack.yaml", SMALL)]);
        let plan = saved_plan(&account);
        assert!(account.apply().is_good());
        Self::of(account, plan)
    }

    fn large() -> Self {
        let account =
            Account::with(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/stack")));
        let plan = saved_plan(&account);
        assert!(account.apply().is_good());
        for _ in 0..3 {
            account.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
            account.behind("aws iam detach-role-policy --role-name NodeRole --policy-arn arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy");
            assert!(account.apply().is_good());
        }
        Self::of(account, plan)
    }

    fn of(account: Account, plan: Vec<u8>) -> Self {
        let read = |path| std::fs::read(path).unwrap();
        let (state, log) = (read(account.store().state_path()), read(account.store().log_path()));
        Self { account, state, log, plan }
    }
}

fn saved_plan(account: &Account) -> Vec<u8> {
    file::to_bytes(&account.plan(Mode::Apply).0.plan).unwrap()
}

/// How much is damaged.
#[derive(Clone, Copy)]
enum Every {
    Bit,
    Byte,
}

/// Damages a file in every way, on all cores. `is_found` is given the damaged
/// bytes and where the damage is. Returns how many ways there were.
fn damage(
    what: &str,
    bytes: &[u8],
    every: Every,
    is_found: impl Fn(&[u8], usize) -> bool + Sync,
) -> usize {
    assert!(!is_found(bytes, 0), "the {what} is refused as it is");
    let (next, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        let mut broken = bytes.to_vec();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(&byte) = bytes.get(at) else { break };
            let bits = match every {
                Every::Bit => 0..8,
                Every::Byte => at % 8..at % 8 + 1,
            };
            for bit in bits {
                broken[at] = byte ^ (1 << bit);
                assert!(is_found(&broken, at), "{what}: bit {bit} of byte {at} may be flipped");
                count.fetch_add(1, Ordering::Relaxed);
            }
            broken[at] = byte;
            assert!(is_found(&bytes[..at], at), "{what}: it may be cut off at byte {at}");
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    count.into_inner()
}

fn damage_all(files: &Files, every: Every) {
    let state = damage("state", &files.state, every, |bytes, _| State::from_bytes(bytes).is_err());
    let plan = damage("plan", &files.plan, every, |bytes, _| file::from_bytes(bytes).is_err());
    let remembered = State::from_bytes(&files.state).unwrap();
    assert!(remembered.log.is_some(), "the state names a line of the log");
    let store = Store::Local(files.account.store());
    // The lines before the damage read as they did.
    let lines: Vec<_> = files.log.split_inclusive(|&byte| byte == b'\n').collect();
    let mut before = vec![(0, Journal::default())];
    for line in lines {
        let (start, mut journal) = before.last().unwrap().clone();
        journal.read_on(line).unwrap();
        before.push((start + line.len(), journal));
    }
    let (_, whole) = before.last().unwrap().clone();
    assert_eq!(Journal::parse(&files.log), Ok(whole.clone()));
    let log = damage("log", &files.log, every, |bytes, at| {
        let line = before.partition_point(|(start, _)| *start <= at) - 1;
        let (start, mut journal) = before[line].clone();
        match journal.read_on(&bytes[start..]) {
            Err(_) => true,
            // Only its last newline is missing: it says what it said.
            Ok(()) if journal.tail() == Tail::Unended && journal.entries == whole.entries => true,
            Ok(()) => store.check_log(Some(&remembered), &journal).is_err(),
        }
    });
    println!(
        "damaged: state of {} bytes in {state} ways, plan of {} in {plan}, log of {} in {log}",
        files.state.len(),
        files.plan.len(),
        files.log.len()
    );
}

#[test]
fn every_bit_of_small_files() {
    damage_all(&Files::small(), Every::Bit);
}

#[test]
fn every_byte_of_larger_files() {
    let long = std::env::var_os("LKH_TEST_LONG").is_some_and(|value| !value.is_empty());
    damage_all(&Files::large(), if long { Every::Bit } else { Every::Byte });
}

#[test]
fn files_of_another_history_do_not_fit() {
    let (one, other) = (Files::small(), Files::small());
    let store = Store::Local(one.account.store());
    let state = State::from_bytes(&one.state).unwrap();
    let fits = |log: &[u8]| store.check_log(Some(&state), &Journal::parse(log).unwrap());
    assert!(fits(&one.log).is_ok());
    let error = fits(&other.log).unwrap_err().to_string();
    assert!(error.contains("has another line there"), "{error}");
    let error = fits(b"").unwrap_err().to_string();
    assert!(error.contains("is empty or not there") && error.contains("--new-log"), "{error}");
}
