//! Bytes that nobody meant: everything that `lkh` reads is read from a corpus,
//! and from what becomes of the corpus when its bytes are changed at random. No
//! reader may panic, and what a reader takes in must say the same when it is
//! written and read again (`targets.rs`).
//!
//! The changes follow from a seed, so every run is the same. Each target takes
//! `LKH_FUZZ_RUNS` changed inputs (300 without it); the seed is `LKH_FUZZ_SEED`.
//! A failure names the seed file and prints the input; put it into the corpus.
//! `fuzz/run` looks further: the same targets under libFuzzer, which follows
//! what the code covers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that can't go on fails, and says why"
)]

mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Numbers that look random and follow from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// Pieces that matter to one of the readers.
const PIECES: &[&[u8]] = &[
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\"\"",
    b"[]",
    b"{}",
    b"[[[[",
    b"{\"a\":",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b"---\n",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!x ",
    b"${var.",
    b"${",
    b"}",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"(",
    b")",
    b": ",
    b"An error occurred (",
    b" operation",
    b"sha256:",
    b"formatVersion",
];

fn changed(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(24)).min(bytes.len());
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(200)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            5 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
    bytes
}

/// Reads the corpus of a target, then what becomes of it.
fn fuzz(target: &str, read: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "{target} has {} seeds", files.len());
    let seeds: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |text| text.parse().expect(name))
    };
    let mut random = Random(number("LKH_FUZZ_SEED", 1));
    let check = |what: &str, input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| read(input))) {
            eprintln!("{target}: {what}: {:?}", String::from_utf8_lossy(input));
            std::panic::resume_unwind(panic);
        }
    };
    for (file, seed) in files.iter().zip(&seeds) {
        check(&file.display().to_string(), seed);
    }
    for run in 0..number("LKH_FUZZ_RUNS", 300) {
        check(&format!("run {run}"), &changed(&seeds, &mut random));
    }
}

#[test]
fn manifests() {
    fuzz("manifest", targets::manifests());
}

#[test]
fn stacks() {
    fuzz("manifest", targets::stacks());
}

#[test]
fn files_of_variables() {
    fuzz("variables", targets::files_of_variables());
}

#[test]
fn states() {
    fuzz("state", targets::states());
}

#[test]
fn apply_logs() {
    fuzz("journal", targets::apply_logs());
}

#[test]
fn saved_plans() {
    fuzz("plan", targets::saved_plans());
}

#[test]
fn answers_of_the_tools() {
    fuzz("answers", targets::answers_of_the_tools());
}

#[test]
fn errors_of_the_tools() {
    fuzz("errors", targets::errors_of_the_tools());
}
