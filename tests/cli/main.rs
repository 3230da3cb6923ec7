//! The program as people use it: every command is run as a process, in a
//! directory of its own, against the sandbox.
//!
//! Nothing of the surroundings reaches it (no environment, no terminal, no
//! home), so its output is the same everywhere and stands here as snapshots.

mod apply;
mod approval;
mod bad_input;
mod drift;
mod environment;
mod help;
mod plan;
mod readiness;
mod removal;
mod saved_plan;
mod secrets;
mod state;
mod targets;
mod views;
