//! A panic: a mistake of this program, said as one.
//!
//! The message of a panic may hold any value, so only one that was written into
//! the program is repeated. This module must not try to go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use super::{code, complain};

/// Runs the program; a panic in it is told and ends with an error.
pub(super) fn guarded(run: impl FnOnce() -> u8) -> u8 {
    std::panic::set_hook(Box::new(|panic| complain(&told(panic.payload(), panic.location()))));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(code::ERROR)
}

fn told(payload: &dyn Any, location: Option<&Location<'_>>) -> String {
    let place = location.map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    // A text that is put together at run time may hold a secret.
    let why = payload.downcast_ref::<&'static str>();
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    format!(
        "lkh {} made a mistake of its own at {place}{why} and stopped there\n\
         What was begun is in the apply log: run the same command again, it reads before it goes \
         on. Please report this place.",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn only_what_the_program_says_itself_is_repeated() {
        assert!(told(&"no such case", None).contains("at an unknown place (no such case) and"));
        let made = told(&format!("bad value {}", "hunter2"), None);
        assert!(!made.contains("hunter2") && made.contains("an unknown place and"), "{made}");
    }
}
