//! Manifests: YAML text to typed resources, with the place of every key.

pub mod diagnostic;
mod encoding;
pub mod node;
mod scalar;
pub mod source;
pub mod yaml;
