//! Objects in a bucket, by `aws s3api` through the gateway: read whole, written
//! whole and only where nobody else has written since.
//!
//! Bodies go by standard input and come by standard output, never by an
//! argument. This module must not know what the objects mean.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::command::{Answer, Command, Tool};
use crate::exec::explain::explain;
use crate::exec::gateway::Gateway;
use crate::store::StoreError;
use crate::value::{Digest, Value};

/// How often a write is tried whose outcome was not known and that a read then
/// proved not to have happened.
const TRIES: usize = 3;

/// A bucket and the way to it.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) gateway: Arc<Gateway>,
    pub(super) name: String,
    pub(super) region: Option<String>,
}

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) text: String,
    pub(super) tag: String,
}

/// What came of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Put {
    /// It is written, and has this tag now.
    Done(String),
    /// Something else is there than was expected; nothing was written.
    Refused,
}

impl Bucket {
    /// How people name an object.
    pub(super) fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// Reads an object; `None`: there is none.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let command = self
            .command(Command::read(Tool::Aws, &["s3api", "get-object"]), Some(key))
            .flag("--checksum-mode", "ENABLED")
            .arg("/dev/stdout");
        let answer = self.read(&command, "read", key).await?;
        if answer.is_service_error("NoSuchKey") {
            return Ok(None);
        }
        self.check(&answer, "read", key)?;
        let broken = |why: &str| self.failed("read", key, why.to_owned());
        let (text, metadata) =
            split(&answer.stdout).ok_or_else(|| broken("the answer is not whole"))?;
        let sum = metadata["Metadata"]["sha256"].as_str();
        if sum.is_some_and(|sum| sum != hash(text)) {
            return Err(broken("what was read is not what was written: its checksum differs"));
        }
        let tag = metadata["ETag"].as_str().ok_or_else(|| broken("the answer has no ETag"))?;
        Ok(Some(Object { text: text.to_owned(), tag: tag.to_owned() }))
    }

    /// The tag of an object; `None`: there is none.
    pub(super) async fn tag(&self, key: &str) -> Result<Option<String>, StoreError> {
        let command = self.command(Command::read(Tool::Aws, &["s3api", "head-object"]), Some(key));
        let answer = self.read(&command, "look at", key).await?;
        if answer.is_service_error("404") || answer.is_service_error("NoSuchKey") {
            return Ok(None);
        }
        self.check(&answer, "look at", key)?;
        let json = answer.json().map_err(|why| self.failed("look at", key, why))?;
        match json["ETag"].as_str() {
            Some(tag) => Ok(Some(tag.to_owned())),
            None => Err(self.failed("look at", key, "the answer has no ETag".into())),
        }
    }

    /// Writes an object where the one with this tag is, or where there is none.
    /// When the answer does not tell what came of it, a read does.
    pub(super) async fn put(
        &self,
        key: &str,
        text: &str,
        expected: Option<&str>,
    ) -> Result<Put, StoreError> {
        let mut command = self
            .command(Command::write(Tool::Aws, &["s3api", "put-object"]), Some(key))
            .flag("--body", "/dev/stdin")
            .flag("--content-type", "application/json")
            .flag("--metadata", &format!("sha256={}", hash(text)));
        command = match expected {
            Some(tag) => command.flag("--if-match", tag),
            None => command.flag("--if-none-match", "*"),
        };
        let command = command.with_stdin(Value::from(text));
        let mut last = String::new();
        for _ in 0..TRIES {
            match self.gateway.write(&command).await {
                Ok(answer) if answer.succeeded() => {
                    if let Some(tag) = answer.json().ok().as_ref().and_then(|j| j["ETag"].as_str())
                    {
                        return Ok(Put::Done(tag.to_owned()));
                    }
                    last = "the answer has no ETag".into();
                }
                // With a condition on an object that is gone, S3 says NoSuchKey.
                Ok(answer)
                    if ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"]
                        .iter()
                        .any(|code| answer.is_service_error(code)) =>
                {
                    // A run of this command before may have come through.
                    return Ok(match self.get(key).await? {
                        Some(there) if there.text == text => Put::Done(there.tag),
                        _ => Put::Refused,
                    });
                }
                Ok(answer) if answer.service_error().is_some_and(|e| is_refusal(&e.code)) => {
                    self.check(&answer, "write", key)?;
                }
                Ok(answer) => last = self.words(&answer),
                Err(error) => last = self.gateway.show(&error.to_string()),
            }
            let Ok(there) = self.get(key).await else {
                return Err(self.failed("write", key, last));
            };
            match &there {
                Some(object) if object.text == text => return Ok(Put::Done(object.tag.clone())),
                there if there.as_ref().map(|object| object.tag.as_str()) != expected => {
                    return Ok(Put::Refused);
                }
                _ => {}
            }
        }
        Err(self.failed("write", key, last))
    }

    /// The keys that begin with this.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let command = self
            .command(Command::read(Tool::Aws, &["s3api", "list-objects-v2"]), None)
            .flag("--prefix", prefix);
        let answer = self.read(&command, "list", prefix).await?;
        self.check(&answer, "list", prefix)?;
        // Where nothing is found, some versions print nothing at all.
        if answer.stdout.trim().is_empty() {
            return Ok(Vec::new());
        }
        let json = answer.json().map_err(|why| self.failed("list", prefix, why))?;
        if json["IsTruncated"] == true {
            return Err(self.failed("list", prefix, "the list is not whole".into()));
        }
        let keys = json["Contents"].as_array().into_iter().flatten();
        Ok(keys.filter_map(|object| object["Key"].as_str().map(str::to_owned)).collect())
    }

    /// Whether the bucket keeps the old versions of its objects. `None`: nobody
    /// may know.
    pub(super) async fn is_versioned(&self) -> Option<bool> {
        let command =
            self.command(Command::read(Tool::Aws, &["s3api", "get-bucket-versioning"]), None);
        let answer = self.gateway.read_fresh(&command).await.ok()?;
        if !answer.succeeded() {
            return None;
        }
        Some(answer.json().is_ok_and(|json| json["Status"] == "Enabled"))
    }

    fn command(&self, command: Command, key: Option<&str>) -> Command {
        let mut command = command.flag("--bucket", &self.name);
        if let Some(key) = key {
            command = command.flag("--key", key);
        }
        match &self.region {
            Some(region) => command.flag("--region", region),
            None => command,
        }
    }

    async fn read(
        &self,
        command: &Command,
        what: &'static str,
        key: &str,
    ) -> Result<Answer, StoreError> {
        let answer = self.gateway.read_fresh(command).await;
        answer.map_err(|error| self.failed(what, key, self.gateway.show(&error.to_string())))
    }

    fn check(&self, answer: &Answer, what: &'static str, key: &str) -> Result<(), StoreError> {
        if answer.succeeded() {
            return Ok(());
        }
        let why = if answer.is_service_error("NoSuchBucket") {
            format!(
                "there is no bucket {0}; make it and keep old versions: aws s3api create-bucket \
                 --bucket {0} (outside of us-east-1 with --create-bucket-configuration \
                 LocationConstraint=REGION), aws s3api put-bucket-versioning --bucket {0} \
                 --versioning-configuration Status=Enabled",
                self.name
            )
        } else {
            self.words(answer)
        };
        Err(self.failed(what, key, why))
    }

    /// What a failed answer says, in a line.
    fn words(&self, answer: &Answer) -> String {
        let text = explain(answer).map_or_else(
            || {
                let last = answer.stderr.lines().rev().find(|line| !line.trim().is_empty());
                last.map_or_else(|| format!("exit code {}", answer.code), str::to_owned)
            },
            |explanation| format!("{}; {}", explanation.cause, explanation.fix),
        );
        self.gateway.show(&text)
    }

    fn failed(&self, what: &'static str, key: &str, why: String) -> StoreError {
        StoreError::Remote { what, object: self.url(key), why }
    }
}

/// Errors that prove that nothing was written and never will be.
fn is_refusal(code: &str) -> bool {
    matches!(
        code,
        "NoSuchBucket"
            | "AccessDenied"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "NotImplemented"
            | "PermanentRedirect"
            | "AllAccessDisabled"
            | "InvalidBucketName"
    )
}

/// The digest of a body, as its object's metadata holds it.
fn hash(text: &str) -> String {
    let digest = Digest::of(text.as_bytes());
    digest.as_str().rsplit(':').next().unwrap_or_default().to_owned()
}

/// The body and what the CLI prints after it. The CLI says how long the body
/// is, so nothing in the body is taken for the rest.
fn split(stdout: &str) -> Option<(&str, Json)> {
    stdout.rmatch_indices('{').take(64).find_map(|(at, _)| {
        let (body, rest) = stdout.split_at_checked(at)?;
        let metadata: Json = serde_json::from_str(rest).ok()?;
        (metadata["ContentLength"].as_u64() == Some(at as u64)).then_some((body, metadata))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_where_the_cli_says() {
        for body in ["", "a", "{\"ContentLength\": 3}", "{\n}\n", "é{", "{\"Metadata\": {}}\n"] {
            let rest = serde_json::json!({
                "ContentLength": body.len(), "ETag": "\"x\"", "Metadata": {"a": {}}
            });
            let text = format!("{body}{rest:#}\n");
            let (found, metadata) = split(&text).unwrap();
            assert_eq!((found, &metadata), (body, &rest));
            // Cut off anywhere, it is no answer.
            for end in (0..text.trim_end().len()).filter(|&end| text.is_char_boundary(end)) {
                assert_eq!(split(&text[..end]).filter(|(found, _)| *found != body), None);
            }
        }
    }
}
