//! The local store, on real files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use super::*;

fn info(id: &str) -> LockInfo {
    LockInfo {
        id: id.into(),
        operation: "apply".into(),
        who: "me@here".into(),
        pid: 1,
        since: Timestamp::UNIX_EPOCH,
    }
}

fn stores(directory: &Path) -> (LocalStore, Store) {
    let local = LocalStore::new(directory, "s");
    (local.clone(), Store::Local(local))
}

fn state() -> State {
    State::new("s", "l".into(), "1", "r")
}

#[tokio::test]
async fn the_state_is_replaced_and_the_old_one_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (local, store) = stores(&directory.path().join("state"));
    assert_eq!(store.load().await.unwrap(), None);
    let lock = store.lock(&info("a")).await.unwrap();
    let mut state = state();
    store.save(&lock, &state).await.unwrap();
    state.serial = 1;
    store.back_up(&lock).await.unwrap();
    store.save(&lock, &state).await.unwrap();
    assert_eq!(store.load().await.unwrap(), Some(state));
    let old = State::from_bytes(&fs::read(local.backup_path()).unwrap()).unwrap();
    assert_eq!(old.serial, 0);
}

#[cfg(unix)]
#[tokio::test]
async fn the_state_is_private_and_never_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let (local, store) = stores(directory.path());
    let lock = store.lock(&info("a")).await.unwrap();
    store.save(&lock, &state()).await.unwrap();
    let mode = fs::metadata(local.state_path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::rename(local.state_path(), directory.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", local.state_path()).unwrap();
    assert!(matches!(store.load().await, Err(StoreError::NotRegular(_))));
    assert!(matches!(store.save(&lock, &state()).await, Err(StoreError::NotRegular(_))));
}

#[tokio::test]
async fn a_second_lock_names_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let (_, store) = stores(directory.path());
    let lock = store.lock(&info("a")).await.unwrap();
    let error = store.lock(&info("b")).await.unwrap_err().to_string();
    assert!(error.contains("me@here"), "{error}");
    drop(lock);
    let lock = store.lock(&info("b")).await.unwrap();
    assert_eq!(lock.taken_over, None);
}

#[tokio::test]
async fn the_lock_of_a_process_that_died_is_taken_over_and_said_so() {
    let directory = tempfile::tempdir().unwrap();
    let (_, store) = stores(directory.path());
    let dead = serde_json::to_string(&info("dead")).unwrap();
    fs::write(directory.path().join("s.lock"), dead).unwrap();
    let lock = store.lock(&info("b")).await.unwrap();
    assert_eq!(lock.taken_over, Some(info("dead")));
}

#[tokio::test]
async fn a_torn_line_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let (local, store) = stores(directory.path());
    let lock = store.lock(&info("a")).await.unwrap();
    let event = || Event::RunEnded { run: "r".into(), code: 0 };
    let mut log = store.open_log(&lock, None).await.unwrap();
    log.append(Timestamp::UNIX_EPOCH, event()).await.unwrap();
    drop(log);
    let mut file = OpenOptions::new().append(true).open(local.log_path()).unwrap();
    file.write_all(b"{\"line\":2,\"at").unwrap();
    let mut log = store.open_log(&lock, None).await.unwrap();
    log.append(Timestamp::UNIX_EPOCH, event()).await.unwrap();
    assert_eq!(store.read_log().await.unwrap().entries.len(), 2);
}
