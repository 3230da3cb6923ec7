//! What the durable part of the apply log says of intents, read line by line as
//! it grows. It reads the log by itself, not with the program's own reader.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// The intents of the log so far.
#[derive(Debug, Default)]
pub struct Intents {
    seen: usize,
    first: Vec<u8>,
    /// The commands of open intents, by operation.
    open: BTreeMap<u64, String>,
}

impl Intents {
    /// Takes in what the log holds now.
    pub fn take_in(&mut self, log: &[u8]) {
        // Another log, or one that lost its end: from the beginning.
        let head = &log[..log.len().min(200)];
        if log.len() < self.seen || !head.starts_with(&self.first) {
            *self = Self::default();
        }
        let whole = log.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        for line in log[self.seen.min(whole)..whole].split(|&byte| byte == b'\n') {
            self.line(line);
        }
        self.seen = whole;
        self.first = head.to_vec();
    }

    fn line(&mut self, line: &[u8]) {
        let Some(start) = line.iter().position(|&byte| byte == b'{') else { return };
        let Some(end) = line.iter().rposition(|&byte| byte == b'}') else { return };
        let Ok(json) = serde_json::from_slice::<Json>(&line[start..=end]) else { return };
        let operation = json["operation"].as_u64();
        match (json["event"].as_str(), operation) {
            (Some("intended"), Some(operation)) => {
                let command = json["command"].as_str().unwrap_or_default().to_owned();
                self.open.insert(operation, command);
            }
            (Some("finished"), Some(operation)) => drop(self.open.remove(&operation)),
            (Some("runStarted"), _) => self.open.clear(),
            _ => {}
        }
    }

    pub fn has_open(&self, command: &str) -> bool {
        self.open.values().any(|open| open == command)
    }
}
