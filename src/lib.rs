//! `lkh` installs a data lakehouse on AWS EKS and keeps it as declared.

pub mod adapter;
pub mod address;
pub mod command;
pub mod diff;
pub mod manifest;
pub mod sandbox;
pub mod value;
