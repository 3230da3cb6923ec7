//! Patterns with `*` and `?`, and when one contains another.
//!
//! A pattern may hold parts whose text is not known here: policy variables
//! such as `${aws:username}`, which each request fills in, and whole texts that
//! only the apply will know. Such a part equals itself and nothing else. This
//! module must not know what a pattern is for.

/// What can be said of a question about two sets of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// It is not so.
    No,
    /// It may be so.
    Perhaps(Doubt),
    /// It is so.
    Yes,
}

/// Why something can't be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// A value is only known after the apply.
    Value,
    /// Two conditions on one key can't be compared.
    Condition,
    /// Two kinds of naming principals can't be compared.
    Principal,
    /// A part of the document is not in the form of one, or is sensitive.
    Form,
}

impl Doubt {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Value => "a value is only known after the apply",
            Self::Condition => "the conditions can't be compared",
            Self::Principal => "the principals can't be compared",
            Self::Form => "a part of it can't be read",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// One character.
    Char(char),
    /// `?`: any one character.
    One,
    /// `*`: any text.
    Many,
    /// Some text, the same wherever it is written the same.
    Held(String),
}

/// A pattern that texts match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    /// Whether it is only known after the apply: then it may turn out to be
    /// anything, also several patterns.
    unknown: bool,
}

impl Pattern {
    /// `*` and `?` match; policy variables are held.
    pub(super) fn glob(text: &str) -> Self {
        Self::new(text, true)
    }

    /// Nothing but policy variables is special.
    pub(super) fn literal(text: &str) -> Self {
        Self::new(text, false)
    }

    /// A text that is not known yet, by its expression.
    pub(super) fn unknown(expression: &str) -> Self {
        // The mark keeps it apart from a policy variable of the same spelling.
        Self { pieces: vec![Piece::Held(format!("\u{1}{expression}"))], unknown: true }
    }

    fn new(text: &str, wild: bool) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(inside) = rest.strip_prefix("${")
                && let Some((name, after)) = inside.split_once('}')
            {
                pieces.push(match name {
                    // The way to write a character that is special otherwise.
                    "*" | "?" | "$" => Piece::Char(name.chars().next().unwrap_or('$')),
                    _ => Piece::Held(name.to_owned()),
                });
                rest = after;
                continue;
            }
            pieces.push(match c {
                '*' if wild => Piece::Many,
                '?' if wild => Piece::One,
                _ => Piece::Char(c),
            });
            rest = rest.get(c.len_utf8()..).unwrap_or("");
        }
        Self { pieces: in_order(pieces), unknown: false }
    }

    /// Whether it is only known after the apply.
    pub(super) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Whether it matches every text.
    pub(super) fn is_everything(&self) -> bool {
        self.pieces == [Piece::Many]
    }

    /// Whether every text that `other` matches is matched by this as well.
    ///
    /// `No` means that it can't be shown, which for patterns without variables
    /// is the same as that some text tells them apart.
    pub(super) fn contains(&self, other: &Self) -> Known {
        if self.matches_pieces(&other.pieces) {
            Known::Yes
        } else if self.unknown || other.unknown {
            Known::Perhaps(Doubt::Value)
        } else {
            Known::No
        }
    }

    /// Whether some text may match both. `false` only when none does.
    pub(super) fn may_meet(&self, other: &Self) -> bool {
        let spans = |piece: Option<&Piece>| matches!(piece, Some(Piece::Many | Piece::Held(_)));
        let (a, b) = (&self.pieces, &other.pieces);
        // `reached[j]`: the first i pieces of a and the first j of b can meet.
        let mut reached = vec![false; b.len() + 1];
        for i in 0..=a.len() {
            let mut row = vec![false; b.len() + 1];
            for j in 0..=b.len() {
                let at = |row: &[bool], j: usize| row.get(j).copied().unwrap_or(false);
                let (one, two) = (
                    i.checked_sub(1).and_then(|i| a.get(i)),
                    j.checked_sub(1).and_then(|j| b.get(j)),
                );
                let up = i > 0 && at(&reached, j);
                let left = j > 0 && at(&row, j.wrapping_sub(1));
                let both = i > 0 && j > 0 && at(&reached, j.wrapping_sub(1));
                let meets = match (one, two) {
                    (None, None) => true,
                    (Some(Piece::Char(one)), Some(Piece::Char(two))) => both && one == two,
                    (Some(Piece::One), Some(Piece::Char(_) | Piece::One))
                    | (Some(Piece::Char(_)), Some(Piece::One)) => both,
                    _ => (spans(one) || spans(two)) && (up || left),
                };
                if let Some(cell) = row.get_mut(j) {
                    *cell = meets;
                }
            }
            reached = row;
        }
        reached.last().copied().unwrap_or(false)
    }

    /// Matches the pieces of another pattern as if they were characters: only
    /// `*` takes a `*` or a held text, only `*` and `?` take a `?`.
    fn matches_pieces(&self, other: &[Piece]) -> bool {
        let (mut at, mut given) = (0, 0);
        // Where to go on when what follows the last `*` does not fit.
        let mut last: Option<(usize, usize)> = None;
        while let Some(piece) = other.get(given) {
            let fits = match (self.pieces.get(at), piece) {
                (Some(Piece::Many), _) => {
                    last = Some((at + 1, given));
                    at += 1;
                    continue;
                }
                (Some(Piece::Char(one)), Piece::Char(two)) => one == two,
                (Some(Piece::One), Piece::Char(_) | Piece::One) => true,
                (Some(Piece::Held(one)), Piece::Held(two)) => one == two,
                _ => false,
            };
            if fits {
                (at, given) = (at + 1, given + 1);
            } else {
                let Some((next, taken)) = &mut last else { return false };
                *taken += 1;
                (at, given) = (*next, *taken);
            }
        }
        self.pieces.iter().skip(at).all(|piece| *piece == Piece::Many)
    }

    /// The pattern with letters in lower case, outside of held texts.
    pub(super) fn folded(&self) -> Self {
        let fold = |piece: &Piece| match piece {
            Piece::Char(c) => Piece::Char(c.to_ascii_lowercase()),
            other => other.clone(),
        };
        Self { pieces: self.pieces.iter().map(fold).collect(), unknown: self.unknown }
    }
}

/// Runs of `*` and `?` with the `?` first and one `*` at most, so that equal
/// runs look equal.
fn in_order(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut ordered: Vec<Piece> = Vec::with_capacity(pieces.len());
    let mut many = false;
    for piece in pieces {
        match piece {
            Piece::Many => many = true,
            Piece::One => ordered.push(Piece::One),
            other => {
                if std::mem::take(&mut many) {
                    ordered.push(Piece::Many);
                }
                ordered.push(other);
            }
        }
    }
    if many {
        ordered.push(Piece::Many);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contains(big: &str, small: &str) -> bool {
        Pattern::glob(big).contains(&Pattern::glob(small)) == Known::Yes
    }

    #[test]
    fn a_pattern_contains_what_is_narrower() {
        for (big, small) in [
            ("*", "*"),
            ("*", ""),
            ("s3:*", "s3:get*"),
            ("s3:get*", "s3:getobject"),
            ("s3:*object", "s3:get*object"),
            ("a?c", "abc"),
            ("a*", "a?"),
            ("?*", "*?"),
            ("**", "*"),
            ("a*b*c", "a*b*b*c"),
            ("home/*", "home/${aws:username}/*"),
            ("home/${aws:username}/*", "home/${aws:username}/x"),
        ] {
            assert!(contains(big, small), "{big} contains {small}");
        }
        for (big, small) in [
            ("s3:get*", "s3:*"),
            ("a?", "a*"),
            ("a?", "a"),
            ("?", "*"),
            ("abc", "a?c"),
            ("home/${aws:username}", "home/bob"),
            ("home/bob", "home/${aws:username}"),
            ("home/?", "home/${aws:username}"),
            ("a", "A"),
            ("${*}", "*"),
        ] {
            assert!(!contains(big, small), "{big} does not contain {small}");
        }
        assert!(contains("*x", "${*}x"), "a star that is written out is a character");
        assert_eq!(
            Pattern::glob("a*").contains(&Pattern::unknown("${IamRole.a.arn}")),
            Known::Perhaps(Doubt::Value)
        );
        assert_eq!(Pattern::glob("*").contains(&Pattern::unknown("${IamRole.a.arn}")), Known::Yes);
        assert_eq!(Pattern::literal("a*").contains(&Pattern::literal("ab")), Known::No);
    }

    /// Whether a text matches, by trying everything.
    fn matches(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some(('*', rest)), _) => (0..=text.len()).any(|skip| matches(rest, &text[skip..])),
            (Some(('?', rest)), Some((_, text))) => matches(rest, text),
            (Some((one, rest)), Some((two, text))) => one == two && matches(rest, text),
            (Some(_), None) => false,
        }
    }

    /// All texts of up to four characters.
    fn texts() -> Vec<Vec<char>> {
        let mut all = vec![Vec::new()];
        let mut last = vec![Vec::new()];
        for _ in 0..4 {
            last = last
                .iter()
                .flat_map(|text: &Vec<char>| {
                    ['a', 'b', 'c'].map(|c| text.iter().copied().chain([c]).collect())
                })
                .collect();
            all.extend(last.clone());
        }
        all
    }

    proptest! {
        #[test]
        fn patterns_are_what_trying_every_text_says(a in "[ab*?]{0,4}", b in "[ab*?]{0,4}") {
            let (one, two) = (Pattern::glob(&a), Pattern::glob(&b));
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let (a, b) = (chars(&a), chars(&b));
            let texts = texts();
            let contained = texts.iter().all(|text| !matches(&b, text) || matches(&a, text));
            let meet = texts.iter().any(|text| matches(&b, text) && matches(&a, text));
            if one.contains(&two) == Known::Yes {
                prop_assert!(contained);
            }
            if meet {
                prop_assert!(one.may_meet(&two));
            }
            if !one.may_meet(&two) {
                prop_assert!(!meet);
            }
        }
    }
}
