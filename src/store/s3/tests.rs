//! The store in S3 over the simulated `aws`: two processes are two stores.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::address::Address;
use crate::command::{Command, Effect, Tool};
use crate::exec::sandbox::SandboxExec;
use crate::exec::{Exec, ExecError, PrivateFile, Running, Storing, Surroundings};
use crate::journal::Outcome;
use crate::sandbox::Sandbox;
use crate::store::{Log, Store, Unlocked};
use crate::value::Digest;

/// An account with a bucket.
struct Account {
    folder: TempDir,
}

/// The way to it; some answers are lost.
struct Way {
    sandbox: SandboxExec,
    /// This many writes take effect and are not answered.
    lost: Arc<AtomicUsize>,
}

impl Exec for Way {
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
        Box::pin(async move {
            let answer = self.sandbox.run(command).await;
            let lose = |left: usize| left.checked_sub(1);
            let is_write = command.effect == Effect::Write;
            let order = Ordering::Relaxed;
            if is_write && self.lost.fetch_update(order, order, lose).is_ok() {
                return Err(ExecError::TimedOut { after: command.timeout });
            }
            answer
        })
    }

    fn store<'a>(&'a self, file: PrivateFile, text: &'a str) -> Storing<'a> {
        self.sandbox.store(file, text)
    }

    fn needs_access(&self) -> bool {
        false
    }
}

impl Account {
    async fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        let command = Command::write(Tool::Aws, &["s3api", "create-bucket"]);
        this.gateway(0).write(&command.flag("--bucket", "team")).await.unwrap();
        this
    }

    fn gateway(&self, lost: usize) -> Arc<Gateway> {
        let surroundings = Surroundings { region: "us-east-2".into(), ..Surroundings::default() };
        let sandbox = Sandbox::open(&self.folder.path().join("world.jsonl")).unwrap();
        let sandbox = SandboxExec::new(sandbox, &surroundings);
        let way = Way { sandbox, lost: Arc::new(AtomicUsize::new(lost)) };
        Arc::new(Gateway::new(Box::new(way), &surroundings, 4, Arc::new(|_| {})))
    }

    /// A process that uses the store.
    fn store(&self) -> (S3Store, Store) {
        self.losing(0)
    }

    fn losing(&self, lost: usize) -> (S3Store, Store) {
        let store = S3Store::new(self.gateway(lost), "team", "lakes", None, "s");
        (store.clone(), Store::S3(store))
    }
}

fn info(id: &str) -> LockInfo {
    LockInfo {
        id: id.into(),
        operation: "apply".into(),
        who: format!("{id}@here"),
        pid: std::process::id(),
        since: Timestamp::UNIX_EPOCH,
    }
}

fn state(serial: u64) -> State {
    State { serial, ..State::new("s", "l".into(), "1", "r") }
}

fn intent(log: &Log) -> Event {
    Event::Intended {
        operation: log.journal().next_operation(),
        address: "IamRole.x".parse::<Address>().unwrap(),
        title: "create".into(),
        command: "aws iam create-role".into(),
        input: None,
        object: None,
    }
}

async fn started(store: &Store, lock: &crate::store::Lock, run: &str) -> Log {
    let mut log = store.open_log(lock, None).await.unwrap();
    let plan = Digest::of(b"");
    let event = Event::RunStarted { format_version: 1, run: run.into(), plan };
    log.append(Timestamp::UNIX_EPOCH, event).await.unwrap();
    log
}

/// A run that does one thing and ends well.
async fn run(store: &Store, id: &str) {
    let lock = store.lock(&info(id)).await.unwrap();
    let serial = store.load().await.unwrap().map_or(0, |state| state.serial) + 1;
    store.back_up(&lock).await.unwrap();
    let mut log = started(store, &lock, id).await;
    let event = intent(&log);
    let operation = log.journal().next_operation();
    log.append(Timestamp::UNIX_EPOCH, event).await.unwrap();
    let event = Event::Finished { operation, outcome: Outcome::Exited };
    log.append(Timestamp::UNIX_EPOCH, event).await.unwrap();
    store.save(&lock, &state(serial)).await.unwrap();
    let event = Event::RunEnded { run: id.into(), code: 0 };
    log.append(Timestamp::UNIX_EPOCH, event).await.unwrap();
    store.release(lock).await.unwrap();
}

/// Insists that the log is whole, and returns its events.
async fn events(store: &Store) -> Vec<Event> {
    let examined = store.examine_log().await.unwrap();
    assert_eq!((examined.torn, examined.broken), (false, None));
    examined.entries.into_iter().map(|entry| entry.event).collect()
}

#[tokio::test]
async fn runs_follow_each_other_and_the_log_goes_on() {
    let account = Account::new().await;
    let (_, store) = account.store();
    assert_eq!(store.load().await.unwrap(), None);
    for id in ["c", "a", "b"] {
        run(&account.store().1, id).await;
    }
    assert_eq!(store.load().await.unwrap(), Some(state(3)));
    assert_eq!(store.load_backup().await.unwrap(), Some(state(2)));
    let runs: Vec<_> = events(&store)
        .await
        .into_iter()
        .filter_map(|event| match event {
            Event::RunStarted { run, .. } => Some(run),
            _ => None,
        })
        .collect();
    assert_eq!(runs, ["c", "a", "b"], "in the order of the lines, not of the names");
}

#[tokio::test]
async fn a_second_lock_names_the_first() {
    let account = Account::new().await;
    let (one, two) = (account.store().1, account.store().1);
    let lock = one.lock(&info("one")).await.unwrap();
    let error = two.lock(&info("two")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Held(holder) if **holder == info("one")), "{error}");
    assert!(error.to_string().contains("lkh unlock one"), "{error}");
    one.release(lock).await.unwrap();
    two.lock(&info("two")).await.unwrap();
}

#[tokio::test]
async fn what_was_interrupted_gives_its_lock_back() {
    let account = Account::new().await;
    let (one, two) = (account.store().1, account.store().1);
    drop(one.lock(&info("one")).await.unwrap());
    one.abandon().await.unwrap();
    drop(two.lock(&info("two")).await.unwrap());
    // As if it had been stopped between the write and its answer.
    let (raw, three) = account.store();
    raw.seen().lock = Some(Held { info: info("two"), tag: None, head: Head::default() });
    three.abandon().await.unwrap();
    // And one that never came to hold it takes it from nobody.
    raw.seen().lock = Some(Held { info: info("two"), tag: None, head: Head::default() });
    let lock = one.lock(&info("one")).await.unwrap();
    three.abandon().await.unwrap();
    one.release(lock).await.unwrap();
}

#[tokio::test]
async fn a_holder_that_was_shut_out_writes_neither_log_nor_state() {
    let account = Account::new().await;
    run(&account.store().1, "first").await;
    let (old, new) = (account.store().1, account.store().1);
    let lock = old.lock(&info("old")).await.unwrap();
    old.load().await.unwrap();
    let mut log = started(&old, &lock, "old").await;
    let other = new.unlock("other", &info("new")).await.unwrap_err();
    assert!(matches!(other, StoreError::OtherHolder { .. }), "{other}");
    let from = new.unlock("old", &info("new")).await.unwrap();
    assert_eq!(from, Unlocked::TakenFrom(info("old")));
    assert_eq!(new.unlock("old", &info("new")).await.unwrap(), Unlocked::Free);
    run(&account.store().1, "next").await;
    let before = (events(&new).await, new.load().await.unwrap(), new.load_backup().await.unwrap());

    let event = intent(&log);
    for error in [
        log.append(Timestamp::UNIX_EPOCH, event).await.unwrap_err(),
        old.save(&lock, &state(9)).await.unwrap_err(),
        old.release(lock).await.unwrap_err(),
    ] {
        assert!(matches!(&error, StoreError::Fenced { by, .. } if by == "new@here"), "{error}");
    }
    let after = (events(&new).await, new.load().await.unwrap(), new.load_backup().await.unwrap());
    assert_eq!(before, after);
    // The serial tells that something happened, so saved plans don't go on.
    assert_eq!(after.1.unwrap().serial, 3);
}

#[tokio::test]
async fn a_holder_that_was_shut_out_before_its_first_write_never_begins() {
    let account = Account::new().await;
    let (old, new) = (account.store().1, account.store().1);
    let lock = old.lock(&info("old")).await.unwrap();
    assert_eq!(old.load().await.unwrap(), None);
    new.unlock("old", &info("new")).await.unwrap();
    assert_eq!(new.load().await.unwrap(), None, "there is no state yet");
    // Neither by the log nor by a state without one.
    let mut log = old.open_log(&lock, None).await.unwrap();
    let event = intent(&log);
    let error = log.append(Timestamp::UNIX_EPOCH, event).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    let error = old.save(&lock, &state(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    assert_eq!(new.load().await.unwrap(), None);
    run(&new, "next").await;
    assert_eq!(new.load().await.unwrap(), Some(state(1)));
}

#[tokio::test]
async fn a_holder_that_was_shut_out_makes_no_first_state() {
    let account = Account::new().await;
    let (old, new) = (account.store().1, account.store().1);
    let lock = old.lock(&info("old")).await.unwrap();
    old.load().await.unwrap();
    started(&old, &lock, "old").await;
    new.unlock("old", &info("new")).await.unwrap();
    let error = old.save(&lock, &state(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    assert_eq!(new.load().await.unwrap(), None);
}

#[tokio::test]
async fn the_lock_of_a_process_that_died_is_taken_over_and_its_log_closed() {
    let account = Account::new().await;
    let (raw, dead) = account.store();
    let lock = dead.lock(&info("dead")).await.unwrap();
    started(&dead, &lock, "dead").await;
    lock::tests::kill(&raw).await;
    let next = account.store().1;
    let lock = next.lock(&info("next")).await.unwrap();
    assert_eq!(lock.taken_over, Some(info("dead")));
    let fenced = Event::Fenced { run: "dead".into(), by: "next@here".into() };
    assert_eq!(events(&next).await.last(), Some(&fenced));
    assert_eq!(next.read_log().await.unwrap().open_intents().count(), 0);
}

#[tokio::test]
async fn an_open_intent_is_known_to_the_next_run() {
    let account = Account::new().await;
    let (raw, dead) = account.store();
    let lock = dead.lock(&info("dead")).await.unwrap();
    let mut log = started(&dead, &lock, "dead").await;
    let event = intent(&log);
    log.append(Timestamp::UNIX_EPOCH, event).await.unwrap();
    // What came of it was not written any more.
    let event = Event::Finished { operation: 1, outcome: Outcome::Exited };
    log.append(Timestamp::UNIX_EPOCH, event).await.unwrap();
    lock::tests::kill(&raw).await;
    let next = account.store().1;
    let lock = next.lock(&info("next")).await.unwrap();
    let journal = next.read_log().await.unwrap();
    assert_eq!(journal.open_intents().map(|(number, _)| number).collect::<Vec<_>>(), [1]);
    drop(started(&next, &lock, "next").await);
    next.release(lock).await.unwrap();
    assert_eq!(next.read_log().await.unwrap().open_intents().count(), 0);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_settled_by_a_read() {
    let account = Account::new().await;
    for lost in 1..8 {
        run(&account.losing(lost).1, &format!("run{lost}")).await;
    }
    let (_, store) = account.store();
    assert_eq!(store.load().await.unwrap(), Some(state(7)));
    assert_eq!(events(&store).await.len(), 7 * 4);
}

#[tokio::test]
async fn what_was_damaged_is_not_believed() {
    let account = Account::new().await;
    run(&account.store().1, "one").await;
    let world = account.folder.path().join("world.jsonl");
    let text = std::fs::read_to_string(&world).unwrap();
    let damage = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(&world, text.replace(from, to)).unwrap();
    };
    damage(r#"\"serial\": 1"#, r#"\"serial\": 2"#);
    let error = account.store().1.load().await.unwrap_err();
    assert!(error.to_string().contains("checksum differs"), "{error}");
    // A log's part that is gone leaves a gap.
    std::fs::write(&world, &text).unwrap();
    run(&account.store().1, "two").await;
    remove(&account, "lakes/s/log/one.jsonl").await;
    let broken = account.store().1.examine_log().await.unwrap().broken.unwrap();
    assert_eq!((broken.0.as_str(), broken.1.line), ("s3://team/lakes/s/log/two.jsonl", 1));
    remove(&account, "lakes/s/log/two.jsonl").await;
    let broken = account.store().1.examine_log().await.unwrap().broken.unwrap();
    assert_eq!(broken.1.line, 1, "{broken:?}");
}

async fn remove(account: &Account, key: &str) {
    let command = Command::write(Tool::Aws, &["s3api", "delete-object", "--bucket", "team"]);
    let answer = account.gateway(0).write(&command.flag("--key", key)).await.unwrap();
    assert!(answer.succeeded(), "{answer:?}");
    assert!(Path::new(key).extension().is_some());
}
