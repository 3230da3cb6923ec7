//! Mistakes that can be switched on, to see that the tests find them.
//!
//! Only a build with the feature `seeded-bugs` can: in every other build the
//! question is a constant no, and nothing of this is in the program. This module
//! must not be asked for anything but one of the mistakes it lists.

/// A mistake that someone could make in this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A new state is renamed into place without being synced.
    StateNotSynced,
    /// The directory is not synced after a rename.
    DirectoryNotSynced,
    /// The state is written in place.
    StateInPlace,
    /// A line of the apply log is not synced.
    LogNotSynced,
    /// The intent is logged after the command ran.
    IntentAfterCommand,
    /// A state or log that can't be written is taken for written.
    WriteErrorSwallowed,
    /// A read that failed counts as absence.
    UnreadIsAbsent,
    /// What a fresh read shows is not compared with what the plan saw.
    MovedIgnored,
    /// Nothing waits for what it depends on.
    OrderIgnored,
    /// A read after a change is answered from memory.
    StaleReads,
    /// A command whose outcome is unknown is run again.
    UnknownRepeated,
    /// A resource leaves the state before its object is gone.
    ForgottenTooEarly,
    /// What is as declared counts as ready.
    ReadinessIgnored,
    /// A run that left something not ready exits with 0.
    NotReadyIsGood,
    /// The links between the lines of the log are not checked.
    ChainUnchecked,
    /// The state's checksum is not checked.
    ChecksumUnchecked,
    /// A saved plan's commands are not compared with those of now.
    CommandsUnchecked,
    /// The lock is not taken.
    LockIgnored,
    /// What others own is removed.
    ForeignRemoved,
    /// Nothing is redacted.
    NothingRedacted,
    /// The serial stays when the state is written.
    SerialKept,
    /// A failed command counts as done.
    FailureSwallowed,
    /// A task that reads a resource ends in a panic.
    TaskPanics,
}

#[cfg(feature = "seeded-bugs")]
impl Bug {
    /// Every mistake.
    pub const ALL: &[Self] = &[
        Self::StateNotSynced,
        Self::DirectoryNotSynced,
        Self::StateInPlace,
        Self::LogNotSynced,
        Self::IntentAfterCommand,
        Self::WriteErrorSwallowed,
        Self::UnreadIsAbsent,
        Self::MovedIgnored,
        Self::OrderIgnored,
        Self::StaleReads,
        Self::UnknownRepeated,
        Self::ForgottenTooEarly,
        Self::ReadinessIgnored,
        Self::NotReadyIsGood,
        Self::ChainUnchecked,
        Self::ChecksumUnchecked,
        Self::CommandsUnchecked,
        Self::LockIgnored,
        Self::ForeignRemoved,
        Self::NothingRedacted,
        Self::SerialKept,
        Self::FailureSwallowed,
        Self::TaskPanics,
    ];
}

/// Whether a mistake is made in this process: the one that the variable
/// `LKH_SEEDED_BUG` names.
#[cfg(feature = "seeded-bugs")]
pub fn is(bug: Bug) -> bool {
    use std::sync::OnceLock;
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    CHOSEN
        .get_or_init(|| std::env::var("LKH_SEEDED_BUG").ok())
        .as_ref()
        .is_some_and(|name| *name == format!("{bug:?}"))
}

/// Ends the task in a panic, if that is the mistake.
///
/// # Panics
/// Then.
#[cfg(feature = "seeded-bugs")]
pub fn panics(bug: Bug) {
    assert!(!is(bug), "{bug:?}, as asked for");
}

/// Nothing: no mistake is made in this build.
#[cfg(not(feature = "seeded-bugs"))]
pub const fn panics(_: Bug) {}

/// Whether a mistake is made in this process: never.
#[cfg(not(feature = "seeded-bugs"))]
pub const fn is(_: Bug) -> bool {
    false
}
