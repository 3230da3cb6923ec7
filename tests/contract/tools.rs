//! Which real tools there are, as `tests/tools/install` left them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::world::Backend;

/// The image that `tests/tools/docker-image` makes.
pub const IMAGE: &str = "lkh-toolbox-test:latest";

/// The folder of the tools.
pub struct Tools {
    folder: PathBuf,
    docker: OnceLock<Option<String>>,
}

impl Tools {
    /// The tools of `tests/run`, or those of the work tree.
    pub fn find() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = std::env::var_os("LKH_TEST_TOOLS")
            .filter(|value| !value.is_empty())
            .map_or_else(|| root.join("target/tools"), PathBuf::from);
        Self { folder: folder.join("bin"), docker: OnceLock::new() }
    }

    /// A program's file.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Why a program can't be used.
    pub fn lacks(&self, name: &str) -> Option<String> {
        let file = self.program(name);
        let there = std::fs::metadata(&file)
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
        (!there).then(|| format!("no {}: run tests/tools/install", file.display()))
    }

    /// Why a backend can't be used.
    pub fn missing(&self, backend: Backend) -> Option<String> {
        let tools =
            || ["aws", "ministack", "helm", "kubectl"].iter().find_map(|tool| self.lacks(tool));
        match backend {
            Backend::Sandbox => None,
            Backend::Real => tools(),
            Backend::Docker => tools().or_else(|| self.docker.get_or_init(no_docker).clone()),
        }
    }
}

/// Why no container can be started.
fn no_docker() -> Option<String> {
    let asks = |args: &[&str]| match Command::new("docker").args(args).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("docker: {error}")),
    };
    asks(&["version"]).map(|why| format!("no Docker engine answers: {why}")).or_else(|| {
        asks(&["image", "inspect", IMAGE])
            .map(|why| format!("no toolbox image, run tests/tools/docker-image: {why}"))
    })
}
