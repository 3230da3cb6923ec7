//! What a text without quotes means: nothing, a truth value, a number or the
//! text itself.
//!
//! This module must not know YAML's structure.

use serde_json::Number;

use super::node::Content;

/// The meaning of a text without quotes: the core schema of YAML 1.2 (section
/// 10.3.2), except that digits with a leading zero stay a text, because
/// account ids and the like have them.
pub(super) fn plain(text: &str) -> Result<Content, &'static str> {
    Ok(match text.as_bytes().first() {
        None => Content::Null,
        Some(b'~' | b'n' | b'N') if matches!(text, "~" | "null" | "Null" | "NULL") => Content::Null,
        Some(b't' | b'T') if matches!(text, "true" | "True" | "TRUE") => Content::Bool(true),
        Some(b'f' | b'F') if matches!(text, "false" | "False" | "FALSE") => Content::Bool(false),
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => match number(text)? {
            Some(number) => Content::Number(number),
            None => Content::Text(text.to_owned()),
        },
        Some(_) => Content::Text(text.to_owned()),
    })
}

fn number(text: &str) -> Result<Option<Number>, &'static str> {
    const TOO_LARGE: &str = "too large for a number";
    let is_digits =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                return Ok(None);
            }
            return match u64::from_str_radix(digits, radix) {
                Ok(number) => Ok(Some(number.into())),
                Err(_) => Err(TOO_LARGE),
            };
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err("not a finite number");
    }
    let padded = unsigned
        .strip_prefix('0')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if padded {
        return Ok(None);
    }
    if is_digits(unsigned) {
        let parsed = if text.starts_with('-') {
            text.parse::<i64>().map(Number::from)
        } else {
            unsigned.parse::<u64>().map(Number::from)
        };
        return parsed.map(Some).map_err(|_| TOO_LARGE);
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
        }
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_float = (is_digits(whole) || (whole.is_empty() && is_digits(fraction)))
        && (fraction.is_empty() || is_digits(fraction))
        && exponent.is_none_or(is_digits);
    if !is_float {
        return Ok(None);
    }
    match text.parse::<f64>().ok().and_then(Number::from_f64) {
        Some(number) => Ok(Some(number)),
        None => Err(TOO_LARGE),
    }
}
