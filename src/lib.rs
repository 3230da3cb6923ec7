//! `lkh` installs a data lakehouse on AWS EKS and keeps it as declared.
//!
//! Manifests declare resources; `lkh` reads what exists, diffs the two over a
//! dependency graph, shows a plan and carries exactly that plan out through
//! `aws`, `helm` and `kubectl`. Data goes one way through the modules:
//!
//! `manifest` (text to resources) → `adapter` (what a kind means) → `graph` →
//! `engine::survey` (reads through `exec`) → `diff` → `plan` →
//! `engine::apply` → `journal`, `state` (kept by `store`) → `report`, `cli`.
//!
//! `docs/ARCHITECTURE.md` is the map; `tests/architecture.rs` holds the modules
//! to it.

pub mod access;
pub mod adapter;
pub mod address;
pub mod cli;
pub mod command;
pub mod diff;
pub mod engine;
pub mod exec;
pub mod graph;
pub mod journal;
pub mod limits;
pub mod manifest;
mod parallel;
pub mod plan;
pub mod quote;
pub mod report;
pub mod sandbox;
pub mod seeded;
pub mod state;
pub mod store;
pub mod value;
