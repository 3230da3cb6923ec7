//! What a change of a manifest leads to, for every kind: a table a kind
//! (`tests/changes/KIND.yaml`), a trial a row.
//!
//! A table holds the spec of a resource as it is applied first, and rows that
//! change it: a field that becomes another one, a manifest that is removed, that
//! gets another name, that becomes external. Each row says what the plan must
//! say of it: action, reason, the fields that differ (and whether one of them
//! makes the object anew), the commands, what blocks. Then the row is applied,
//! and the next plan must have no changes; where it is blocked, nothing may be
//! done to the resource, and with the manifest as it was there is nothing to do.
//!
//! Every field of a kind's JSON Schema must differ in some row, or stand in the
//! table's `exempt` with the reason.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]

#[path = "../support/account.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod account;
mod fields;
mod rows;
mod table;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use account::Account;
use libtest_mimic::{Arguments, Failed, Trial};
use lkh::adapter::Kind;
use table::Table;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for kind in Kind::ALL {
        let name = kind.as_str();
        let Some(table) = Table::of(*kind) else {
            trials.push(Trial::test(format!("{name} has a table"), move || {
                Err(Failed::from(format!("write tests/changes/{name}.yaml")))
            }));
            continue;
        };
        let table = Arc::new(table);
        let whole = Arc::clone(&table);
        trials.push(Trial::test(format!("{name}: every field"), move || fields::check(&whole)));
        let first: Arc<OnceLock<Account>> = Arc::default();
        for (number, row) in table.rows.iter().enumerate() {
            let (table, first) = (Arc::clone(&table), Arc::clone(&first));
            trials.push(Trial::test(format!("{name} {number}: {}", row.title()), move || {
                rows::check(&table, &table.rows[number], &first)
            }));
        }
    }
    trials.push(Trial::test("no table is of no kind", table::no_others));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
