//! `lkh state`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::next::{self, After};
use super::options::{AwsOptions, StackOptions};
use super::storage::Storage;
use super::{code, print, print_json, tell};
use crate::address::Address;
use crate::engine::clock::Clock;
use crate::journal::Event;
use crate::state::{LogMark, State};
use crate::store::{Lock, StoreError};

/// Looks after what the state remembers. Nothing in AWS or the cluster is
/// changed: what leaves the state is still there, and what comes back in is
/// compared by the next plan. Every change is made under the lock, keeps the
/// state from before as the backup, and is written to the apply log.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    aws: AwsOptions,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the addresses in the state
    List(Place),
    /// Take a resource out of the state and leave its object as it is
    ///
    /// While the manifests declare it, the next plan adopts it again. To let go
    /// of it for good, take it out of the manifests first.
    Rm {
        /// The resource (Kind.name)
        #[arg(value_name = "ADDRESS")]
        address: String,
        #[command(flatten)]
        place: Place,
    },
    /// Give a resource of the state another address of its kind
    ///
    /// After a rename in the manifests the plan finds out by itself that the
    /// object is the same; this is for where it can't.
    Mv {
        /// What it is called (Kind.name)
        #[arg(value_name = "FROM")]
        from: String,
        /// What it is to be called (Kind.name)
        #[arg(value_name = "TO")]
        to: String,
        #[command(flatten)]
        place: Place,
    },
    /// Print the state file, whole and checked
    Pull(Place),
    /// Put a state file in the place of the state
    ///
    /// It must be whole, of a format that this lkh knows, of the same stack,
    /// lineage, account and region as the present state, and newer by its
    /// serial. Where there is no state, the stack counts.
    Push {
        /// The file; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Put the backup, the state from before the last run, back in place
    ///
    /// The state that it takes the place of becomes the backup, so doing it
    /// twice undoes it. A plan that was saved before is refused afterwards.
    Restore(Place),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let place = match &args.action {
        Action::List(place) | Action::Pull(place) | Action::Restore(place) => place,
        Action::Rm { place, .. } | Action::Mv { place, .. } | Action::Push { place, .. } => place,
    };
    place.stack.output.settle();
    let Some(storage) = Storage::open(&place.stack, &place.aws)? else { return Ok(code::ERROR) };
    let options = &place.stack;
    match &args.action {
        Action::List(_) => {
            storage.block_on(async |storage| list(&present(storage).await?, &place.stack))
        }
        Action::Pull(_) => storage.block_on(async |storage| {
            print(&String::from_utf8(present(storage).await?.to_bytes()?)?);
            Ok(code::GOOD)
        }),
        Action::Rm { address, .. } => {
            let address: Address = address.parse().map_err(anyhow::Error::msg)?;
            storage.under_lock("state rm", async |storage, lock| {
                let mut state = present(storage).await?;
                state.take_out(&address)?;
                let event = |by| Event::Removed { by, address: address.clone() };
                replace(storage, lock, state, "state rm", event).await?;
                say(options, &serde_json::json!({ "removed": address }), || {
                    format!("{address} is out of the state; its object was left as it is.")
                })
            })
        }
        Action::Mv { from, to, .. } => {
            let from: Address = from.parse().map_err(anyhow::Error::msg)?;
            let to: Address = to.parse().map_err(anyhow::Error::msg)?;
            storage.under_lock("state mv", async |storage, lock| {
                let mut state = present(storage).await?;
                state.call_otherwise(&from, &to)?;
                let event = |by| Event::Moved { by, from: from.clone(), to: to.clone() };
                replace(storage, lock, state, "state mv", event).await?;
                say(options, &serde_json::json!({ "from": from, "to": to }), || {
                    format!("{from} is {to} in the state now.")
                })
            })
        }
        Action::Push { file, .. } => {
            let pushed = read(file)?;
            storage.under_lock("state push", async |storage, lock| {
                push(storage, lock, &pushed, file, options).await
            })
        }
        Action::Restore(_) => storage.under_lock("state restore", async |storage, lock| {
            restore(storage, lock, options).await
        }),
    }
}

async fn present(storage: &Storage) -> anyhow::Result<State> {
    let state = storage.store.load().await?;
    state.with_context(|| format!("there is no state at {} yet", storage.store.place()))
}

fn list(state: &State, options: &StackOptions) -> anyhow::Result<u8> {
    if options.output.json {
        print_json(&state.resources.keys().collect::<Vec<_>>())?;
    } else {
        for address in state.resources.keys() {
            print(&format!("{address}\n"));
        }
        if state.resources.is_empty() {
            tell("The state is empty: no resource has been applied.");
        }
        next::say(&After::StateListed(state.resources.keys().next().cloned()), options);
    }
    Ok(code::GOOD)
}

fn say(
    options: &StackOptions,
    data: &serde_json::Value,
    text: impl FnOnce() -> String,
) -> anyhow::Result<u8> {
    if options.output.json {
        print_json(data)?;
    } else {
        print(&(text() + "\n"));
        next::say(&After::StateChanged, options);
    }
    Ok(code::GOOD)
}

/// Keeps the present state as the backup, logs what is done, and writes the
/// changed one with the next serial.
async fn replace(
    storage: &Storage,
    lock: &Lock,
    mut state: State,
    operation: &str,
    event: impl FnOnce(String) -> Event,
) -> anyhow::Result<()> {
    state.serial += 1;
    // What may not be written is not announced either.
    state.to_bytes()?;
    storage.store.back_up(lock).await?;
    state.log = log(storage, lock, event(storage.me(operation).who)).await?;
    Ok(storage.store.save(lock, &state).await?)
}

/// Logs before the write: a change that the log does not know never happens.
async fn log(storage: &Storage, lock: &Lock, event: Event) -> anyhow::Result<Option<LogMark>> {
    // A state that can't be used tells nothing of the log; it is being replaced.
    let state = storage.store.load().await.ok().flatten();
    let mut log = storage.store.open_log(lock, state.as_ref()).await?;
    log.append(Clock::system().now(), event).await?;
    Ok(log.mark())
}

fn read(file: &Path) -> anyhow::Result<State> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).context("can't read standard input")?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
    }
    State::from_bytes(&bytes).with_context(|| format!("can't push {}", file.display()))
}

async fn push(
    storage: &Storage,
    lock: &Lock,
    pushed: &State,
    file: &Path,
    options: &StackOptions,
) -> anyhow::Result<u8> {
    let name = file.display();
    ensure!(
        pushed.stack == storage.stack,
        "can't push {name}: it is of stack {}, and this is {}",
        pushed.stack,
        storage.stack
    );
    let changes = match storage.store.load().await? {
        None => true,
        Some(present) => {
            pushed.may_replace(&present).with_context(|| format!("can't push {name}"))?
        }
    };
    if changes {
        storage.store.back_up(lock).await?;
        let by = storage.me("state push").who;
        let mark = log(storage, lock, Event::Pushed { by, serial: pushed.serial }).await?;
        storage.store.save(lock, &State { log: mark, ..pushed.clone() }).await?;
    }
    let data = serde_json::json!({ "serial": pushed.serial, "changed": changes });
    say(options, &data, || {
        if changes {
            format!("{name} is the state now, with serial {}.", pushed.serial)
        } else {
            format!("{name} is the state already; nothing was changed.")
        }
    })
}

async fn restore(storage: &Storage, lock: &Lock, options: &StackOptions) -> anyhow::Result<u8> {
    let Some(mut state) = storage.store.load_backup().await? else {
        bail!(
            "there is no backup beside {}: no run has changed a state yet",
            storage.store.place()
        );
    };
    let (present, serial) = match storage.store.load().await {
        Ok(present) => {
            let serial = present.as_ref().map_or(0, |present| present.serial);
            (present, serial)
        }
        // A damaged state is what a backup is for. A newer one is not damaged.
        Err(StoreError::State { source, .. }) if source.is_damage() => {
            (None, serial_of(&storage.store.raw().await?.unwrap_or_default()))
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(present) = &present {
        let backup = State { serial: present.serial + 1, ..state.clone() };
        backup.may_replace(present).context("can't restore the backup")?;
    }
    state.serial = state.serial.max(serial) + 1;
    let by = storage.me("state restore").who;
    state.log = log(storage, lock, Event::Restored { by, serial: state.serial }).await?;
    storage.store.save(lock, &state).await?;
    if let Some(present) = present {
        // Last: killed before, the backup is still there to be restored.
        storage.store.save_backup(lock, &present).await?;
    }
    say(options, &serde_json::json!({ "serial": state.serial }), || {
        format!("The backup is the state now, with serial {}.", state.serial)
    })
}

/// The serial that a damaged state seems to have.
fn serial_of(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let after = text.split_once("\"serial\":").map_or("", |(_, after)| after.trim_start());
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
