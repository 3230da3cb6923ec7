//! YAML text to JSON values and back.
//!
//! The only user of the YAML crate in the sandbox; it must not know what the
//! documents mean.

use serde_json::Value;

/// Reads one document. An empty text is null.
///
/// # Errors
///
/// The reader's words, on one line.
pub fn read(text: &str) -> Result<Value, String> {
    if blank(text) {
        return Ok(Value::Null);
    }
    serde_yaml::from_str(text).map_err(|error| first_line(&error.to_string()))
}

/// Reads all documents of a text, without the empty ones.
///
/// # Errors
///
/// The reader's words, on one line.
pub fn read_all(text: &str) -> Result<Vec<Value>, String> {
    if blank(text) {
        return Ok(Vec::new());
    }
    let mut documents: Vec<Value> =
        serde_yaml::from_multiple(text).map_err(|error| first_line(&error.to_string()))?;
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

/// The block form of a value, with a line end behind it.
pub fn print(value: &Value) -> String {
    let mut text = if value.as_object().is_some_and(serde_json::Map::is_empty) {
        "{}".to_owned()
    } else {
        // A JSON value always has a YAML form; JSON is one.
        serde_yaml::to_string(value).unwrap_or_else(|_| value.to_string())
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn blank(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// `line 1: WHY`, as the tools' own reader puts it.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    match line.split_once(" column ").and_then(|(at, rest)| Some((at, rest.split_once(": ")?.1))) {
        Some((at, why)) => format!("{at}: {why}"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_printed_reads_the_same() {
        let value = json!({
            "a": "true", "b": "1.10", "c": null, "d": [], "e": {}, "f": "x: y\n- z\n", "g": [1, {"h": "0755"}],
            "i": "", "j": "no", "k": 1.5, "l": "~", "m": " lead", "n": "#x", "o": "a\tb", "p": true, "q": "2026-11-22",
        });
        let text = print(&value);
        assert_eq!(read(&text).unwrap(), value, "{text}");
        assert_eq!(print(&json!({})), "{}\n");
    }

    #[test]
    fn documents_are_split() {
        assert_eq!(
            read_all("---\na: 1\n---\n---\nb: 2\n").unwrap(),
            [json!({"a": 1}), json!({"b": 2})]
        );
        assert_eq!(read_all("# nothing\n---\n").unwrap(), Vec::<Value>::new());
        assert_eq!(read("# nothing\n").unwrap(), Value::Null);
        assert!(!read("a: [1").unwrap_err().contains('\n'));
    }
}
