//! Command-line flags as `helm` and `kubectl` read them (both use the same Go
//! library): `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-Ao json`,
//! flags before, between and after the other arguments, `--` to end them.
//!
//! This module must not know what any flag means; it answers in the library's
//! own error texts, without the tool's prefix.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a flag takes after its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: a switch. `--flag=false` turns it off.
    Nothing,
    /// A value, always.
    Value,
    /// A value only after `=`; without one, this.
    Optional(&'static str),
    /// A whole number.
    Number,
    /// A duration in Go's form, such as `5m0s`.
    Duration,
}

/// One flag that a command knows.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    long: &'static str,
    short: Option<char>,
    takes: Takes,
}

/// A flag without a one-letter form.
pub const fn flag(long: &'static str, takes: Takes) -> Flag {
    Flag { long, short: None, takes }
}

/// A flag with a one-letter form.
pub const fn short(long: &'static str, letter: char, takes: Takes) -> Flag {
    Flag { long, short: Some(letter), takes }
}

impl Flag {
    /// The flag's name in error texts about its value.
    fn shown(&self) -> String {
        match self.short {
            Some(letter) => format!("-{letter}, --{}", self.long),
            None => format!("--{}", self.long),
        }
    }
}

/// The arguments of one command, split into flags and the rest.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The arguments that are no flags, in order.
    pub positional: Vec<String>,
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Parsed {
    /// The last value of a flag.
    pub fn value(&self, long: &str) -> Option<&str> {
        self.values.get(long).and_then(|values| values.last()).map(String::as_str)
    }

    /// All values of a flag that may be given more than once, in order.
    pub fn values(&self, long: &str) -> &[String] {
        self.values.get(long).map_or(&[], Vec::as_slice)
    }

    /// Whether a switch is on.
    pub fn on(&self, long: &str) -> bool {
        self.value(long) == Some("true")
    }

    /// A number flag; a malformed one was refused by [`parse`].
    pub fn number(&self, long: &str) -> Option<i64> {
        self.value(long).and_then(|value| value.parse().ok())
    }

    /// A duration flag; a malformed one was refused by [`parse`].
    pub fn duration(&self, long: &str) -> Option<Duration> {
        self.value(long).and_then(duration)
    }

    fn store(&mut self, flag: &Flag, value: &str) -> Result<(), String> {
        let refused = match flag.takes {
            Takes::Nothing => match value {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => {
                    self.values.entry(flag.long).or_default().push("true".to_owned());
                    return Ok(());
                }
                "0" | "f" | "F" | "false" | "FALSE" | "False" => {
                    self.values.entry(flag.long).or_default().push("false".to_owned());
                    return Ok(());
                }
                _ => Some(format!("strconv.ParseBool: parsing \"{value}\": invalid syntax")),
            },
            Takes::Number if value.parse::<i64>().is_err() => {
                Some(format!("strconv.ParseInt: parsing \"{value}\": invalid syntax"))
            }
            Takes::Duration if duration(value).is_none() => {
                Some(format!("time: invalid duration \"{value}\""))
            }
            Takes::Value | Takes::Optional(_) | Takes::Number | Takes::Duration => None,
        };
        if let Some(why) = refused {
            return Err(format!(
                "invalid argument \"{value}\" for \"{}\" flag: {why}",
                flag.shown()
            ));
        }
        self.values.entry(flag.long).or_default().push(value.to_owned());
        Ok(())
    }
}

/// Splits the arguments of a command whose flags are those of all `tables`.
///
/// # Errors
///
/// The library's text for an unknown flag, a missing or a malformed value.
pub fn parse(tables: &[&[Flag]], args: &[String]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            parsed.positional.extend(rest.cloned());
            break;
        }
        if let Some(long) = arg.strip_prefix("--") {
            let (name, given) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let flag = find(tables, |flag| flag.long == name)
                .ok_or_else(|| format!("unknown flag: --{name}"))?;
            let value = match (given, flag.takes) {
                (Some(value), _) => value,
                (None, Takes::Nothing) => "true",
                (None, Takes::Optional(default)) => default,
                (None, Takes::Value | Takes::Number | Takes::Duration) => {
                    rest.next().ok_or_else(|| format!("flag needs an argument: --{name}"))?
                }
            };
            parsed.store(flag, value)?;
        } else if arg.len() > 1 && arg.starts_with('-') {
            letters(tables, arg, &mut rest, &mut parsed)?;
        } else {
            parsed.positional.push(arg.clone());
        }
    }
    Ok(parsed)
}

/// One argument of one-letter flags, of which the last may take a value.
fn letters<'a>(
    tables: &[&[Flag]],
    arg: &str,
    rest: &mut impl Iterator<Item = &'a String>,
    parsed: &mut Parsed,
) -> Result<(), String> {
    for (at, letter) in arg.char_indices().skip(1) {
        let flag = find(tables, |flag| flag.short == Some(letter)).ok_or_else(|| {
            format!("unknown shorthand flag: '{letter}' in -{}", arg.get(at..).unwrap_or_default())
        })?;
        let tail = arg.get(at + letter.len_utf8()..).unwrap_or_default();
        if let Some(value) = tail.strip_prefix('=') {
            return parsed.store(flag, value);
        }
        match flag.takes {
            Takes::Nothing => parsed.store(flag, "true")?,
            Takes::Optional(default) => parsed.store(flag, default)?,
            Takes::Value | Takes::Number | Takes::Duration if tail.is_empty() => {
                let value = rest.next().ok_or_else(|| {
                    format!(
                        "flag needs an argument: '{letter}' in -{}",
                        arg.get(at..).unwrap_or_default()
                    )
                })?;
                return parsed.store(flag, value);
            }
            Takes::Value | Takes::Number | Takes::Duration => return parsed.store(flag, tail),
        }
    }
    Ok(())
}

fn find<'a>(tables: &[&'a [Flag]], is: impl Fn(&Flag) -> bool) -> Option<&'a Flag> {
    tables.iter().flat_map(|table| table.iter()).find(|flag| is(flag))
}

/// The first argument that is neither a flag nor the value of a global flag,
/// and the others without it: how the tools find their subcommand.
pub fn subcommand(globals: &[Flag], args: &[String]) -> Option<(String, Vec<String>)> {
    let mut index = 0;
    while let Some(arg) = args.get(index) {
        let takes_next = match (arg.strip_prefix("--"), arg.strip_prefix('-')) {
            (Some(long), _) => globals.iter().any(|flag| flag.long == long && takes_value(flag)),
            (None, Some(letters)) if letters.chars().count() == 1 => {
                globals.iter().any(|flag| flag.short == letters.chars().next() && takes_value(flag))
            }
            (None, Some(letters)) if !letters.is_empty() => false,
            (None, _) => {
                let mut others = args.to_vec();
                let command = others.remove(index);
                return Some((command, others));
            }
        };
        index += if takes_next { 2 } else { 1 };
    }
    None
}

fn takes_value(flag: &Flag) -> bool {
    matches!(flag.takes, Takes::Value | Takes::Number | Takes::Duration)
}

/// A duration in Go's form: `300s`, `5m0s`, `1h`, `1.5s`, `250ms`, `0`.
/// `None` for anything else; a negative one counts as none at all.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if let Some(positive) = text.strip_prefix('-') {
        return duration(positive).map(|_| Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, tail) = rest.split_at_checked(end)?;
        let number: f64 = number.parse().ok()?;
        let unit_end = tail
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end)?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(number * seconds).ok()?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        short("namespace", 'n', Takes::Value),
        short("all", 'A', Takes::Nothing),
        short("output", 'o', Takes::Value),
        flag("wait", Takes::Optional("watcher")),
        flag("timeout", Takes::Duration),
        flag("max", Takes::Number),
    ];

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn flags_are_read_in_every_form() {
        for text in [
            "x -n ns y",
            "-nns x y",
            "x y -n=ns",
            "--namespace ns x y",
            "x --namespace=ns -- y",
            "x -An ns y",
        ] {
            let parsed = parse(&[FLAGS], &words(text)).unwrap();
            assert_eq!(parsed.value("namespace"), Some("ns"), "{text}");
            assert_eq!(parsed.positional, ["x", "y"], "{text}");
        }
        let parsed = parse(&[FLAGS], &words("--wait x - --timeout 1m30s --max=3")).unwrap();
        assert_eq!(parsed.value("wait"), Some("watcher"));
        assert_eq!(parsed.positional, ["x", "-"]);
        assert_eq!(parsed.duration("timeout"), Some(Duration::from_secs(90)));
        assert_eq!(parsed.number("max"), Some(3));
    }

    #[test]
    fn mistakes_are_named_as_the_library_names_them() {
        for (text, expected) in [
            ("--bogus", "unknown flag: --bogus"),
            ("--bogus=1", "unknown flag: --bogus"),
            ("-a", "unknown shorthand flag: 'a' in -a"),
            ("-Az", "unknown shorthand flag: 'z' in -z"),
            ("--max", "flag needs an argument: --max"),
            ("-n", "flag needs an argument: 'n' in -n"),
            (
                "--max=x",
                r#"invalid argument "x" for "--max" flag: strconv.ParseInt: parsing "x": invalid syntax"#,
            ),
            (
                "--timeout x",
                r#"invalid argument "x" for "--timeout" flag: time: invalid duration "x""#,
            ),
            (
                "-A=x",
                r#"invalid argument "x" for "-A, --all" flag: strconv.ParseBool: parsing "x": invalid syntax"#,
            ),
        ] {
            assert_eq!(parse(&[FLAGS], &words(text)).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn the_subcommand_may_stand_after_global_flags() {
        for (text, command, others) in [
            ("list -A", "list", "-A"),
            ("-n ns list -A", "list", "-n ns -A"),
            ("--namespace=ns get x", "get", "--namespace=ns x"),
        ] {
            let (found, rest) = subcommand(FLAGS, &words(text)).unwrap();
            assert_eq!((found.as_str(), rest), (command, words(others)), "{text}");
        }
        assert!(subcommand(FLAGS, &words("-A")).is_none());
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("300s", Some(300_000)),
            ("5m0s", Some(300_000)),
            ("1.5s", Some(1500)),
            ("0", Some(0)),
            ("5", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }
}
