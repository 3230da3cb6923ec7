//! The manifests of the lakehouse, as the repository has them, in the program.
//!
//! `build.rs` lists them at build time; nothing here knows what is in them.

use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::load::load_texts;
use crate::manifest::stack::Stack;
use crate::manifest::variables::VariableInputs;

/// Every file of `manifests/` by its path below it, in the order of the paths.
pub(crate) const FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/manifests.rs"));

/// The stack that they make.
///
/// # Errors
/// Everything that is wrong, most often with the variables.
pub(crate) fn stack(inputs: &VariableInputs) -> Result<Stack, Diagnostics> {
    load_texts(FILES, "the manifests in this program", inputs)
}
