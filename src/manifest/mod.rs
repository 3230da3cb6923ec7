//! Manifests: YAML text to typed resources, with the place of every key.
//!
//! The way of a directory: `files` reads it, `encoding` makes texts of bytes,
//! `yaml` documents of texts, `resource` and `stack` declarations of documents,
//! `variables` gives variables their values, `translate` puts them into the
//! specs, `schema` and the adapters check these, `links` checks how resources
//! hang together. `load` joins all of this into a [`stack::Stack`], or into
//! [`diagnostic::Diagnostics`] with everything that is wrong. This module must
//! not know the engine, and nothing in it but `files` touches the disk.

pub mod bucket;
pub mod declaration;
pub mod diagnostic;
mod encoding;
mod field;
pub mod files;
mod links;
pub mod load;
pub mod lock;
pub mod node;
pub mod outputs;
pub mod resource;
mod scalar;
pub mod schema;
mod shape;
pub mod source;
pub mod stack;
pub mod template;
mod translate;
pub mod variables;
pub mod when;
mod wording;
pub mod written;
pub mod yaml;
