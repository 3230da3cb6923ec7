//! Kubernetes quantities: `500m`, `2`, `8Gi`.

use serde_json::Value;

/// A quantity in thousandths of its unit: of a core for CPU, of a byte for
/// memory. Nonsense counts as nothing.
pub(super) fn thousandths(quantity: &Value) -> i128 {
    match quantity {
        Value::String(text) => parse(text).unwrap_or(0),
        Value::Number(number) => {
            let whole = number.as_i64().map(|n| i128::from(n) * 1000);
            whole.or_else(|| parse(&number.to_string())).unwrap_or(0)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => 0,
    }
}

fn parse(text: &str) -> Option<i128> {
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let factor: i128 = match suffix {
        "m" => 1,
        "" => 1000,
        "k" => 1000 * 1000,
        "M" => 1000 * 1000_i128.pow(2),
        "G" => 1000 * 1000_i128.pow(3),
        "T" => 1000 * 1000_i128.pow(4),
        "P" => 1000 * 1000_i128.pow(5),
        "Ki" => 1000 * 1024,
        "Mi" => 1000 * 1024_i128.pow(2),
        "Gi" => 1000 * 1024_i128.pow(3),
        "Ti" => 1000 * 1024_i128.pow(4),
        "Pi" => 1000 * 1024_i128.pow(5),
        _ => return None,
    };
    digits.checked_mul(factor).map(|n| n / scale)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read() {
        for (text, want) in [
            (json!("500m"), 500),
            (json!("2"), 2000),
            (json!(2), 2000),
            (json!(0.5), 500),
            (json!("1.5"), 1500),
            (json!("1Ki"), 1_024_000),
            (json!("1.5Gi"), 1_610_612_736_000),
            (json!("x"), 0),
        ] {
            assert_eq!(thousandths(&text), want, "{text}");
        }
    }
}
