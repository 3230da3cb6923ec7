//! `create` and `replace`: writing whole objects.

use serde_json::{Map, Value, json};

use super::apply::{manager, needs_files, report_all};
use super::{Call, Failure, table};
use crate::sandbox::cluster::{Status, WriteOptions, Written};
use crate::sandbox::flags::{Flag, Takes, flag};

pub const FLAGS: &[Flag] =
    &[flag("save-config", Takes::Nothing), flag("validate", Takes::Optional("strict"))];
pub const REPLACE_FLAGS: &[Flag] = &[
    flag("cascade", Takes::Optional("background")),
    flag("force", Takes::Nothing),
    flag("grace-period", Takes::Number),
    flag("save-config", Takes::Nothing),
    flag("timeout", Takes::Duration),
    flag("validate", Takes::Optional("strict")),
];
pub const SECRET_FLAGS: &[Flag] = &[flag("from-literal", Takes::Value), flag("type", Takes::Value)];
/// `kubectl create -f`.
pub fn create(call: &mut Call<'_>) -> Result<(), Failure> {
    needs_files(call)?;
    let (dry_run, note) = call.dry_run()?;
    let documents = call.documents()?;
    if documents.is_empty() {
        return Err(Failure::said("no objects passed to create"));
    }
    let options = WriteOptions::by(&manager(call, "kubectl-create")).dry_run(dry_run);
    let mut errors = Vec::new();
    let mut written = Vec::new();
    for document in documents {
        let created = call.connect()?.create(
            &document.ty,
            &document.namespace,
            document.object.clone(),
            &options,
        );
        match created {
            Ok(Written { object, .. }) => {
                let shown = format!(
                    "{}/{}",
                    table::qualified(&document.ty),
                    table::text(&object, "/metadata/name")
                );
                written.push((shown, "created", object));
            }
            Err(status) => errors.push(Failure::about("creating", &document.source, &status).text),
        }
    }
    call.connect()?.reconcile();
    report_all(call, written, note)?;
    if errors.is_empty() { Ok(()) } else { Err(Failure { text: errors.join("\n"), code: 1 }) }
}

/// `kubectl replace -f`.
pub fn replace(call: &mut Call<'_>) -> Result<(), Failure> {
    needs_files(call)?;
    let (dry_run, note) = call.dry_run()?;
    let documents = call.documents()?;
    if documents.is_empty() {
        return Err(Failure::said("no objects passed to replace"));
    }
    let options = WriteOptions::by(&manager(call, "kubectl-replace")).dry_run(dry_run);
    let mut errors = Vec::new();
    let mut written = Vec::new();
    for document in documents {
        let replaced = call.connect()?.update(
            &document.ty,
            &document.namespace,
            document.object.clone(),
            &options,
        );
        match replaced {
            Ok(Written { object, .. }) => written.push((document.shown(), "replaced", object)),
            Err(status) => errors.push(Failure::about("replacing", &document.source, &status).text),
        }
    }
    call.connect()?.reconcile();
    report_all(call, written, note)?;
    if errors.is_empty() { Ok(()) } else { Err(Failure { text: errors.join("\n"), code: 1 }) }
}

/// Creates one object that the arguments describe.
fn create_one(call: &mut Call<'_>, word: &str, object: Value) -> Result<(), Failure> {
    let (dry_run, note) = call.dry_run()?;
    let namespace = call.namespace();
    let options = WriteOptions::by(&manager(call, "kubectl-create")).dry_run(dry_run);
    if call.args.value("dry-run") == Some("client") {
        let shown = format!("{word}/{}", table::text(&object, "/metadata/name"));
        return call.report(&shown, &format!("created{note}"), &object);
    }
    let (shown, object) = {
        let mut cluster = call.connect()?;
        let Some(ty) = cluster.resolve(word) else {
            return Err(Failure::said(format!(
                "the server doesn't have a resource type \"{word}\""
            )));
        };
        let written = cluster.create(&ty, &namespace, object, &options);
        let object = written.map_err(|status| {
            let status = Status {
                message: format!("failed to create {} {}", ty.singular, status.message),
                ..status
            };
            // Namespaces are the exception: the server's words stand alone.
            if ty.plural == "namespaces" {
                Failure::bare(
                    Failure::server(&status).text.replace("failed to create namespace ", ""),
                )
            } else {
                Failure::said(&status.message)
            }
        })?;
        cluster.reconcile();
        (
            format!("{}/{}", table::qualified(&ty), table::text(&object.object, "/metadata/name")),
            object.object,
        )
    };
    call.report(&shown, &format!("created{note}"), &object)
}

fn one_name(call: &Call<'_>, command: &str) -> Result<String, Failure> {
    match call.args.positional.as_slice() {
        [name] => Ok(name.clone()),
        others => Err(Failure::said(format!(
            "exactly one NAME is required, got {}
See 'kubectl {command} -h' for help and examples",
            others.len()
        ))),
    }
}

/// `kubectl create namespace`.
pub fn create_namespace(call: &mut Call<'_>) -> Result<(), Failure> {
    let name = one_name(call, "create namespace")?;
    create_one(
        call,
        "namespace",
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
    )
}

/// `kubectl create secret generic`.
pub fn create_secret(call: &mut Call<'_>) -> Result<(), Failure> {
    if call.args.positional.first().map(String::as_str) != Some("generic") {
        return Err(Failure::said("only generic secrets are simulated"));
    }
    call.args.positional.remove(0);
    let name = one_name(call, "create secret generic")?;
    let mut data = Map::new();
    for pair in call.args.values("from-literal") {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Failure::said(format!(
                "invalid literal source {pair}, expected key=value"
            )));
        };
        data.insert(key.to_owned(), base64(value.as_bytes()).into());
    }
    let namespace = call.namespace();
    let mut object = json!({
        "apiVersion": "v1", "data": data, "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
    });
    if let Some((object, kind)) = object.as_object_mut().zip(call.args.value("type")) {
        object.insert("type".to_owned(), kind.into());
    }
    create_one(call, "secret", object)
}

/// Base64 with padding, as secrets carry their data.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for index in 0..4 {
            let letter = usize::try_from(bits >> (18 - 6 * index) & 63)
                .ok()
                .and_then(|letter| LETTERS.get(letter));
            match letter {
                Some(letter) if index <= chunk.len() => out.push(char::from(*letter)),
                _ => out.push('='),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (text, expected) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("tok_x1", "dG9rX3gx")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
