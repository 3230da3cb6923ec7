//! Tasks side by side, as one.
//!
//! This module must not swallow a panic: a task that ended so said nothing of
//! its resource, and a resource that nobody mentions would count as good.

use tokio::task::JoinSet;

/// Waits for every task, and gives what they gave in the order of their ends.
///
/// # Panics
/// When one of them did; the others are ended.
pub(super) async fn all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut given = Vec::with_capacity(tasks.len());
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(one) => given.push(one),
            Err(error) => {
                // Nobody cancels a task: the set does when it is dropped.
                if let Ok(panic) = error.try_into_panic() {
                    drop(tasks);
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn every_task_is_waited_for() {
        let mut tasks = JoinSet::new();
        for number in 0..3 {
            tasks.spawn(async move { number });
        }
        let mut given = all(tasks).await;
        given.sort_unstable();
        assert_eq!(given, [0, 1, 2]);
    }

    #[tokio::test]
    #[should_panic(expected = "it went wrong")]
    async fn a_panic_ends_those_that_wait_for_it() {
        let mut tasks = JoinSet::new();
        tasks.spawn(tokio::time::sleep(Duration::from_secs(86_400)));
        tasks.spawn(async { panic!("it went wrong") });
        all(tasks).await;
    }
}
