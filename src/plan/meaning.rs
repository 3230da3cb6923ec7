//! What a plan means, as a digest that people approve.
//!
//! Two plans mean the same when an apply would do the same: to the same
//! resources, with the same commands, for the same differences. Wording
//! (reasons, notes, titles, phases), the order in a file, what others own and
//! what is not ready do not count. Of a sensitive value only that it is one
//! counts: a digest of a short secret can be guessed. That such a value
//! *changes* is in the plan as a field that differs; which value it gets is
//! not, and whoever gives it to the apply answers for it. This module must not
//! know how a plan is made or shown.

use super::{Action, Change, Mode, Plan, PlannedCommand};
use crate::parallel::each;
use crate::value::encoding::{encode, encode_text};
use crate::value::{Digest, Value};

/// So many hexadecimal digits of a hash are enough to approve by.
const ENOUGH: usize = 16;

impl Plan {
    /// The digest of what an apply would do.
    pub fn meaning(&self) -> Digest {
        let mut bytes = Vec::new();
        encode_text(b'v', "lkh plan 1", &mut bytes);
        encode_text(b'm', mode_word(self.mode), &mut bytes);
        encode_text(b'S', &self.stack, &mut bytes);
        encode_text(b'A', &self.account, &mut bytes);
        encode_text(b'R', &self.region, &mut bytes);
        let mut targets: Vec<&String> = self.targets.iter().collect();
        targets.sort();
        encode_all(targets, |target, bytes| encode_text(b'T', target, bytes), &mut bytes);
        let mut changes: Vec<Vec<u8>> = each(self.changes.iter().collect(), |change| {
            let mut bytes = Vec::new();
            encode_change(change, &mut bytes);
            bytes
        });
        changes.sort();
        encode_all(&changes, |change, bytes| bytes.extend(change), &mut bytes);
        Digest::of(&bytes)
    }

    /// The digest of what a saved plan would do and of all that it is bound to,
    /// so that the apply log can tell whether it was applied. Wording does not
    /// count here either.
    pub fn binding(&self) -> Digest {
        let mut bytes = Vec::new();
        for part in [
            self.meaning().as_str(),
            self.manifests.as_str(),
            self.lineage.as_deref().unwrap_or(""),
            &self.serial.to_string(),
            self.after.as_deref().unwrap_or(""),
        ] {
            encode_text(b'b', part, &mut bytes);
        }
        Digest::of(&bytes)
    }

    /// Whether what is planned involves a value that the plan does not hold.
    pub fn has_sensitive(&self) -> bool {
        let holds = |value: &Option<Value>| value.as_ref().is_some_and(Value::has_sensitive);
        self.changes.iter().any(|change| {
            change.fields.iter().any(|field| holds(&field.before) || holds(&field.after))
                || change.commands.iter().any(|command| holds(&command.input))
        })
    }
}

/// A hash that someone approved: the whole of it, or its first digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedHash(String);

impl std::str::FromStr for ApprovedHash {
    type Err = String;

    /// Takes the hash with or without `sha256:` before it, whole or from its
    /// beginning; fewer than 16 digits could be those of another plan.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err("it is not a plan hash: `lkh plan` prints one at its end".to_owned());
        }
        if digits.len() < ENOUGH {
            return Err(format!("it is too short: give all of it, or at least {ENOUGH} digits"));
        }
        if digits.len() > 64 {
            return Err("it is too long: a plan hash has 64 digits".to_owned());
        }
        Ok(Self(digits))
    }
}

impl ApprovedHash {
    /// Whether this is the hash of a meaning.
    pub fn is_of(&self, meaning: &Digest) -> bool {
        let digits = meaning.as_str().strip_prefix("sha256:");
        digits.is_some_and(|digits| digits.starts_with(&self.0))
    }
}

impl std::fmt::Display for ApprovedHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

fn encode_change(change: &Change, bytes: &mut Vec<u8>) {
    // Every part is named, so that a new one can't be forgotten here.
    let Change {
        address,
        phase: _,
        identity,
        action,
        reason: _,
        fields,
        foreign: _,
        before: _,
        after: _,
        notes: _,
        commands,
        depends_on,
        prevent_destroy,
        blockers: _,
    } = change;
    encode_text(b'a', &address.to_string(), bytes);
    encode(&Value::Map(identity.0.clone()), bytes);
    encode_text(b'd', action_word(*action), bytes);
    let mut fields: Vec<Vec<u8>> = fields
        .iter()
        .map(|field| {
            let mut bytes = Vec::new();
            encode_all(field.path.segments(), |s, bytes| encode_text(b'p', s, bytes), &mut bytes);
            for side in [&field.before, &field.after] {
                match side {
                    Some(value) => encode(value, &mut bytes),
                    None => bytes.push(b'-'),
                }
            }
            bytes
        })
        .collect();
    fields.sort();
    encode_all(&fields, |field, bytes| bytes.extend(field), bytes);
    encode_all(commands, encode_command, bytes);
    encode_all(depends_on, |other, bytes| encode_text(b'o', &other.to_string(), bytes), bytes);
    bytes.push(u8::from(*prevent_destroy));
}

fn encode_command(command: &PlannedCommand, bytes: &mut Vec<u8>) {
    let PlannedCommand { title: _, argv, input } = command;
    encode_all(argv, |word, bytes| encode_text(b'w', word, bytes), bytes);
    match input {
        Some(document) => encode(document, bytes),
        None => bytes.push(b'-'),
    }
}

/// Writes several things, and first how many.
fn encode_all<T>(
    all: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    mut each: impl FnMut(T, &mut Vec<u8>),
    bytes: &mut Vec<u8>,
) {
    let all = all.into_iter();
    bytes.push(b'#');
    bytes.extend((all.len() as u64).to_le_bytes());
    for one in all {
        each(one, bytes);
    }
}

// The words are fixed here: a hash outlives how a plan is written.

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Apply => "apply",
        Mode::Destroy => "destroy",
    }
}

fn action_word(action: Action) -> &'static str {
    match action {
        Action::NoOp => "no-op",
        Action::Create => "create",
        Action::Adopt => "adopt",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Repair => "repair",
        Action::Delete => "delete",
        Action::Forget => "forget",
        Action::Check => "check",
        Action::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests;
