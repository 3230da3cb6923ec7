//! Holds the modules to the map in `lib.rs`: who may use whom, who may touch
//! the outside, and what every file owes its reader.
//!
//! The test reads the sources as text. Comments and literals are blanked out
//! first, so that only code counts. A violation prints `file:line` and the
//! rule.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Which modules each module may use, besides itself. What is not here is
/// forbidden, so a new module or a new edge is a decision that this table
/// records.
///
/// Quotes, values, addresses and commands are words that everyone speaks. `adapter`,
/// `diff`, `graph`, `plan`, `state` and `journal` compute and nothing else. The
/// effects are `exec`, `sandbox`, `store` and `cli`; only `engine` joins the
/// two sides, and only `cli` knows all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("quote", &[]),
    ("seeded", &[]),
    ("value", &[]),
    ("limits", &[]),
    ("parallel", &[]),
    ("command", &["limits", "value"]),
    ("address", &["adapter", "quote"]),
    ("adapter", &["command", "diff", "quote", "value"]),
    ("diff", &["adapter", "seeded", "value"]),
    ("graph", &["address"]),
    ("journal", &["address", "seeded", "value"]),
    ("manifest", &["adapter", "address", "parallel", "quote", "value"]),
    ("state", &["adapter", "address", "seeded", "value"]),
    ("plan", &["adapter", "address", "command", "diff", "parallel", "seeded", "value"]),
    ("access", &["adapter", "address", "diff", "parallel", "plan", "value"]),
    ("store", &["command", "exec", "journal", "limits", "quote", "seeded", "state", "value"]),
    ("sandbox", &["command"]),
    ("exec", &["command", "quote", "sandbox", "seeded", "value"]),
    (
        "engine",
        &[
            "adapter", "address", "command", "diff", "exec", "graph", "journal", "manifest",
            "plan", "seeded", "state", "store", "value",
        ],
    ),
    (
        "report",
        &[
            "access", "adapter", "address", "diff", "engine", "journal", "manifest", "plan",
            "quote", "state", "value",
        ],
    ),
    (
        "cli",
        &[
            "adapter", "address", "command", "engine", "exec", "journal", "manifest", "plan",
            "quote", "report", "sandbox", "state", "store", "value",
        ],
    ),
    // The entry: it calls the command line.
    ("main", &["cli"]),
    ("lib", &[]),
];

/// In their tests, modules may name more to have something to talk about.
const MAY_USE_IN_TESTS: &[(&str, &[&str])] = &[
    ("graph", &["adapter"]),
    ("journal", &["adapter"]),
    // Its other side: a simulated bucket.
    ("store", &["address", "sandbox"]),
];

/// Modules whose work needs no effect. The table above must never let them
/// have one.
const PURE: &[&str] = &[
    "quote", "value", "command", "address", "adapter", "diff", "graph", "journal", "manifest",
    "state", "plan", "access",
];
const EFFECTS: &[&str] = &["exec", "store", "sandbox", "engine", "cli"];

/// Words that only some files may use: the word, where it is allowed, the rule.
const WORDS: &[(&[&str], &[&str], &str)] = &[
    (
        &["env::var", "env::vars", "env::var_os", "env::vars_os", "env::args", "env::home_dir"],
        // The mistakes that tests switch on are never in a release.
        &["cli/", "seeded.rs"],
        "only cli reads the environment",
    ),
    (
        &["println!", "print!", "eprintln!", "eprint!", "dbg!", "io::stdout", "io::stderr"],
        &["cli/"],
        "only cli prints",
    ),
    (&["io::stdin"], &["cli/"], "only cli reads standard input"),
    (&["process::exit"], &["cli/"], "only cli ends the process"),
    (
        &["process::Command", "Command::new("],
        // The last resort when a run is dropped: the container must go, and no
        // runtime is left to wait with.
        &["exec/process.rs", "exec/docker.rs"],
        "only exec::process starts processes",
    ),
    (
        &["serde_yaml"],
        &[
            // The manifests.
            "manifest/yaml.rs",
            // What Helm prints is YAML: rendered objects, a chart's metadata.
            "adapter/helm_release/manifest.rs",
            "adapter/helm_release/read.rs",
            // The lock file, which no manifest can be.
            "manifest/lock.rs",
            // Charts on disk are YAML, and the sandbox's Helm prints YAML.
            "sandbox/charts/local.rs",
            "sandbox/charts/yaml.rs",
        ],
        "only these files know the YAML crate",
    ),
    (
        &["tokio::"],
        &["engine/", "exec/", "cli/"],
        "only engine, exec and cli know the async runtime",
    ),
    (
        &["fs::write", "fs::create_dir", "fs::remove", "fs::rename", "File::create", "OpenOptions"],
        &["store/", "exec/", "sandbox/file.rs", "cli/"],
        "only store, exec, cli and the sandbox's file write files",
    ),
    (
        &["Timestamp::now", "SystemTime::now", "Instant::now", "Zoned::now"],
        &["engine/", "exec/", "cli/", "sandbox/file.rs"],
        "only engine, exec, cli and the sandbox's file read the clock",
    ),
    (&["HashMap", "HashSet"], &[], "BTreeMap and BTreeSet: the same input gives the same bytes"),
    (&["#[ignore"], &[], "a test that does not run says nothing"),
    (&["unsafe "], &[], "no unsafe code"),
];

/// The most lines of a file.
const MAX_LINES: usize = 500;

/// Files that are longer, each with its reason and its own limit.
const LONG_FILES: &[(&str, usize, &str)] = &[
    ("cli/session.rs", 560, "what every command that reads or changes begins with"),
    ("engine/apply.rs", 590, "one resource's way through an apply, from re-read to evidence"),
    ("engine/survey.rs", 540, "one resource's way through a plan"),
    ("manifest/load.rs", 545, "the steps from files to a checked stack, in their order"),
    ("plan/decide.rs", 520, "the table of what is done when"),
    ("sandbox/aws/eks/nodegroups.rs", 560, "one fleet of machines, from its call to its nodes"),
    ("sandbox/helm/tests.rs", 780, "one story per Helm command"),
    ("sandbox/kubectl/mod.rs", 540, "one dispatch over kubectl's commands"),
    ("sandbox/kubectl/table.rs", 540, "one table of columns per kind"),
    ("sandbox/kubectl/tests.rs", 580, "one story per kubectl command"),
    ("value.rs", 540, "one type with all its laws and their tests"),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "shared"];

/// A source file, code only.
struct Source {
    /// Below `src/`.
    path: String,
    text: String,
    code: String,
    /// The first line (from 0) that is only compiled for tests.
    tests_from: usize,
}

impl Source {
    /// The top-level module that the file belongs to.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or("").trim_end_matches(".rs")
    }

    /// How many names lie between the crate's root and this file's module.
    fn depth(&self) -> usize {
        let trimmed = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        if matches!(trimmed, "lib" | "main") { 0 } else { trimmed.split('/').count() }
    }

    fn is_test(&self, line: usize) -> bool {
        line >= self.tests_from
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(source(path, text));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 100, "the sources were not found");
    sources
}

fn source(path: String, text: String) -> Source {
    let code = code_of(&text);
    let of_tests = path.split('/').any(|part| {
        part == "tests" || part == "testing.rs" || part.trim_end_matches(".rs").ends_with("tests")
    });
    let lines: Vec<_> = code.lines().collect();
    let inline = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    let tests_from = if of_tests { 0 } else { inline.unwrap_or(lines.len()) };
    Source { path, text, code, tests_from }
}

/// The text with every comment and the inside of every literal blanked out.
/// Lines stay where they are.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut code = String::with_capacity(text.len());
    let mut index = 0;
    let blank = |code: &mut String, c: char| code.push(if c == '\n' { '\n' } else { ' ' });
    while index < chars.len() {
        let previous = if index == 0 { ' ' } else { at(index - 1) };
        let in_word = previous.is_alphanumeric() || previous == '_';
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '/' if at(index + 1) == '*' => {
                let mut depth = 0;
                loop {
                    if at(index) == '/' && at(index + 1) == '*' {
                        depth += 1;
                        index += 2;
                    } else if at(index) == '*' && at(index + 1) == '/' {
                        depth -= 1;
                        index += 2;
                    } else {
                        blank(&mut code, at(index));
                        index += 1;
                    }
                    if depth == 0 || index >= chars.len() {
                        break;
                    }
                }
            }
            'r' if !in_word && raw_string(&chars, index).is_some() => {
                let hashes = raw_string(&chars, index).unwrap_or(0);
                index += hashes + 2;
                let closes = |from: usize| {
                    at(from) == '"' && (1..=hashes).all(|offset| at(from + offset) == '#')
                };
                while index < chars.len() && !closes(index) {
                    blank(&mut code, at(index));
                    index += 1;
                }
                index += hashes + 1;
            }
            '"' => {
                index += 1;
                while index < chars.len() && at(index) != '"' {
                    if at(index) == '\\' {
                        blank(&mut code, at(index));
                        index += 1;
                    }
                    blank(&mut code, at(index));
                    index += 1;
                }
                index += 1;
            }
            // A character, not a lifetime.
            '\'' if at(index + 1) == '\\' || at(index + 2) == '\'' => {
                index += if at(index + 1) == '\\' { 3 } else { 2 };
                while index < chars.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            other => {
                code.push(other);
                index += 1;
            }
        }
    }
    code
}

/// How many `#` a raw string that begins here has.
fn raw_string(chars: &[char], index: usize) -> Option<usize> {
    let rest = chars.get(index + 1..)?;
    let hashes = rest.iter().take_while(|&&c| c == '#').count();
    (rest.get(hashes) == Some(&'"')).then_some(hashes)
}

/// The top-level modules that the code names by `crate::` or enough `super::`,
/// each with its line (from 0).
fn uses(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // The inline modules that are open, by the indentation of their braces.
    let mut inline: Vec<usize> = Vec::new();
    let mut start = 0;
    for (number, line) in source.code.lines().enumerate() {
        let indentation = line.len() - line.trim_start().len();
        if line.trim() == "}" && inline.last() == Some(&indentation) {
            inline.pop();
        }
        let depth = source.depth() + inline.len();
        for (position, _) in line.match_indices("crate::") {
            let before = line.get(..position).and_then(|text| text.chars().next_back());
            if before.is_none_or(|c| !c.is_alphanumeric() && c != '_') {
                let rest = source.code.get(start + position + "crate::".len()..).unwrap_or("");
                found.extend(first_names(rest).into_iter().map(|name| (number, name)));
            }
        }
        let supers = "super::".repeat(depth);
        if depth > 0
            && let Some(position) = line.find(&supers)
        {
            let rest = source.code.get(start + position + supers.len()..).unwrap_or("");
            found.extend(first_names(rest).into_iter().map(|name| (number, name)));
        }
        let words = line.trim_start();
        let opens = words.starts_with("mod ") || words.starts_with("pub mod ");
        if opens && line.ends_with('{') {
            inline.push(indentation);
        }
        start += line.len() + 1;
    }
    found
}

/// The names that follow a `crate::`: one, or those on the first level of the
/// braces.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut depth = 0;
    let mut names = vec![name(group)];
    for (position, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(group.get(position + 1..).unwrap_or(""))),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Fails with all violations, if there are any.
fn judge(violations: &BTreeSet<String>) {
    let mut text = String::new();
    for violation in violations {
        let _ = writeln!(text, "  {violation}");
    }
    assert!(violations.is_empty(), "{} violations:\n{text}", violations.len());
}

fn allowed(table: &'static [(&str, &[&str])], module: &str) -> &'static [&'static str] {
    table.iter().find(|(name, _)| *name == module).map_or(&[], |(_, allowed)| allowed)
}

#[test]
fn modules_use_only_what_the_map_allows() {
    let modules: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut violations = BTreeSet::new();
    for source in sources() {
        let module = source.module().to_owned();
        let Some(may_use) = modules.get(module.as_str()) else {
            violations.insert(format!("src/{}:1: the map does not know {module}", source.path));
            continue;
        };
        for (line, used) in uses(&source) {
            // Names of the crate's root that are no modules are macros.
            let known = modules.contains_key(used.as_str());
            let in_tests =
                source.is_test(line) && allowed(MAY_USE_IN_TESTS, &module).contains(&used.as_str());
            if known && used != module && !may_use.contains(&used.as_str()) && !in_tests {
                violations.insert(format!(
                    "src/{}:{}: {module} must not use {used}",
                    source.path,
                    line + 1
                ));
            }
        }
    }
    judge(&violations);
}

#[test]
fn the_map_itself_keeps_effects_away_from_pure_modules() {
    for module in PURE {
        for effect in EFFECTS {
            assert!(!allowed(MAY_USE, module).contains(effect), "{module} must not use {effect}");
            assert!(!allowed(MAY_USE_IN_TESTS, module).contains(effect));
        }
    }
    for effect in ["exec", "store", "sandbox", "cli"] {
        assert!(!allowed(MAY_USE, "report").contains(&effect), "report must not use {effect}");
    }
    for (module, used) in MAY_USE {
        assert!(*module == "main" || !used.contains(&"cli"), "{module} must not use cli");
    }
}

#[test]
fn words_of_the_outside_stay_where_they_belong() {
    let mut violations = BTreeSet::new();
    for source in sources() {
        for (number, line) in source.code.lines().enumerate() {
            if source.is_test(number) {
                continue;
            }
            for (words, places, rule) in WORDS {
                let allowed = places.iter().any(|place| {
                    source.path == *place
                        || (place.ends_with('/') && source.path.starts_with(place))
                });
                let Some(word) = words.iter().find(|word| line.contains(**word)) else { continue };
                // The commands of `crate::command` are data, not processes.
                let is_data = *word == "Command::new("
                    && !line.contains("process::Command")
                    && !source.code.contains("process::Command");
                if !allowed && !is_data {
                    let place = format!("src/{}:{}", source.path, number + 1);
                    violations.insert(format!("{place}: `{word}`: {rule}"));
                }
            }
        }
    }
    judge(&violations);
}

#[test]
fn every_file_says_what_it_is_for() {
    let violations = sources()
        .iter()
        // Tests of a module say in their names what they are for.
        .filter(|source| source.tests_from > 0 && !source.text.starts_with("//! "))
        .map(|source| format!("src/{}:1: a file begins with `//!`: its duty", source.path))
        .collect();
    judge(&violations);
}

#[test]
fn files_are_short_enough_to_read() {
    let mut violations = BTreeSet::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let exception = LONG_FILES.iter().find(|(path, _, _)| *path == source.path);
        let limit = exception.map_or(MAX_LINES, |(_, limit, _)| *limit);
        let path = &source.path;
        if lines > limit {
            violations.insert(format!("src/{path}:{lines}: more than {limit} lines: split it"));
        }
        if exception.is_some() && lines <= MAX_LINES {
            violations.insert(format!("src/{path}:{lines}: no exception is needed any more"));
        }
    }
    for (path, _, _) in LONG_FILES {
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path).exists() {
            violations.insert(format!("src/{path}: an exception for no file"));
        }
    }
    judge(&violations);
}

#[test]
fn names_say_what_is_inside() {
    let mut violations = BTreeSet::new();
    for source in sources() {
        let mut parts = source.path.trim_end_matches(".rs").split('/');
        if let Some(name) = parts.find(|part| EMPTY_NAMES.contains(part)) {
            violations.insert(format!("src/{}:1: `{name}` says nothing", source.path));
        }
        for (number, line) in source.code.lines().enumerate() {
            let words = line.trim_start().trim_start_matches("pub ");
            let name = words.strip_prefix("mod ").unwrap_or("").trim_end_matches([' ', '{', ';']);
            if EMPTY_NAMES.contains(&name) {
                let place = format!("src/{}:{}", source.path, number + 1);
                violations.insert(format!("{place}: `{name}` says nothing"));
            }
        }
    }
    judge(&violations);
}

/// The tests of the test: what it must see, and what it must not take for code.
mod reading {
    use super::{code_of, source, uses};

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "a // crate::x\n/* crate::y\n */b \"crate::z\\\" \" 'c' '\\'' r#\"d\"#; &'a e";
        let code = code_of(text);
        assert!(!code.contains("crate::"), "{code}");
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", ";", "&'a", "e"]);
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn every_form_of_a_use_is_seen() {
        let text = "use crate::plan::Plan;\nuse crate::{\n    diff::Rule,\n    value::{Map, Path},\n\
                    };\nfn f() -> crate::exec::Exec {}\nuse super::super::store::Lock;\n\
                    mod tests {\n    use super::super::super::cli::Cli;\n}\nuse super::near;\n";
        let found = uses(&source("adapter/iam.rs".into(), text.into()));
        let names: Vec<_> = found.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["plan", "diff", "value", "exec", "store", "cli"]);
        let lines: Vec<_> = found.iter().map(|(line, _)| line + 1).collect();
        assert_eq!(lines, [1, 2, 2, 6, 7, 9]);
    }
}
