//! The program as people use it: every command is run as a process, in a
//! directory of its own, against the sandbox.
//!
//! Nothing of the surroundings reaches it (no environment, no terminal, no
//! home), so its output is the same everywhere and stands here as snapshots.
//! Where it changes on purpose, `cargo insta test --review --test cli` takes
//! the new one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

mod apply;
mod approval;
mod bad_input;
mod bucket;
mod comment;
mod describe;
mod drift;
mod environment;
mod evidence;
mod explain;
mod first_installer;
mod formats;
mod help;
mod hostile_live;
mod init;
mod keeping;
mod lakehouse;
mod lock;
mod outputs;
mod plan;
mod plan_diff;
mod preflight;
mod readiness;
mod removal;
mod saved_plan;
mod secrets;
mod state;
mod status;
mod targets;
mod teardown;
mod views;
mod when;
