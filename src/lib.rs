//! `lkh` installs a data lakehouse on AWS EKS and keeps it as declared.

pub mod adapter;
pub mod address;
pub mod command;
pub mod diff;
pub mod exec;
pub mod graph;
pub mod journal;
pub mod manifest;
pub mod plan;
pub mod sandbox;
pub mod state;
pub mod store;
pub mod value;
