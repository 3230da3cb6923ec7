//! Conditions of statements, and when one implies another.
//!
//! A test is one operator on one key with its values. Only what is sure is
//! called implied; operators and values that can't be compared are doubts. What
//! a key means is not known here.

use std::net::IpAddr;

use super::pattern::{Doubt, Known, Pattern};
use crate::value::Value;

/// One operator on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    /// As written, such as `ForAnyValue:StringLikeIfExists`.
    operator: String,
    /// In the canonical form's case.
    key: String,
    /// Any of them will do; of a negated operator, none may.
    values: Vec<Value>,
}

/// What an operator compares by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Texts with case, `*` and `?` only in some; in any case.
    Text { wild: bool, fold: bool },
    /// ARNs, part by part.
    Arn,
    /// Addresses and their ranges.
    Address,
    /// Values that are equal or not.
    Equal,
    /// Numbers below or above a limit.
    Limit { below: bool, or_equal: bool },
    /// Only the same test.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Operator<'a> {
    /// `ForAllValues`, `ForAnyValue` or nothing.
    over: &'a str,
    base: &'a str,
    family: Family,
    negated: bool,
    if_exists: bool,
}

impl<'a> Operator<'a> {
    fn of(written: &'a str) -> Self {
        let (over, rest) = written.split_once(':').unwrap_or(("", written));
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let text = |wild, fold| Family::Text { wild, fold };
        let limit = |below, or_equal| Family::Limit { below, or_equal };
        let (family, negated) = match base {
            "StringEquals" => (text(false, false), false),
            "StringNotEquals" => (text(false, false), true),
            "StringLike" => (text(true, false), false),
            "StringNotLike" => (text(true, false), true),
            "StringEqualsIgnoreCase" => (text(false, true), false),
            "StringNotEqualsIgnoreCase" => (text(false, true), true),
            "ArnEquals" | "ArnLike" => (Family::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Family::Arn, true),
            "IpAddress" => (Family::Address, false),
            "NotIpAddress" => (Family::Address, true),
            "Bool" | "Null" | "NumericEquals" | "DateEquals" | "BinaryEquals" => {
                (Family::Equal, false)
            }
            "NumericNotEquals" | "DateNotEquals" => (Family::Equal, true),
            "NumericLessThan" => (limit(true, false), false),
            "NumericLessThanEquals" => (limit(true, true), false),
            "NumericGreaterThan" => (limit(false, false), false),
            "NumericGreaterThanEquals" => (limit(false, true), false),
            _ => (Family::Other, false),
        };
        Self { over, base, family, negated, if_exists }
    }
}

impl Test {
    /// The tests of a canonical `Condition`; `None`: it is none.
    pub(super) fn all(condition: &Value) -> Option<Vec<Self>> {
        let mut tests = Vec::new();
        for (operator, keys) in condition.as_map()? {
            for (key, values) in keys.as_map()? {
                let values = values.as_list()?.to_vec();
                let plain = |value: &Value| matches!(value, Value::String(_) | Value::Unknown(_));
                if !values.iter().all(plain) {
                    return None;
                }
                tests.push(Self { operator: operator.clone(), key: key.clone(), values });
            }
        }
        Some(tests)
    }

    /// The line for people; `key` is the key as the document spells it.
    pub(super) fn line(&self, key: &str) -> String {
        let values: Vec<_> = self.values.iter().map(text_of).collect();
        format!("{} {key} = {}", self.operator, values.join(" or "))
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The test with each of its values alone, where the whole is the same as
    /// any of these; empty where it is not, or where there is one value only.
    pub(super) fn parts(&self) -> Vec<Self> {
        let operator = Operator::of(&self.operator);
        let splits = !operator.negated
            && matches!(
                operator.family,
                Family::Text { .. } | Family::Arn | Family::Address | Family::Equal
            )
            && matches!(operator.over, "" | "ForAnyValue");
        if !splits || self.values.len() < 2 {
            return Vec::new();
        }
        let part = |value: &Value| Self { values: vec![value.clone()], ..self.clone() };
        self.values.iter().map(part).collect()
    }

    /// This test with the values of some of its parts.
    pub(super) fn of_parts(&self, parts: &[&Self]) -> Self {
        let values = parts.iter().flat_map(|part| part.values.iter().cloned()).collect();
        Self { values, ..self.clone() }
    }

    /// Whether every request that passes this test passes the other as well.
    fn implies(&self, other: &Self) -> Known {
        if self == other {
            return Known::Yes;
        }
        let (one, two) = (Operator::of(&self.operator), Operator::of(&other.operator));
        if one.over != two.over || one.negated != two.negated {
            return Known::Perhaps(Doubt::Condition);
        }
        // What several values of a request do to a negated operator is not
        // said clearly enough to build on it.
        if one.negated && !one.over.is_empty() {
            return Known::Perhaps(Doubt::Condition);
        }
        if one.if_exists && !two.if_exists {
            // A request without the key passes this one only. Negated
            // operators pass such a request either way.
            return if one.negated { Known::Perhaps(Doubt::Condition) } else { Known::No };
        }
        let (small, big) =
            if one.negated { (&other.values, &self.values) } else { (&self.values, &other.values) };
        match (one.family, two.family) {
            (
                Family::Text { wild: own, fold: own_fold },
                Family::Text { wild: others, fold: others_fold },
            ) => {
                // The looser of the two positive tests must be the one that
                // ignores case, and the stricter of two negated ones.
                let loose = if one.negated { own_fold } else { others_fold };
                let strict = if one.negated { others_fold } else { own_fold };
                if strict && !loose {
                    return Known::Perhaps(Doubt::Condition);
                }
                let (small_wild, big_wild) =
                    if one.negated { (others, own) } else { (own, others) };
                within(small, big, |small, big| {
                    let (small, big) = (pattern(small, small_wild), pattern(big, big_wild));
                    if loose {
                        big.folded().contains(&small.folded())
                    } else {
                        big.contains(&small)
                    }
                })
            }
            (Family::Arn, Family::Arn) => within(small, big, arn_contains),
            (Family::Address, Family::Address) => within(small, big, address_contains),
            (Family::Equal, Family::Equal) if one.base == two.base => {
                within(small, big, |small, big| {
                    pattern(big, false).contains(&pattern(small, false))
                })
            }
            (
                Family::Limit { below, or_equal },
                Family::Limit { below: others, or_equal: others_or_equal },
            ) if below == others => {
                match (limit(&self.values, below), limit(&other.values, below)) {
                    (Some(own), Some(wanted)) => {
                        let inside = if below { own < wanted } else { own > wanted };
                        #[expect(clippy::float_cmp, reason = "both are read from texts")]
                        let same = own == wanted && (others_or_equal || !or_equal);
                        if inside || same { Known::Yes } else { Known::No }
                    }
                    _ => Known::Perhaps(Doubt::Condition),
                }
            }
            _ => Known::Perhaps(Doubt::Condition),
        }
    }
}

/// Whether every request that passes all of `these` passes all of `those`.
pub(super) fn imply(these: &[Test], those: &[Test]) -> Known {
    those.iter().map(|that| implied(these, that)).min().unwrap_or(Known::Yes)
}

fn implied(these: &[Test], that: &Test) -> Known {
    let same_key = these.iter().filter(|this| this.key == that.key);
    same_key.map(|this| this.implies(that)).max().unwrap_or(Known::No)
}

/// Whether one of `those` is on a key that none of `these` looks at.
pub(super) fn drops_a_key(these: &[Test], those: &[Test]) -> bool {
    those.iter().any(|that| these.iter().all(|this| this.key != that.key))
}

/// Whether each of the small values is within one of the big ones.
fn within(small: &[Value], big: &[Value], contains: impl Fn(&Value, &Value) -> Known) -> Known {
    let one = |small: &Value| big.iter().map(|big| contains(small, big)).max().unwrap_or(Known::No);
    small.iter().map(one).min().unwrap_or(Known::Yes)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Unknown(text) => text.clone(),
        other => other.to_string(),
    }
}

fn pattern(value: &Value, wild: bool) -> Pattern {
    match value {
        Value::Unknown(expression) => Pattern::unknown(expression),
        other if wild => Pattern::glob(&text_of(other)),
        other => Pattern::literal(&text_of(other)),
    }
}

/// ARNs are compared in six parts, and a `*` never reaches over the colon
/// between two of them.
fn arn_contains(small: &Value, big: &Value) -> Known {
    if small == big {
        return Known::Yes;
    }
    let (Value::String(small), Value::String(big)) = (small, big) else {
        return Known::Perhaps(Doubt::Value);
    };
    let parts = |arn: &str| arn.splitn(6, ':').map(Pattern::glob).collect::<Vec<_>>();
    let (small, big) = (parts(small), parts(big));
    if small.len() < 6 || big.len() < 6 {
        return Known::Perhaps(Doubt::Condition);
    }
    small.iter().zip(&big).map(|(small, big)| big.contains(small)).min().unwrap_or(Known::No)
}

fn address_contains(small: &Value, big: &Value) -> Known {
    if small == big {
        return Known::Yes;
    }
    let (Value::String(small), Value::String(big)) = (small, big) else {
        return Known::Perhaps(Doubt::Value);
    };
    match (range(small), range(big)) {
        (Some((low, high, four)), Some((lowest, highest, others))) => {
            if four == others && lowest <= low && high <= highest { Known::Yes } else { Known::No }
        }
        _ => Known::Perhaps(Doubt::Condition),
    }
}

/// The first and last address of `ADDRESS[/BITS]`, and whether it is of IPv4.
fn range(text: &str) -> Option<(u128, u128, bool)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let (number, width) = match address.parse().ok()? {
        IpAddr::V4(four) => (u128::from(u32::from(four)), 32_u32),
        IpAddr::V6(six) => (u128::from(six), 128),
    };
    let free = width.checked_sub(bits.unwrap_or(width))?;
    let mask = if free == 128 { u128::MAX } else { (1_u128 << free) - 1 };
    Some((number & !mask, number | mask, width == 32))
}

/// The furthest of several limits, any of which will do.
fn limit(values: &[Value], below: bool) -> Option<f64> {
    let numbers = values.iter().map(|value| value.as_str()?.parse::<f64>().ok());
    let numbers: Vec<f64> = numbers.collect::<Option<_>>()?;
    let finite = !numbers.is_empty() && numbers.iter().all(|number| number.is_finite());
    let furthest = if below { f64::max } else { f64::min };
    finite.then(|| numbers.into_iter().reduce(furthest))?
}
