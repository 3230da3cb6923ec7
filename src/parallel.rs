//! The same work for each of many things, on all cores.
//!
//! Results come in the order of the things, so nothing shows how many cores
//! there were. This module must not know what the work is.

use std::num::NonZero;
use std::thread;

/// Fewer things than this are not worth a thread.
const FEW: usize = 256;
/// More threads than this only contend for memory.
const MOST_THREADS: usize = 8;

/// Does the work for each thing.
pub(crate) fn each<T: Send, R: Send>(things: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    if cores == 1 || things.len() < FEW {
        return things.into_iter().map(work).collect();
    }
    let share = things.len().div_ceil(cores);
    let mut things = things.into_iter();
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|_| {
                let part: Vec<T> = things.by_ref().take(share).collect();
                scope.spawn(move || part.into_iter().map(work).collect::<Vec<R>>())
            })
            .collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(results) => results,
            // A bug in the work is a bug here too.
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        for count in [0, 1, FEW, 10_007] {
            let things: Vec<usize> = (0..count).collect();
            let twice: Vec<usize> = things.iter().map(|thing| thing * 2).collect();
            assert_eq!(each(things, |thing| thing * 2), twice);
        }
    }
}
