//! Who made a toolbox container, a private folder or a lock, and whether that
//! process still lives: marks that a later run can read. When in doubt, it
//! lives.

use std::fs;

use serde::{Deserialize, Serialize};

/// What the name of every private folder begins with.
const FOLDER: &str = "lkh-run-";

/// The process that something of a run's belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The host's name, for people.
    pub host: String,
    /// The host's boot: process ids mean nothing outside it.
    pub boot: String,
    /// The namespace of the process id.
    pub space: String,
    /// The user: those of others may be hidden from this one.
    pub user: u32,
    /// The process id.
    pub pid: u32,
    /// When that process started, in the kernel's ticks since boot: another
    /// process with the same id started at another time.
    pub started: String,
}

impl Owner {
    /// This process.
    pub fn this() -> Self {
        let read = |path: &str| {
            fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            space: fs::read_link("/proc/self/ns/pid")
                .map(|link| link.to_string_lossy().into_owned())
                .unwrap_or_default(),
            user: rustix::process::getuid().as_raw(),
            pid,
            started: start_of(pid).unwrap_or_default(),
        }
    }

    /// The labels of a container of this owner's, without the run.
    pub fn labels(&self) -> [(&'static str, String); 6] {
        [
            ("lkh.host", self.host.clone()),
            ("lkh.boot", self.boot.clone()),
            ("lkh.pidns", self.space.clone()),
            ("lkh.uid", self.user.to_string()),
            ("lkh.pid", self.pid.to_string()),
            ("lkh.started", self.started.clone()),
        ]
    }

    /// The beginning of the name of a folder of this owner's.
    pub fn folder_prefix(&self) -> String {
        let digits = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect();
        let (boot, space): (String, String) = (digits(&self.boot), digits(&self.space));
        format!("{FOLDER}{boot}-{space}-{}-{}-{}-", self.user, self.pid, self.started)
    }

    /// Whether a folder of this name belonged to a process of this user's that
    /// is proven to be gone, as seen by `self`, which is this process.
    pub fn outlived_folder(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(FOLDER) else { return false };
        let [boot, space, user, pid, started, _] = rest.split('-').collect::<Vec<_>>()[..] else {
            return false;
        };
        let (Ok(user), Ok(pid)) = (user.parse(), pid.parse()) else { return false };
        let there = Self { user, pid, started: started.to_owned(), ..self.clone() };
        // The same boot and space, by the part of them that a name holds.
        let comparable = there.folder_prefix().starts_with(&format!("{FOLDER}{boot}-{space}-"));
        comparable && there.is_gone(self)
    }

    /// Whether `self`, read from a container's labels, is proven to be gone,
    /// as seen by `this` process.
    pub fn is_gone(&self, this: &Owner) -> bool {
        let comparable = !self.boot.is_empty()
            && !self.space.is_empty()
            && !self.started.is_empty()
            && self.user == this.user
            && self.boot == this.boot
            && self.space == this.space;
        comparable && start_of(self.pid).is_none_or(|started| started != self.started)
    }
}

/// When a process started. `None`: there is none with this id.
fn start_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; after the last one the state is
    // field 3, and the start time is field 22.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proven_death_counts() {
        let this = Owner::this();
        assert!(!this.started.is_empty() && !this.boot.is_empty() && !this.space.is_empty());
        assert!(!this.is_gone(&this));
        let reused = Owner { started: "1".into(), ..this.clone() };
        assert!(reused.is_gone(&this), "the id belongs to another process now");
        let ended = Owner { pid: u32::MAX, ..this.clone() };
        assert!(ended.is_gone(&this));
        for unknown in [
            Owner { boot: "another".into(), ..ended.clone() },
            Owner { space: "another".into(), ..ended.clone() },
            Owner { started: String::new(), ..ended.clone() },
            Owner { user: this.user + 1, ..ended.clone() },
        ] {
            assert!(!unknown.is_gone(&this), "{unknown:?}");
            assert!(!this.outlived_folder(&format!("{}AbC", unknown.folder_prefix())));
        }
        assert!(this.outlived_folder(&format!("{}AbC", ended.folder_prefix())));
        assert!(!this.outlived_folder(&format!("{}AbC", this.folder_prefix())));
        assert!(!this.outlived_folder("lkh-run-x") && !this.outlived_folder("tmp"));
    }
}
