//! Quantities as Kubernetes writes them: `500m`, `1Gi`, `1e3`.

/// A quantity in thousand-millionths of its unit, the finest that Kubernetes
/// keeps. `None`: not a quantity, or beyond what one can hold.
pub fn amount(text: &str) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || digits.len() > 25 {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, exponent) = scale(suffix)?;
    // The amount is mantissa * factor * 10^shift.
    let shift = exponent + 9 - i32::try_from(fraction.len()).ok()?;
    let product = mantissa.checked_mul(factor)?;
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    let amount = if shift >= 0 {
        product.checked_mul(power)?
    } else {
        // Kubernetes rounds up what is finer than it keeps.
        product.checked_add(power - 1)? / power
    };
    Some(if negative { -amount } else { amount })
}

/// A suffix as a factor and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        other => (1, other.strip_prefix(['e', 'E'])?.parse().ok().filter(|e| *e <= 18)?),
    })
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn equal_amounts_are_equal() {
        for (a, b) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1", "1000m"),
            ("1k", "1000"),
            ("1e3", "1k"),
            ("1.5Gi", "1536Mi"),
            ("0", "0m"),
            ("1", "1.0"),
            (".5", "500m"),
            ("-1", "-1000m"),
            ("128974848", "123Mi"),
        ] {
            assert_eq!(amount(a), amount(b), "{a} {b}");
            assert!(amount(a).is_some(), "{a}");
        }
        assert_ne!(amount("1G"), amount("1Gi"));
        assert_ne!(amount("100m"), amount("100M"));
    }

    #[test]
    fn other_texts_are_no_quantities() {
        for text in ["", ".", "m", "1x", "1.2.3", "Gi", "1e", "1e99", "25%", "1 Gi", "--1"] {
            assert_eq!(amount(text), None, "{text}");
        }
    }
}
