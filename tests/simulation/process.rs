//! One run of the program: a runtime of its own with virtual time, ended by
//! its work, by a crash or by a limit that nothing should reach.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lkh::engine::clock::Clock;
use lkh::engine::event::Event;
use lkh::engine::{Engine, EngineError, Targets};
use lkh::exec::Surroundings;
use lkh::exec::gateway::Gateway;
use lkh::manifest::stack::Stack;
use lkh::plan::{Mode, Plan, file};
use lkh::report;
use lkh::store::{LockInfo, Store};
use tokio::sync::watch;

use crate::invariants;
use crate::remote::Remote;
use crate::sim::{Fault, Sim};
use crate::story::local_store;

/// What a run does.
#[derive(Debug, Clone)]
pub enum Operation {
    Plan,
    Refresh,
    Apply(Mode),
    /// A saved plan, by its bytes.
    Saved(Vec<u8>),
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    Crashed,
    /// It says that it could not do its work.
    Refused(String),
    Planned(Box<Plan>),
    Refreshed,
    Applied {
        code: u8,
        said: String,
    },
}

/// No run takes that long, whatever happens to it.
const LIMIT: Duration = Duration::from_secs(6 * 3600);

pub fn run(
    sim: &Arc<Sim>,
    stack: &Arc<Stack>,
    operation: &Operation,
    crash_in: Option<u64>,
) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let ended = runtime.block_on(async {
        let crash = sim.lock().begin(crash_in);
        let ended = tokio::select! {
            biased;
            () = crash.notified() => Ended::Crashed,
            ended = tokio::time::timeout(LIMIT, work(sim, stack, operation)) => match ended {
                Ok(Ok(ended)) => ended,
                Ok(Err(error)) => Ended::Refused(error.to_string()),
                Err(_) => {
                    sim.lock().violate("bounded", "the run did not end");
                    Ended::Crashed
                }
            },
        };
        sim.lock().stop_clock();
        ended
    });
    drop(runtime);
    let mut inner = sim.lock();
    inner.end();
    if inner.crashed { Ended::Crashed } else { ended }
}

async fn work(
    sim: &Arc<Sim>,
    stack: &Arc<Stack>,
    operation: &Operation,
) -> Result<Ended, EngineError> {
    let (stop, stopped) = watch::channel(false);
    let engine = engine(sim, stack, stop);
    let targets = Targets::default();
    let lock = match operation {
        Operation::Plan => {
            let planned = engine.plan(Mode::Apply, &targets).await?;
            check_plan(sim, &planned.plan);
            return Ok(Ended::Planned(Box::new(planned.plan)));
        }
        Operation::Refresh => Arc::new(engine.store.lock(&info()).await?),
        Operation::Apply(_) | Operation::Saved(_) => {
            let lock = Arc::new(engine.store.lock(&info()).await?);
            engine.store.read_log().await?;
            lock
        }
    };
    let mode = match operation {
        Operation::Plan => return Ok(Ended::Refreshed),
        Operation::Refresh => {
            engine.refresh(&targets, &lock).await?;
            return Ok(Ended::Refreshed);
        }
        Operation::Apply(mode) => *mode,
        Operation::Saved(bytes) => file::from_bytes(bytes).unwrap().mode,
    };
    let planned = engine.plan(mode, &targets).await?;
    check_plan(sim, &planned.plan);
    if let Operation::Saved(bytes) = operation {
        let moved = file::moved(&file::from_bytes(bytes).unwrap(), &planned.plan);
        if !moved.is_empty() {
            return Ok(Ended::Refused(format!("moved: {}", moved.join("; "))));
        }
    }
    sim.lock().approved.plan = Some(planned.plan.clone());
    let report = engine.apply(planned, "run", &lock, stopped).await?;
    let text = report::run::text(&report);
    invariants::no_secret(&mut sim.lock(), "the report", &text);
    let said = anstream::adapter::strip_str(&text).to_string();
    Ok(Ended::Applied { code: report.exit_code(), said })
}

fn check_plan(sim: &Arc<Sim>, plan: &Plan) {
    let bytes = file::to_bytes(plan).unwrap();
    let mut inner = sim.lock();
    for change in &plan.changes {
        inner.note(&format!("plan: {} {:?}", change.address, change.action));
    }
    invariants::no_secret(&mut inner, "the plan", &String::from_utf8(bytes).unwrap());
}

fn info() -> LockInfo {
    LockInfo {
        id: "run".into(),
        operation: "apply".into(),
        who: "story".into(),
        pid: 1,
        since: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn engine(sim: &Arc<Sim>, stack: &Arc<Stack>, stop: watch::Sender<bool>) -> Engine {
    let surroundings = Surroundings {
        region: lkh::sandbox::REGION.to_owned(),
        manifests: Path::new(".").to_owned(),
        run: "run".to_owned(),
        ..Surroundings::default()
    };
    let told = Arc::clone(sim);
    let notices = Arc::new(move |text: &str| {
        let mut inner = told.lock();
        invariants::no_secret(&mut inner, "a notice", text);
    });
    let remote = Remote(Arc::clone(sim));
    let gateway = Gateway::new(Box::new(remote), &surroundings, 4, notices);
    for value in stack.variables.values() {
        gateway.protect(value);
    }
    let clock = Arc::clone(sim);
    let watching = Arc::clone(sim);
    Engine {
        stack: Arc::clone(stack),
        gateway: Arc::new(gateway),
        region: surroundings.region,
        store: Store::Local(local_store(Some(sim))),
        clock: Clock::new(move || clock.now()),
        observer: Arc::new(move |event| watch(&watching, &event, &stop)),
    }
}

fn watch(sim: &Arc<Sim>, event: &Event, stop: &watch::Sender<bool>) {
    let mut inner = sim.lock();
    match event {
        Event::Started { address, action } => {
            inner.note(&format!("{address}: {action:?} begins"));
            invariants::order(&mut inner, address);
        }
        Event::Ended { address, outcome, good, .. } => {
            inner.note(&format!("{address}: {outcome}"));
            if *good {
                inner.approved.good.insert(address.to_string());
            }
        }
        Event::CommandStarted { .. } => {
            let stops = match &mut inner.weather.stops_after {
                Some(0) => true,
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => false,
            };
            if stops && !*stop.borrow() {
                inner.hit(Fault::Stopped);
                stop.send_replace(true);
            }
        }
        Event::Waiting { blockers, .. } => {
            let text = format!("{blockers:?}");
            invariants::no_secret(&mut inner, "a blocker", &text);
        }
        Event::ReadingStarted { .. }
        | Event::Read { .. }
        | Event::CommandEnded { .. }
        | Event::Notice(_) => {}
    }
}
