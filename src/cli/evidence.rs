//! `lkh evidence`

use anyhow::bail;

use super::options::{AccessOptions, AwsOptions, StackOptions};
use super::session::{Session, load};
use super::storage::Storage;
use super::{code, complain, print};
use crate::engine::status::Overview;
use crate::engine::survey::Purpose;
use crate::report::evidence::{Case, json, text};
use crate::store::Store;

/// What `lkh evidence` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lkh evidence --exec sandbox\n  lkh evidence --verify \
                        --target HelmRelease.karpenter\n  lkh evidence --json | jq \
                        .phase3.karpenter\n\nExit codes: 0 shown, and with --verify all of it \
                        still holds; 1 something no longer holds or could not be read. Every \
                        key of the JSON is explained in docs/status.md.")]
pub(crate) struct Args {
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    access: AccessOptions,
    /// Read everything again, and say which claim no longer holds
    #[arg(long)]
    verify: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(stack) = load(&args.stack, args.access.region.as_deref())? else {
        return Ok(code::ERROR);
    };
    let phases: Vec<String> = stack.phases.iter().map(|phase| phase.name.clone()).collect();
    if args.verify {
        let session = Session::new(stack, &args.stack, &args.access)?;
        return session.block_on(async |session| {
            let store = &session.engine.store;
            if store.load().await?.is_none() {
                bail!("there is no state at {} yet: run lkh apply", store.place());
            }
            let now = session.engine.status(&session.targets, Purpose::Prove).await?;
            show(args, phases, store, Some(&now)).await
        });
    }
    let aws =
        AwsOptions { profile: args.access.profile.clone(), region: args.access.region.clone() };
    let Some(storage) = Storage::open(&args.stack, &aws)? else { return Ok(code::ERROR) };
    storage.block_on(async |storage| show(args, phases, &storage.store, None).await)
}

async fn show(
    args: &Args,
    phases: Vec<String>,
    store: &Store,
    now: Option<&Overview>,
) -> anyhow::Result<u8> {
    let Some(mut state) = store.load().await? else {
        bail!("there is no state at {} yet: run lkh apply", store.place());
    };
    narrow(&mut state, &args.access.targets)?;
    let log = store.examine_log().await?;
    let case = Case::new(phases, &state, &log.entries, now);
    if args.stack.output.json {
        super::print_json(&json(&case))?;
    } else {
        print(&text(&case));
    }
    if let Some((place, broken)) = &log.broken {
        complain(&format!("{place}: {broken}; what comes after it can't be believed"));
        return Ok(code::ERROR);
    }
    let good = now.is_none() || case.holds() == Some(true);
    Ok(if good { code::GOOD } else { code::ERROR })
}

/// Leaves only the resources that the targets name.
fn narrow(state: &mut crate::state::State, targets: &[String]) -> anyhow::Result<()> {
    if targets.is_empty() {
        return Ok(());
    }
    for target in targets {
        let named = state.resources.iter().any(|(address, record)| {
            is_target(target, &address.to_string(), record.phase.as_deref())
        });
        if !named {
            bail!(
                "nothing in the state is called {target}: --target takes Kind.name or phase.NAME"
            );
        }
    }
    state.resources.retain(|address, record| {
        let address = address.to_string();
        targets.iter().any(|target| is_target(target, &address, record.phase.as_deref()))
    });
    Ok(())
}

fn is_target(target: &str, address: &str, phase: Option<&str>) -> bool {
    target == address || target.strip_prefix("phase.").is_some_and(|name| Some(name) == phase)
}
