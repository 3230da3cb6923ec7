//! The process's entry and exit code, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    lkh::cli::main()
}
