//! The versions that charts carry: exact ones, and the constraints that
//! `--version` accepts instead.
//!
//! Only what the charts of the sandbox need; a constraint is checked against
//! one version at a time.

use std::cmp::Ordering;

/// A semantic version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    pre: Vec<String>,
}

impl Version {
    /// Reads `1.8.3`, `v1.8.3`, `1.9.0-rc.1`, `1.0.0+build`. Anything shorter
    /// is a constraint and not a version.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) =
            text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (numbers, pre) =
            text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
        let identifiers = |text: &str| {
            text.split('.')
                .map(|part| {
                    let fine = !part.is_empty()
                        && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
                    fine.then(|| part.to_owned())
                })
                .collect::<Option<Vec<_>>>()
        };
        if let Some(build) = build {
            identifiers(build)?;
        }
        let mut parts = numbers.split('.');
        let mut number = || {
            let part = parts.next()?;
            let leading_zero = part.len() > 1 && part.starts_with('0');
            if leading_zero { None } else { part.parse().ok() }
        };
        let numbers = [number()?, number()?, number()?];
        let pre = pre.map_or(Some(Vec::new()), identifiers)?;
        parts.next().is_none().then_some(Self { numbers, pre })
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.numbers[0]
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let pre = || match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let parts = self.pre.iter().zip(&other.pre).map(|(a, b)| {
                    match (a.parse::<u64>(), b.parse::<u64>()) {
                        (Ok(a), Ok(b)) => a.cmp(&b),
                        (Ok(_), Err(_)) => Ordering::Less,
                        (Err(_), Ok(_)) => Ordering::Greater,
                        (Err(_), Err(_)) => a.cmp(b),
                    }
                });
                parts
                    .fold(Ordering::Equal, Ordering::then)
                    .then(self.pre.len().cmp(&other.pre.len()))
            }
        };
        self.numbers.cmp(&other.numbers).then_with(pre)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether a version satisfies a constraint such as `^1.8`, `~1.8.0`, `1.x`,
/// `>=1.0.0 <2.0.0`, `>0.0.0-0`, `*`. `None` where the text is no constraint.
pub fn satisfies(version: &Version, constraint: &str) -> Option<bool> {
    let mut any = false;
    for alternative in constraint.split("||") {
        let mut all = true;
        let mut terms = 0;
        for term in alternative.split([' ', ',']).filter(|term| !term.is_empty()) {
            terms += 1;
            all &= one(version, term)?;
        }
        if terms == 0 {
            return None;
        }
        any |= all;
    }
    Some(any)
}

fn one(version: &Version, term: &str) -> Option<bool> {
    let at = term.find(|c: char| c.is_ascii_alphanumeric() || c == '*').unwrap_or(term.len());
    let (operator, text) = term.split_at_checked(at)?;
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, pre) = match text.split_once('-') {
        Some((text, pre)) => (text, pre.split('.').map(str::to_owned).collect()),
        None => (text, Vec::new()),
    };
    let mut given = Vec::new();
    for part in text.split('.') {
        match part {
            "x" | "X" | "*" => break,
            _ => given.push(part.parse::<u64>().ok()?),
        }
    }
    if given.len() > 3 {
        return None;
    }
    let wants_pre = !pre.is_empty();
    let at = |index: usize| given.get(index).copied().unwrap_or(0);
    let low = Version { numbers: [at(0), at(1), at(2)], pre };
    // The first version above everything that agrees in the first `kept` numbers.
    let above = |kept: usize| {
        let mut numbers = [0; 3];
        for (index, number) in numbers.iter_mut().enumerate().take(kept) {
            *number = at(index) + u64::from(index + 1 == kept);
        }
        Version { numbers, pre: vec!["0".to_owned()] }
    };
    let fits = match operator {
        "" | "=" | "~" | "~>" | "^" if given.is_empty() => true,
        "" | "=" if given.len() == 3 => *version == low,
        "" | "=" => *version >= low && *version < above(given.len()),
        "!=" => *version != low,
        ">" if given.len() < 3 && !given.is_empty() => *version >= above(given.len()),
        ">" => *version > low,
        ">=" | "=>" => *version >= low,
        "<" => *version < low,
        "<=" | "=<" if given.len() < 3 && !given.is_empty() => *version < above(given.len()),
        "<=" | "=<" => *version <= low,
        "~" | "~>" => *version >= low && *version < above(given.len().min(2)),
        "^" => {
            let first = given.iter().position(|number| *number != 0).unwrap_or(given.len() - 1);
            *version >= low && *version < above(first + 1)
        }
        _ => return None,
    };
    // A pre-release is only ever wanted by a constraint that names one.
    Some(fits && (version.pre.is_empty() || wants_pre))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, valid) in [
            ("1.8.3", true),
            ("v1.8.3", true),
            ("1.9.0-rc.1", true),
            ("1.0.0+b.1", true),
            ("1.8", false),
            ("01.0.0", false),
            ("x", false),
            ("1.0.0-", false),
        ] {
            assert_eq!(Version::parse(text).is_some(), valid, "{text}");
        }
        let order = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-rc.2",
            "1.0.0-rc.10",
            "1.0.0",
            "1.10.0",
            "2.0.0",
        ];
        for pair in order.windows(2) {
            assert!(
                Version::parse(pair[0]).unwrap() < Version::parse(pair[1]).unwrap(),
                "{pair:?}"
            );
        }
    }

    #[test]
    fn constraints() {
        for (version, constraint, expected) in [
            ("1.8.3", "^1.8", Some(true)),
            ("2.0.0", "^1.8", Some(false)),
            ("0.3.1", "^0.2.0", Some(false)),
            ("1.8.9", "~1.8.0", Some(true)),
            ("1.9.0", "~1.8.0", Some(false)),
            ("1.9.0", "1.x", Some(true)),
            ("1.9.0", "*", Some(true)),
            ("1.9.0", ">=1.0.0 <1.9.0", Some(false)),
            ("1.9.0", "1.8.3 || 1.9.0", Some(true)),
            ("1.9.0-rc.1", ">=1.0.0", Some(false)),
            ("1.9.0-rc.1", ">0.0.0-0", Some(true)),
            ("1.9.0", "bogus", None),
            ("1.9.0", "", None),
        ] {
            assert_eq!(
                satisfies(&Version::parse(version).unwrap(), constraint),
                expected,
                "{version} {constraint}"
            );
        }
    }
}
