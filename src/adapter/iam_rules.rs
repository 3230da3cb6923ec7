//! What IAM allows in names, paths, descriptions, ARNs and tags; the limits are
//! those of the IAM API model (2010-05-08).
//!
//! Texts that are not known yet are passed over: AWS will judge them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::{Problem, eks, iam};
use crate::value::{Path, Value, is_unknown_text};

/// The longest description of a role or policy, in characters.
const DESCRIPTION_LIMIT: usize = 1000;
/// The most tags that a role or policy may have.
const TAG_LIMIT: usize = 50;

/// Collects what is wrong with a spec.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem; an empty `help` is none.
    pub fn add(&mut self, path: &Path, summary: impl Into<String>, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.0.push(Problem { path: path.clone(), summary: summary.into(), help });
    }

    /// The value if nothing was wrong.
    ///
    /// # Errors
    /// Everything that was noted.
    pub fn or<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    /// The typed spec. No part of an IAM object is secret (plans, logs and AWS
    /// itself show all of it), so a sensitive text is a problem; it then counts
    /// as not known, so that no message can hold it.
    pub fn typed<T: DeserializeOwned>(&mut self, spec: &Value) -> Option<T> {
        eks::typed(spec, &mut self.0)
    }

    /// A role's or policy's name: `[A-Za-z0-9_+=,.@-]`, at most `limit` long.
    pub fn name(&mut self, path: &Path, name: &str, limit: usize) {
        if is_unknown_text(name) {
            return;
        }
        let length = name.chars().count();
        if length == 0 || length > limit {
            self.add(
                path,
                format!("the name has {length} characters; IAM allows 1 to {limit}"),
                "choose a shorter name, or shorten the variable that it is made of",
            );
        }
        if let Some(bad) = name.chars().find(|&c| !is_name_char(c)) {
            self.add(
                path,
                format!("`{bad}` can't stand in the name `{name}`"),
                "use letters, digits and _+=,.@-",
            );
        }
    }

    /// A role's or policy's path: `/`, or `/a/b/`.
    pub fn path(&mut self, path: &str) {
        if is_unknown_text(path) {
            return;
        }
        let well_formed = path == iam::ROOT_PATH
            || (path.len() >= 3
                && path.starts_with('/')
                && path.ends_with('/')
                && path.chars().all(|c| ('!'..='~').contains(&c)));
        if !well_formed || path.len() > 512 {
            self.add(
                &Path::new("path"),
                format!("`{path}` is not an IAM path"),
                "begin and end it with a slash, as in /lakehouse/; at most 512 characters",
            );
        }
        if ["/aws-service-role/", "/aws-reserved/"].iter().any(|own| path.starts_with(own)) {
            self.add(
                &Path::new("path"),
                format!("the path `{path}` belongs to AWS"),
                "declare a service-linked role as `kind: ServiceLinkedRole`",
            );
        }
    }

    /// A description of at most 1,000 characters of Latin-1.
    pub fn description(&mut self, description: &str) {
        if is_unknown_text(description) {
            return;
        }
        let path = Path::new("description");
        let length = description.chars().count();
        if length > DESCRIPTION_LIMIT {
            self.add(
                &path,
                format!("the description has {length} characters; IAM allows {DESCRIPTION_LIMIT}"),
                "shorten it",
            );
        }
        let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}');
        if let Some(bad) = description.chars().find(|&c| !allowed(c)) {
            self.add(
                &path,
                format!("`{}` can't stand in a description", bad.escape_default()),
                "IAM takes letters and signs of Western European languages only",
            );
        }
    }

    /// An ARN of a managed policy.
    pub fn policy_arn(&mut self, path: &Path, arn: &str) {
        if is_unknown_text(arn) {
            return;
        }
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let well_formed = matches!(
            parts.as_slice(),
            ["arn", _, "iam", "", account, resource]
                if !account.is_empty() && resource.starts_with("policy/")
        );
        if !well_formed {
            self.add(
                path,
                format!("`{arn}` is not the ARN of a managed policy"),
                "write arn:aws:iam::aws:policy/NAME for a policy of AWS, or \
                 ${IamPolicy.NAME.arn} for one of this stack",
            );
        }
    }

    /// Tags: at most 50, keys of at most 128 and values of at most 256
    /// characters, none of AWS's own.
    pub fn tags(&mut self, tags: &BTreeMap<String, String>) {
        let all = Path::new("tags");
        if tags.len() > TAG_LIMIT {
            self.add(&all, format!("{} tags; IAM allows {TAG_LIMIT}", tags.len()), "remove some");
        }
        for (key, value) in tags {
            let path = all.join(key);
            if iam::is_aws_tag(key) {
                self.add(
                    &path,
                    format!("the tag key `{key}` belongs to AWS"),
                    "keys must not begin with `aws:`",
                );
            }
            self.tag_text(&path, "key", key, 1, 128);
            if !is_unknown_text(value) {
                self.tag_text(&path, "value", value, 0, 256);
            }
        }
    }

    fn tag_text(&mut self, path: &Path, what: &str, text: &str, least: usize, most: usize) {
        let length = text.chars().count();
        if length < least || length > most {
            self.add(
                path,
                format!("a tag's {what} has {length} characters; IAM allows {least} to {most}"),
                "",
            );
        }
        let allowed = |c: char| c.is_alphanumeric() || is_separator(c) || "_.:/=+-@".contains(c);
        if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
            self.add(
                path,
                format!("`{}` can't stand in a tag's {what}", bad.escape_default()),
                "use letters, digits, spaces and _.:/=+-@",
            );
        }
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() && !c.is_control()
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}
