//! Policy documents: what IAM refuses, in its words, and the principals of a
//! trust policy.
//!
//! The checks are those that a wrong manifest runs into: JSON, required and
//! prohibited members, action names, principals that do not exist. It is not a
//! full parser of the policy language.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::facts::ACCOUNT;
use super::super::model::{Fault, fault};
use super::{principal_exists, role_by_arn, text};
use crate::sandbox::world::World;

fn malformed(message: impl Into<String>) -> Fault {
    fault("MalformedPolicyDocument", message)
}

fn syntax_error() -> Fault {
    malformed("Syntax errors in policy.")
}

/// Checks a permissions policy, managed or inline.
pub fn check_permissions(document: &str) -> Result<(), Fault> {
    let statements = parse(document)?;
    for statement in &statements {
        if has_any(statement, &["Principal", "NotPrincipal"]) {
            return Err(malformed("Policy document should not specify a principal."));
        }
        check_effect(statement)?;
        let actions = actions(statement)?;
        if actions.is_empty() {
            return Err(malformed("Policy statement must contain actions."));
        }
        for action in actions {
            check_action(action)?;
        }
        let resources = words(statement, &["Resource", "NotResource"])?;
        if resources.is_empty() {
            return Err(malformed("Policy statement must contain resources."));
        }
        for resource in resources {
            check_resource(resource)?;
        }
    }
    Ok(())
}

/// Checks a trust policy. Returns the roles of this account that it trusts, by
/// ARN, with their unique ids: IAM keeps the id, so a role that is deleted and
/// created again is no longer trusted.
pub fn check_trust(world: &World, document: &str) -> Result<BTreeMap<String, String>, Fault> {
    let statements = parse(document)?;
    let mut trusted = BTreeMap::new();
    for statement in &statements {
        if has_any(statement, &["Resource", "NotResource"]) {
            return Err(malformed("Has prohibited field Resource"));
        }
        check_effect(statement)?;
        if !has_any(statement, &["Principal", "NotPrincipal"]) {
            return Err(malformed("Missing required field Principal"));
        }
        let actions = actions(statement)?;
        if actions.is_empty() {
            return Err(malformed("Missing required field Action"));
        }
        for action in actions {
            check_action(action)?;
            if !action.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sts:")) {
                return Err(malformed(
                    "AssumeRole policy may only specify STS AssumeRole actions.",
                ));
            }
        }
        let principal = statement.get("Principal").or_else(|| statement.get("NotPrincipal"));
        check_principal(world, principal.unwrap_or(&Value::Null), &mut trusted)?;
    }
    Ok(trusted)
}

/// The trust policy as IAM shows it: a trusted role that is gone, or was made
/// anew, appears as the unique id that was stored.
pub fn shown_trust(world: &World, document: &str, trusted: Option<&Value>) -> String {
    let mut shown = document.to_owned();
    for (arn, id) in trusted.and_then(Value::as_object).into_iter().flatten() {
        let Some(id) = id.as_str() else { continue };
        let still = role_by_arn(world, arn).is_some_and(|role| text(role, "RoleId") == id);
        if !still {
            shown = shown.replace(&format!("\"{arn}\""), &format!("\"{id}\""));
        }
    }
    shown
}

/// The size that quotas count: characters without white space.
pub fn size(document: &str) -> usize {
    document.chars().filter(|letter| !letter.is_whitespace()).count()
}

/// The statements of a document of the right form.
fn parse(document: &str) -> Result<Vec<Map<String, Value>>, Fault> {
    let parsed: Value = serde_json::from_str(document)
        .map_err(|_| malformed("This policy contains invalid Json"))?;
    let Value::Object(members) = &parsed else { return Err(syntax_error()) };
    let unknown =
        members.keys().any(|name| !matches!(name.as_str(), "Version" | "Id" | "Statement"));
    if unknown {
        return Err(syntax_error());
    }
    match members.get("Version") {
        None => {}
        Some(Value::String(version)) if version == "2012-10-17" || version == "2008-10-17" => {}
        Some(_) => return Err(malformed("The policy must contain a valid version string")),
    }
    let statements = match members.get("Statement") {
        None => return Err(malformed("Missing required field Statement")),
        Some(Value::Array(list)) => list.clone(),
        Some(single @ Value::Object(_)) => vec![single.clone()],
        Some(_) => return Err(syntax_error()),
    };
    let statements = statements
        .into_iter()
        .map(|statement| match statement {
            Value::Object(members) => Ok(members),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(syntax_error()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    check_members(&statements)?;
    Ok(statements)
}

fn check_members(statements: &[Map<String, Value>]) -> Result<(), Fault> {
    if statements.is_empty() {
        return Err(malformed("Missing required field Statement"));
    }
    let mut ids: Vec<&str> = Vec::new();
    for statement in statements {
        let known = |name: &str| {
            matches!(
                name,
                "Sid"
                    | "Effect"
                    | "Principal"
                    | "NotPrincipal"
                    | "Action"
                    | "NotAction"
                    | "Resource"
                    | "NotResource"
                    | "Condition"
            )
        };
        let condition_is_map = statement.get("Condition").is_none_or(Value::is_object);
        if !statement.keys().all(|name| known(name)) || !condition_is_map {
            return Err(syntax_error());
        }
        if let Some(id) = statement.get("Sid").and_then(Value::as_str) {
            if !id.chars().all(|letter| letter.is_ascii_alphanumeric()) {
                return Err(malformed(
                    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
                ));
            }
            if ids.contains(&id) && !id.is_empty() {
                return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
            }
            ids.push(id);
        }
    }
    Ok(())
}

fn has_any(statement: &Map<String, Value>, names: &[&str]) -> bool {
    names.iter().any(|name| statement.contains_key(*name))
}

fn check_effect(statement: &Map<String, Value>) -> Result<(), Fault> {
    match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow" | "Deny") => Ok(()),
        Some(_) => Err(syntax_error()),
        None => Err(malformed("Missing required field Effect")),
    }
}

fn actions(statement: &Map<String, Value>) -> Result<Vec<&str>, Fault> {
    words(statement, &["Action", "NotAction"])
}

/// The strings under the first of the names that is there.
fn words<'s>(statement: &'s Map<String, Value>, names: &[&str]) -> Result<Vec<&'s str>, Fault> {
    let Some(value) = names.iter().find_map(|name| statement.get(*name)) else {
        return Ok(Vec::new());
    };
    texts(value)
}

fn texts(value: &Value) -> Result<Vec<&str>, Fault> {
    match value {
        Value::String(single) => Ok(vec![single]),
        Value::Array(list) => {
            list.iter().map(|item| item.as_str().ok_or_else(syntax_error)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(syntax_error()),
    }
}

fn check_action(action: &str) -> Result<(), Fault> {
    if action == "*" {
        return Ok(());
    }
    let Some((vendor, name)) = action.split_once(':') else {
        return Err(malformed(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ));
    };
    if name.contains(':') {
        return Err(malformed("Actions/Condition can contain only one colon."));
    }
    let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if vendor.is_empty() || !vendor.chars().all(legal) {
        return Err(malformed(format!("Vendor {vendor} is not valid")));
    }
    if name.is_empty() || name.contains(' ') {
        return Err(malformed("The policy failed legacy parsing"));
    }
    Ok(())
}

fn check_resource(resource: &str) -> Result<(), Fault> {
    if resource == "*" {
        return Ok(());
    }
    if !resource.starts_with("arn:") {
        return Err(malformed(format!("Resource {resource} must be in ARN format or \"*\".")));
    }
    if resource.splitn(6, ':').count() < 6 {
        return Err(malformed("The policy failed legacy parsing"));
    }
    Ok(())
}

fn check_principal(
    world: &World,
    principal: &Value,
    trusted: &mut BTreeMap<String, String>,
) -> Result<(), Fault> {
    match principal {
        Value::Object(kinds) if !kinds.is_empty() => {
            for (kind, value) in kinds {
                for name in texts(value)? {
                    check_named(world, kind, name, trusted)?;
                }
            }
            Ok(())
        }
        // Anyone is written {"AWS": "*"}; the bare star is refused in a trust policy.
        Value::String(name) => Err(malformed(format!(
            "AssumeRolepolicy contained an invalid principal: \"STAR\":\"{name}\"."
        ))),
        Value::Object(_) => Err(malformed("Missing required field Principal")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(syntax_error()),
    }
}

fn check_named(
    world: &World,
    kind: &str,
    name: &str,
    trusted: &mut BTreeMap<String, String>,
) -> Result<(), Fault> {
    let legal = match kind {
        "AWS" => {
            if let Some(role) = role_by_arn(world, name) {
                trusted.insert(name.to_owned(), text(role, "RoleId").to_owned());
            }
            is_account_principal(world, name)
        }
        "Service" => {
            name.ends_with(".amazonaws.com") && name.len() > ".amazonaws.com".len()
                || name.ends_with(".amazonaws.com.cn")
                || name.ends_with(".amazon.com")
        }
        "Federated" | "CanonicalUser" => !name.is_empty(),
        _ => return Err(syntax_error()),
    };
    if legal {
        return Ok(());
    }
    Err(malformed(format!(
        "Invalid principal in policy: \"{}\":\"{name}\"",
        kind.to_ascii_uppercase()
    )))
}

/// Whether an `AWS` principal can be trusted: anyone, an account, or a role or
/// user, which in this account must exist.
fn is_account_principal(world: &World, name: &str) -> bool {
    let is_account =
        |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if name == "*" || is_account(name) {
        return true;
    }
    let Some(rest) = name
        .strip_prefix("arn:aws:")
        .and_then(|rest| rest.strip_prefix("iam::").or_else(|| rest.strip_prefix("sts::")))
    else {
        return false;
    };
    let Some((account, entity)) = rest.split_once(':') else { return false };
    if !is_account(account) {
        return false;
    }
    let known_kind = ["role/", "user/", "assumed-role/", "federated-user/"]
        .iter()
        .any(|kind| entity.strip_prefix(kind).is_some_and(|name| !name.is_empty()));
    entity == "root"
        || known_kind
            && (account != ACCOUNT
                || entity.starts_with("assumed-role/")
                || principal_exists(world, name))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn message(result: Result<(), Fault>) -> String {
        result.map_or_else(|fault| fault.message, |()| String::new())
    }

    #[test]
    fn permissions_policies() {
        for (document, expected) in [
            (
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
                "",
            ),
            (
                r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::b/*"]}}"#,
                "",
            ),
            ("{", "This policy contains invalid Json"),
            ("[]", "Syntax errors in policy."),
            (r#"{"Version":"2012-10-17"}"#, "Missing required field Statement"),
            (
                r#"{"Version":"2012-10-18","Statement":[]}"#,
                "The policy must contain a valid version string",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#,
                "Policy statement must contain actions.",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"s3:*"}]}"#,
                "Policy statement must contain resources.",
            ),
            (
                r#"{"Statement":[{"Action":"s3:*","Resource":"*"}]}"#,
                "Missing required field Effect",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"GetObject","Resource":"*"}]}"#,
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}]}"#,
                "Resource bucket must be in ARN format or \"*\".",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}"#,
                "Policy document should not specify a principal.",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Actions":"s3:*","Resource":"*"}]}"#,
                "Syntax errors in policy.",
            ),
            (
                r#"{"Statement":[{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
                "Statement IDs (SID) in a single policy must be unique.",
            ),
        ] {
            assert_eq!(message(check_permissions(document)), expected, "{document}");
        }
    }

    #[test]
    fn trust_policies() {
        let world = World::new(Timestamp::UNIX_EPOCH);
        for (document, expected) in [
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
                "",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}"#,
                "",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:role/x"},"Action":"sts:AssumeRole"}]}"#,
                "",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}"#,
                "Missing required field Principal",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}]}"#,
                "Missing required field Action",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"s3:GetObject"}]}"#,
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Resource":"*"}]}"#,
                "Has prohibited field Resource",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/none"},"Action":"sts:AssumeRole"}]}"#,
                "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:role/none\"",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2"},"Action":"sts:AssumeRole"}]}"#,
                "Invalid principal in policy: \"SERVICE\":\"ec2\"",
            ),
        ] {
            let found = message(check_trust(&world, document).map(drop));
            assert_eq!(found, expected, "{document}");
        }
    }

    #[test]
    fn size_leaves_white_space_out() {
        assert_eq!(size("{ \"a\" :\n 1 }"), 7);
    }
}
