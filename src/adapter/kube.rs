//! What the kinds of the Kubernetes API share: their commands, what `kubectl`
//! answers, and the names that the API server takes.
//!
//! This module is no kind and must not know any single one.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::reading::is_cut_off;
use super::{Identity, Problem, ReadError};
use crate::command::{Answer, Command, Tool};
use crate::quote::quote;
use crate::value::{Map, Path, Value, is_sensitive_text, is_unknown_text};

/// The field manager of everything that is written.
pub const MANAGER: &str = "lkh";

/// Where client-side apply keeps what it applied.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What was told of one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    /// It does not exist.
    Absent,
    /// The API server does not know its kind: what `kubectl` says of that.
    Unserved(String),
    /// It, as the API server returned it.
    Object(Json),
}

/// What an answer of `kubectl get` with `--ignore-not-found -o json` tells.
///
/// # Errors
/// When it tells nothing.
pub fn got(command: &Command, answer: &Answer) -> Result<Got, ReadError> {
    let error = |why: String| ReadError::new(command.clone(), answer, why);
    if !answer.succeeded() {
        let unserved = answer.stderr.lines().find(|line| line.contains("no matches for kind \""));
        return match unserved {
            Some(line) => Ok(Got::Unserved(said(line).to_owned())),
            None => Err(error(failure(answer))),
        };
    }
    if answer.stdout.trim().is_empty() {
        return Ok(Got::Absent);
    }
    let mut json = answer.json().map_err(error)?;
    if is_cut_off(&json) {
        return Err(error("the list is cut off: there is more than was read".into()));
    }
    if json["kind"] == "List" {
        let Some([one]) = json["items"].as_array().map(Vec::as_slice) else {
            return Err(error("the answer is not one object".into()));
        };
        json = one.clone();
    }
    let is_object = json["kind"].is_string() && json["metadata"]["name"].is_string();
    if is_object { Ok(Got::Object(json)) } else { Err(error("the answer is no object".into())) }
}

/// The members of a whole list.
///
/// # Errors
/// When the answer is not one, or not all of it.
pub fn items(command: &Command, answer: &Answer) -> Result<Vec<Json>, ReadError> {
    let error = |why: String| ReadError::new(command.clone(), answer, why);
    if !answer.succeeded() {
        return Err(error(failure(answer)));
    }
    if answer.stdout.trim().is_empty() {
        // So it answers where named objects are missing and that is ignored.
        return Ok(Vec::new());
    }
    let json = answer.json().map_err(error)?;
    if is_cut_off(&json) {
        return Err(error("the list is cut off: there is more than was read".into()));
    }
    match &json["items"] {
        Json::Array(items) => Ok(items.clone()),
        // One that was named.
        Json::Null if json["kind"].is_string() && json["metadata"]["name"].is_string() => {
            Ok(vec![json])
        }
        _ => Err(error("the answer has no list".into())),
    }
}

/// Why a command failed, in one line.
pub fn failure(answer: &Answer) -> String {
    let lines = || answer.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_error =
        |line: &&str| line.starts_with("error:") || line.starts_with("Error from server");
    let line = lines().find(is_error).or_else(|| lines().next_back()).unwrap_or("it says nothing");
    let unreachable = ["connection to the server", "connection refused", "Unable to connect"];
    if unreachable.iter().any(|text| line.contains(text)) {
        return format!("the Kubernetes API does not answer: {line}");
    }
    said(line).to_owned()
}

/// What `kubectl` says, without the word before it.
fn said(line: &str) -> &str {
    line.strip_prefix("error: ").unwrap_or(line)
}

/// A read that was never run, for an identity that no object can have: from a
/// state that someone edited.
pub fn never_run(what: &str) -> ReadError {
    let why = format!("the state's name for the {what} can't be one");
    ReadError::new(Command::read(Tool::Kubectl, &["get"]), &Answer::default(), why)
}

/// A patch of one object, by standard input: only what it names changes.
pub fn patch(resource: &str, name: &str, namespace: Option<&str>, document: Map) -> Command {
    let command = Command::write(Tool::Kubectl, &["patch", resource, name]);
    in_namespace(command, namespace)
        .arg("--type=merge")
        .arg("--patch-file=/dev/stdin")
        .arg(format!("--field-manager={MANAGER}"))
        .with_stdin(Value::Map(document))
}

/// Makes an object that is not there; one that is stays as it is.
pub fn create(document: Map) -> Command {
    Command::write(Tool::Kubectl, &["create", "-f", "-"])
        .arg(format!("--field-manager={MANAGER}"))
        .with_stdin(Value::Map(document))
}

/// Adds the namespace.
pub fn in_namespace(command: Command, namespace: Option<&str>) -> Command {
    match namespace {
        Some(namespace) => command.flag("-n", namespace),
        None => command,
    }
}

/// The kind and names of an object, as a document. The names may not be known
/// yet.
pub fn reference(api_version: &str, kind: &str, identity: &Identity) -> Map {
    let parts = ["name", "namespace"].into_iter();
    let metadata: Map =
        parts.filter_map(|part| Some((part.to_owned(), identity.0.get(part)?.clone()))).collect();
    Map::from([
        ("apiVersion".to_owned(), Value::from(api_version)),
        ("kind".to_owned(), Value::from(kind)),
        ("metadata".to_owned(), Value::Map(metadata)),
    ])
}

/// What holds an object that is being deleted; `None`: it is not.
pub fn leaving(object: &Json) -> Option<String> {
    object["metadata"]["deletionTimestamp"].as_str()?;
    let finalizers: Vec<&str> = object["metadata"]["finalizers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    Some(match finalizers.as_slice() {
        [] => "it is being deleted".to_owned(),
        [one] => format!("it is being deleted, and the finalizer {one} holds it"),
        many => format!("it is being deleted, and the finalizers {} hold it", many.join(", ")),
    })
}

/// Whether a name is a DNS label: that of a namespace.
pub fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Whether a name is a DNS subdomain: that of most objects.
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether a text is a key of labels and annotations: a name, or one below a
/// domain.
pub fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

/// Whether a text is the value of a label.
pub fn is_label_value(value: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    value.len() <= 63
        && value.chars().all(inner)
        && edge(value.chars().next())
        && edge(value.chars().next_back())
}

/// A problem at a field.
pub fn problem(path: &[&str], summary: impl Into<String>, help: &str) -> Problem {
    let path = path.iter().fold(Path::default(), |path, segment| path.join(*segment));
    Problem { path, summary: summary.into(), help: Some(help.to_owned()) }
}

/// Checks a name that ends up in an argv: not sensitive, and one that the API
/// server takes. It may not be known yet; then nothing is asked before it is.
pub fn check_name(
    problems: &mut Vec<Problem>,
    field: &[&str],
    name: &str,
    fits: fn(&str) -> bool,
    help: &str,
) {
    let last = field.last().copied().unwrap_or_default();
    if is_sensitive_text(name) {
        let summary = format!("`{last}` must not be sensitive: it is shown in commands");
        problems.push(problem(field, summary, "use a variable that is not sensitive"));
    } else if !is_unknown_text(name) && !fits(name) {
        problems.push(problem(field, format!("{} can't be the {last}", quote(name)), help));
    }
}

/// What is wrong with labels or annotations, whose values are shown.
pub fn check_marks(
    problems: &mut Vec<Problem>,
    field: &str,
    marks: &BTreeMap<String, String>,
    fits: fn(&str) -> bool,
) {
    for (key, value) in marks {
        if !is_qualified_name(key) {
            problems.push(problem(
                &[field, key],
                format!("{} is not a key of {field}", quote(key)),
                "use at most 63 letters, digits, `-`, `_` and `.`, with a domain and `/` before \
                 them where needed",
            ));
        }
        if is_sensitive_text(value) {
            problems.push(problem(
                &[field, key],
                format!("{field} must not be sensitive: everybody can read them"),
                "keep it in a KubernetesSecret",
            ));
        } else if !is_unknown_text(value) && !fits(value) {
            problems.push(problem(
                &[field, key],
                format!("{} is not a value of {field}", quote(value)),
                "use at most 63 letters, digits, `-`, `_` and `.`",
            ));
        }
    }
}

/// Standard base64 as a text; `None` for anything else.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0_u32, 0_u32);
    let padded = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - padded.len() > 2 {
        return None;
    }
    for letter in padded.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        group = (group << 6 | u32::from(value)) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(group >> bits & 0xff).unwrap_or_default());
        }
    }
    Some(bytes)
}

#[cfg(test)]
pub mod testing {
    //! Answers of `kubectl` for tests.

    use serde_json::Value as Json;

    use crate::adapter::{Adapter, Answers, Reading, Subject};
    use crate::command::Answer;

    /// An answer with this on standard output.
    pub fn prints(json: &Json) -> Answer {
        Answer { stdout: json.to_string(), ..Answer::default() }
    }

    /// Nothing was found, and that was ignored.
    pub fn nothing() -> Answer {
        Answer::default()
    }

    /// A failure.
    pub fn fails(stderr: &str) -> Answer {
        Answer { code: 1, stderr: stderr.to_owned(), ..Answer::default() }
    }

    /// Reads with what the function answers, and says what was asked.
    pub fn read(
        adapter: &dyn Adapter,
        subject: &Subject<'_>,
        answer: impl Fn(&str) -> Answer,
    ) -> (Result<Reading, crate::adapter::ReadError>, Vec<String>) {
        let (mut answers, mut asked) = (Answers::default(), Vec::new());
        for _ in 0..12 {
            match adapter.read(subject, &answers) {
                Ok(Reading::Ask(commands)) => {
                    for command in commands {
                        let text = command.to_string();
                        assert!(command.is_known_read(), "{text}");
                        answers.insert(&command, answer(&text));
                        asked.push(text);
                    }
                }
                other => return (other, asked),
            }
        }
        panic!("in a circle: {asked:?}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::testing::{fails, nothing, prints};
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let command = || Command::read(Tool::Kubectl, &["get", "-f", "-"]);
        let of = |answer: &Answer| got(&command(), answer);
        let object = json!({"kind": "Namespace", "metadata": {"name": "a"}});
        assert_eq!(of(&nothing()), Ok(Got::Absent));
        assert_eq!(of(&prints(&object)), Ok(Got::Object(object.clone())));
        let list = json!({"kind": "List", "items": [object.clone()]});
        assert_eq!(of(&prints(&list)), Ok(Got::Object(object)));
        let unserved = "error: resource mapping not found for name: \"x\" namespace: \"\" from \
                        \"STDIN\": no matches for kind \"NodePool\" in version \"karpenter.sh/v1\"\n\
                        ensure CRDs are installed first\n";
        assert!(matches!(of(&fails(unserved)), Ok(Got::Unserved(why)) if why.contains("NodePool")));
        let why = |answer: &Answer| of(answer).unwrap_err().why;
        let forbidden = "Error from server (Forbidden): namespaces \"a\" is forbidden";
        assert!(why(&fails(forbidden)).contains("is forbidden"));
        let refused = "The connection to the server x was refused - did you specify";
        assert!(why(&fails(refused)).contains("does not answer"));
        assert!(why(&prints(&json!({"kind": "List", "items": []}))).contains("not one object"));
        let more = json!({"kind": "List", "metadata": {"continue": "x"}, "items": []});
        assert!(why(&prints(&more)).contains("cut off"));
        assert!(items(&command(), &prints(&more)).is_err());
    }

    #[test]
    fn names_are_those_that_the_api_server_takes() {
        let long = "a".repeat(64);
        for name in ["a", "a-1", "0"] {
            assert!(is_label(name) && is_subdomain(name), "{name}");
        }
        for name in ["", "-a", "--help", "a-", "A", "a/b", "a b", "\u{430}", &long] {
            assert!(!is_label(name) && !is_subdomain(name), "{name}");
        }
        assert!(is_subdomain("a.b-c") && !is_subdomain("a..b") && !is_subdomain(".a"));
        for key in ["a", "team.x/Cost_center", "app.kubernetes.io/name"] {
            assert!(is_qualified_name(key), "{key}");
        }
        for key in ["", "/a", "a/", "-a", "a/b/c", "A.x/b", "a=b"] {
            assert!(!is_qualified_name(key), "{key}");
        }
    }

    #[test]
    fn base64_is_read_exactly() {
        let text = |encoded| from_base64(encoded).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(text("dG9rX3gx").as_deref(), Some("tok_x1"));
        assert_eq!(text("Zm9vYg==").as_deref(), Some("foob"));
        assert_eq!(text("").as_deref(), Some(""));
        assert_eq!(from_base64("+/8="), Some(vec![0xfb, 0xff]));
        for wrong in ["Zg", "Z===", "Zm 9", "a-b_"] {
            assert_eq!(from_base64(wrong), None, "{wrong}");
        }
    }
}
