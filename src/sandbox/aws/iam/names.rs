//! What IAM accepts as a name, a path, a description and an ARN, in its words.

use super::super::facts::ACCOUNT;
use super::super::model::{Fault, Input, fault};

/// Checks the name of a role, policy or instance profile. `member` is the API's
/// member in the form that messages use, such as `roleName`.
pub fn check_name(name: &str, member: &str, most: usize) -> Result<(), Fault> {
    let legal = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '+' | '=' | ',' | '.' | '@' | '_' | '-')
    };
    if !name.chars().all(legal) {
        return Err(fault(
            "ValidationError",
            format!(
                "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
            ),
        ));
    }
    check_length(name, member, most)
}

/// Checks the length of a value, in characters.
pub fn check_length(value: &str, member: &str, most: usize) -> Result<(), Fault> {
    if value.chars().count() > most {
        return Err(fault(
            "ValidationError",
            format!(
                "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have length less than or equal to {most}"
            ),
        ));
    }
    Ok(())
}

/// Checks a path: `/`, or printable characters between two slashes.
pub fn check_path(path: &str) -> Result<(), Fault> {
    let legal = path.starts_with('/')
        && path.ends_with('/')
        && path.chars().all(|letter| letter.is_ascii_graphic())
        && !path.contains("//");
    if !legal {
        return Err(fault(
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        ));
    }
    check_length(path, "path", 512)
}

/// The path that a list is restricted to; everything begins with a slash.
pub fn path_prefix(input: Input<'_>) -> Result<&str, Fault> {
    let prefix = input.maybe("PathPrefix").unwrap_or("/");
    if !prefix.starts_with('/') {
        return Err(fault(
            "ValidationError",
            "The specified value for pathPrefix is invalid. It must begin with the / character and contain only alphanumeric characters and/or / characters.",
        ));
    }
    Ok(prefix)
}

/// Checks a session duration, in seconds. The least value the CLI checks itself.
pub fn check_session(seconds: i64) -> Result<(), Fault> {
    if seconds > 43_200 {
        return Err(fault(
            "ValidationError",
            format!(
                "1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: Member must have value less than or equal to 43200"
            ),
        ));
    }
    Ok(())
}

/// The ARN of something in this account; `path` begins and ends with a slash.
pub fn arn(kind: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:{kind}{path}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        assert!(check_name("a+=,.@_-Z9", "roleName", 64).is_ok());
        assert!(check_name("a b", "roleName", 64).is_err());
        assert!(check_name(&"x".repeat(65), "roleName", 64).is_err());
        for (path, legal) in [
            ("/", true),
            ("/a/", true),
            ("/a/b/", true),
            ("a/", false),
            ("/a", false),
            ("/a b/", false),
            ("//", false),
        ] {
            assert_eq!(check_path(path).is_ok(), legal, "{path}");
        }
    }
}
