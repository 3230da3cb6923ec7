//! What the engine tells while it works. Whoever shows it decides how.

use std::sync::Arc;
use std::time::Duration;

use crate::adapter::Blocker;
use crate::address::Address;
use crate::plan::Action;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// So many resources are going to be read.
    ReadingStarted {
        /// How many.
        total: usize,
    },
    /// A resource was read.
    Read {
        /// Which.
        address: Address,
    },
    /// The work on a resource began.
    Started {
        /// Which.
        address: Address,
        /// What is done.
        action: Action,
    },
    /// A changing command began.
    CommandStarted {
        /// For which resource.
        address: Address,
        /// What it is for.
        title: String,
    },
    /// A changing command ended.
    CommandEnded {
        /// For which resource.
        address: Address,
        /// What it was for.
        title: String,
        /// Whether it exited with 0.
        succeeded: bool,
        /// How long it took.
        took: Duration,
    },
    /// A resource is as declared, but not ready yet.
    Waiting {
        /// Which.
        address: Address,
        /// What for.
        blockers: Vec<Blocker>,
    },
    /// The work on a resource ended.
    Ended {
        /// Which.
        address: Address,
        /// What was done.
        action: Action,
        /// In a word: `applied`, `failed`, ...
        outcome: &'static str,
        /// Whether that is good.
        good: bool,
        /// How long it took.
        took: Duration,
    },
    /// Something a person should know.
    Notice(String),
}

/// Whoever listens.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;
