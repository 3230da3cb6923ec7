//! A simulated AWS account and EKS cluster that answers the same commands as
//! the real tools: their JSON, their error texts, their exit codes.
//!
//! Data goes one way: `Sandbox::run` picks the tool, the tool (`aws`, `helm`,
//! `kubectl`) parses the argv and reads or changes the `World`; the file keeps
//! the world's changes. Nothing here knows manifests, plans or state.

pub mod aws;
pub mod cluster;
pub mod file;
pub mod world;

/// What a simulated command answers, in the shape of a finished process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// A success with this on standard output.
    pub fn ok(stdout: impl Into<Vec<u8>>) -> Self {
        Self { code: 0, stdout: stdout.into(), stderr: Vec::new() }
    }

    /// A failure with this on standard error.
    pub fn failed(code: i32, stderr: impl Into<Vec<u8>>) -> Self {
        Self { code, stdout: Vec::new(), stderr: stderr.into() }
    }
}
