//! `lkh lock`

use super::options::{AccessOptions, StackOptions};
use super::session::{Session, load};
use super::{code, complain, print, tell};
use crate::manifest::lock::{FILE, LockFile, SANDBOX_FILE};

/// Writes `lkh.lock.yaml` beside the manifests: the digests of the charts and of
/// the toolbox image as they are published now. Commit it.
///
/// From then on, a plan blocks what would install a chart whose content is
/// another one under the same version (`ChartMoved`). A version that a manifest
/// changes makes its entry stale: plans say so and go on, `--locked` refuses,
/// and `lkh lock` takes it in. The sandbox has a file of its own,
/// `lkh.lock.sandbox.yaml`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; exit with 1 if the file is not what would be written
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    access: AccessOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(stack) = load(&args.stack, args.access.region.as_deref())? else {
        return Ok(code::ERROR);
    };
    let session = Session::new(stack, &args.stack, &args.access)?;
    let name = if session.is_sandbox() { SANDBOX_FILE } else { FILE };
    let path = args.stack.dir.join(name);
    session.block_on(async |session| {
        let before = session.engine.stack.lock.clone();
        let now = session.engine.pins().await.map_err(|why| anyhow::anyhow!(why))?;
        let differs = before.as_ref() != Some(&now);
        if args.stack.output.json {
            super::print_json(&serde_json::json!({ "lock": now, "differs": differs }))?;
        } else {
            print(&differences(before.as_ref(), &now));
        }
        if args.check && differs {
            complain(&format!("{} is not what is published now", path.display()));
            tell("next: review, then `lkh lock`");
            return Ok(code::ERROR);
        }
        if differs && !args.check {
            let mut file = tempfile::NamedTempFile::new_in(&args.stack.dir)?;
            std::io::Write::write_all(&mut file, now.text().as_bytes())?;
            // As any manifest: it is to be committed and read by others.
            let mode =
                <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
            file.as_file().set_permissions(mode)?;
            file.persist(&path)?;
            tell(&format!("Wrote {}. next: review and commit it, then `lkh plan`", path.display()));
        }
        Ok(code::GOOD)
    })
}

/// What a new lock file changes, a line each.
fn differences(before: Option<&LockFile>, now: &LockFile) -> String {
    let mut text = String::new();
    let named = |lock: &LockFile| {
        let mut pins = lock.charts.clone();
        pins.extend(lock.toolbox.clone().map(|pin| ("toolbox".to_owned(), pin)));
        pins
    };
    let old = before.map(named).unwrap_or_default();
    let new = named(now);
    for (name, pin) in &new {
        let what = [Some(pin.reference.as_str()), pin.version.as_deref()];
        let what: Vec<_> = what.into_iter().flatten().collect();
        let what = what.join(" ");
        let line = match old.get(name) {
            Some(known) if known == pin => format!("  {name}: {what} {}", pin.digest),
            Some(known) if known.reference == pin.reference && known.version == pin.version => {
                format!("! {name}: {what} was {} and is {} now", known.digest, pin.digest)
            }
            Some(_) => format!("~ {name}: {what} {}", pin.digest),
            None => format!("+ {name}: {what} {}", pin.digest),
        };
        text.push_str(&crate::quote::line(&line));
        text.push('\n');
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        text.push_str(&crate::quote::line(&format!("- {name}")));
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("Nothing to lock: no release names a chart.\n");
    }
    text
}
