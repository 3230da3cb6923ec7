//! `lkh` installs a data lakehouse on AWS EKS and keeps it as declared.
pub mod sandbox;
