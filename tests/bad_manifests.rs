//! Every kind of bad input, with the text that people get to see.
//!
//! A case is a directory in `tests/bad-manifests`: manifests, `expected.txt`,
//! and, where the case needs them, `args.txt` with one argument a line
//! (`--var NAME=VALUE`, `--var-file FILE`, `--region REGION`, `--sandbox`).
//! `LKH_ACCEPT=1 cargo test --test bad_manifests` writes what is said now; read
//! the difference before you commit it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use std::fs;
use std::path::Path;

use lkh::manifest::load::load;
use lkh::manifest::variables::VariableInputs;

fn inputs(case: &Path) -> VariableInputs {
    let mut inputs = VariableInputs::default();
    for line in fs::read_to_string(case.join("args.txt")).unwrap_or_default().lines() {
        match line.split_once(' ') {
            Some(("--var", assignment)) => inputs.assignments.push(assignment.to_owned()),
            Some(("--var-file", file)) => inputs.files.push(case.join(file)),
            Some(("--region", region)) => inputs.region = Some(region.to_owned()),
            Some(_) => assert_eq!(line, "", "{}: an argument", case.display()),
            None => {
                assert_eq!(line, "--sandbox", "{}: an argument", case.display());
                inputs.sandbox = Some(true);
            }
        }
    }
    inputs
}

/// How many files of a case are told of. Where a case has many, every one of
/// them is hostile and must be.
fn told_files(case: &Path, folder: &Path, said: &str) -> usize {
    let mut told = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            told += told_files(case, &path, said);
        } else if !matches!(name, "expected.txt" | "args.txt") {
            let is_told = said.contains(&format!("{}:", path.display()));
            told += usize::from(is_told);
            let many = fs::read_dir(case).unwrap().count() > 12;
            assert!(is_told || !many || name == "stack.yaml", "{} passes", path.display());
        }
    }
    told
}

#[test]
fn bad_input_is_explained() {
    let accept = std::env::var_os("LKH_ACCEPT").is_some();
    let root = Path::new("tests/bad-manifests");
    let mut cases: Vec<_> = fs::read_dir(root).unwrap().map(|case| case.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 40, "the cases are there");
    let mut wrong = Vec::new();
    let mut told_of = 0;
    for case in cases {
        let said = match load(&case, &inputs(&case)) {
            Ok(stack) => format!("nothing is wrong with the stack {}\n", stack.name),
            Err(diagnostics) => diagnostics.render(false),
        };
        let path = case.join("expected.txt");
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if accept && said != expected {
            fs::write(&path, &said).unwrap();
        } else if said != expected {
            let difference = similar::TextDiff::from_lines(&expected, &said);
            wrong.push(format!("{}:\n{}", case.display(), difference.unified_diff()));
        }
        told_of += told_files(&case, &case, &said);
        assert!(!said.contains("canary"), "{} shows a secret", case.display());
    }
    assert!(told_of >= 370, "{told_of} files of the corpus are told of");
    assert!(wrong.is_empty(), "{}\n{} cases differ", wrong.join("\n"), wrong.len());
}
