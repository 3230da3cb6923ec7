//! Manifests: YAML text to typed resources, with the place of every key.

pub mod diagnostic;
mod encoding;
mod files;
mod links;
pub mod load;
pub mod node;
mod parallel;
pub mod resource;
mod scalar;
pub mod schema;
mod shape;
pub mod source;
pub mod stack;
pub mod template;
pub mod variables;
pub mod yaml;
