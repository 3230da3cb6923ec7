//! What an API server answers when it refuses: a `Status` with code, reason and
//! message in Kubernetes' own words.
//!
//! Only shapes and words live here; who refuses what is decided elsewhere.

use serde_json::{Value, json};

use super::types::ResourceType;

/// Why a request was refused, as `Status.reason` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// 400: the request itself makes no sense.
    BadRequest,
    /// 403: admission refused it.
    Forbidden,
    /// 404: no such object or type.
    NotFound,
    /// 405: the type has no such verb.
    MethodNotAllowed,
    /// 409: an object of that name exists.
    AlreadyExists,
    /// 409: a stale `resourceVersion`, or another manager owns a field.
    Conflict,
    /// 410: a watch from a version that is gone.
    Expired,
    /// 415: a body of unknown media type.
    UnsupportedMediaType,
    /// 422: the object is not valid.
    Invalid,
    /// 429: a disruption budget forbids the eviction.
    TooManyRequests,
}

impl Reason {
    /// The HTTP status code.
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Expired => 410,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
        }
    }

    /// The word in `Status.reason`, which `kubectl` prints in brackets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Expired => "Expired",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::Invalid => "Invalid",
            Self::TooManyRequests => "TooManyRequests",
        }
    }
}

/// A refusal. Its `Display` is the message alone; `kubectl` prints
/// `Error from server (REASON): MESSAGE`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// Why.
    pub reason: Reason,
    /// The whole message, in Kubernetes' words.
    pub message: String,
    /// `Status.details`: name, group, kind, causes; null where there are none.
    pub details: Value,
}

/// One reason why an object is not valid, as `Status.details.causes` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueRequired`, `FieldValueInvalid`, `FieldValueForbidden`, ...
    pub reason: &'static str,
    /// The text after the field's name.
    pub message: String,
    /// The field, for example `spec.selector`.
    pub field: String,
}

impl Cause {
    /// A field that must be there is not.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    /// A field has a value that it must not have.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value}: {detail}"),
            field: field.into(),
        }
    }

    /// A field may not be set or changed.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {detail}"),
            field: field.into(),
        }
    }
}

impl Status {
    /// A refusal without details.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: Value::Null }
    }

    fn about(reason: Reason, ty: &ResourceType, name: &str, message: String) -> Self {
        let mut details = json!({"name": name, "kind": ty.plural});
        if !ty.group.is_empty() {
            details["group"] = json!(ty.group);
        }
        Self { reason, message, details }
    }

    /// `deployments.apps "x" not found`.
    pub fn not_found(ty: &ResourceType, name: &str) -> Self {
        Self::about(Reason::NotFound, ty, name, format!("{} \"{name}\" not found", ty.resource()))
    }

    /// `deployments.apps "x" already exists`.
    pub fn already_exists(ty: &ResourceType, name: &str) -> Self {
        Self::about(
            Reason::AlreadyExists,
            ty,
            name,
            format!("{} \"{name}\" already exists", ty.resource()),
        )
    }

    /// `Operation cannot be fulfilled on deployments.apps "x": WHY`.
    pub fn conflict(ty: &ResourceType, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", ty.resource());
        Self::about(Reason::Conflict, ty, name, message)
    }

    /// `deployments.apps "x" is forbidden: WHY`.
    pub fn forbidden(ty: &ResourceType, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", ty.resource());
        Self::about(Reason::Forbidden, ty, name, message)
    }

    /// `Deployment.apps "x" is invalid: FIELD: WHY`, with several causes in
    /// square brackets.
    pub fn invalid(ty: &ResourceType, name: &str, causes: &[Cause]) -> Self {
        let texts: Vec<String> =
            causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let text = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {text}", ty.qualified_kind());
        let mut status = Self::about(Reason::Invalid, ty, name, message);
        status.details["kind"] = json!(ty.kind);
        status.details["causes"] = causes
            .iter()
            .map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field}))
            .collect();
        status
    }

    /// `the server could not find the requested resource`: no such type.
    pub fn unknown_type() -> Self {
        let mut status =
            Self::new(Reason::NotFound, "the server could not find the requested resource");
        status.details = json!({});
        status
    }

    /// The `Status` object that an API server sends.
    pub fn to_json(&self) -> Value {
        let mut object = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason.as_str(),
            "code": self.reason.code(),
        });
        if !self.details.is_null() {
            object["details"] = self.details.clone();
        }
        object
    }
}
