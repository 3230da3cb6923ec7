//! HTTP: one request in, one answer out, or a stream of watch events.
//!
//! Paths and queries are read here; what a verb does is the cluster's business.

use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lkh::sandbox::cluster::{
    Change, Cluster, DeleteOptions, ListOptions, Patch, Propagation, Reason, ResourceType,
    Selector, Status, Subresource, Written,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::asked::{Asked, parse_query};
use super::state::{From, Interest, Seen, State};
use super::{TICK, discovery, openapi, table};

type Shared = Arc<Mutex<State>>;
type Answer = Response<Either<Full<Bytes>, Events>>;

/// Serves until told to stop.
pub async fn serve(listener: TcpListener, state: Shared, mut stopped: oneshot::Receiver<()>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            _ = tick.tick() => state.lock().expect("no request panicked").tick(),
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    // A client that hangs up is no concern of the server.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        }
    }
}

/// The body of a watch: a line for each event.
#[derive(Debug)]
pub struct Events(mpsc::UnboundedReceiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|bytes| Ok(Frame::data(bytes))))
    }
}

async fn answer(state: Shared, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let query = head.uri.query().unwrap_or_default();
    let asked = Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: parse_query(query),
        headers: head.headers,
        body,
    };
    let mut state = state.lock().expect("no request panicked");
    let at = state.seen.len();
    state.seen.push(Seen {
        method: asked.method.to_string(),
        path: asked.path.clone(),
        query: query.to_owned(),
        content_type: asked.header(&CONTENT_TYPE).to_owned(),
        status: 0,
    });
    let answer = if state.failures.0 > 0 {
        state.failures.0 -= 1;
        failure(state.failures.1)
    } else {
        route(&mut state, &asked)
            .unwrap_or_else(|refused| json_answer(refused.reason.code(), &refused.to_json()))
    };
    if let Some(seen) = state.seen.get_mut(at) {
        seen.status = answer.status().as_u16();
    }
    Ok(answer)
}

fn json_answer(code: u16, body: &Value) -> Answer {
    typed_answer(code, "application/json", body.to_string())
}

fn typed_answer(code: u16, content_type: &str, body: String) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(content_type) = content_type.parse() {
        answer.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    answer
}

fn failure(code: u16) -> Answer {
    let (reason, message) = match code {
        429 => ("TooManyRequests", "too many requests, please try again later"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        _ => ("InternalError", "an error on the server has prevented the request from succeeding"),
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    json_answer(code, &status)
}

fn route(state: &mut State, asked: &Asked) -> Result<Answer, Status> {
    let parts: Vec<&str> = asked.path.split('/').filter(|p| !p.is_empty()).collect();
    let aggregated = asked.header(&ACCEPT).contains("as=APIGroupDiscoveryList");
    let types = |state: &mut State| state.act(|cluster| cluster.types());
    match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => {
            Ok(typed_answer(200, "text/plain", "ok".to_owned()))
        }
        ["version"] => {
            let version = state.act(|cluster| cluster.version());
            Ok(json_answer(200, &discovery::version(&version)))
        }
        [root @ ("api" | "apis")] => {
            let types = types(state);
            if aggregated {
                let kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
                let body = discovery::aggregated(&types, *root == "api");
                Ok(typed_answer(200, kind, body.to_string()))
            } else if *root == "api" {
                Ok(json_answer(200, &json!({"kind": "APIVersions", "versions": ["v1"]})))
            } else {
                Ok(json_answer(200, &discovery::groups(&types)))
            }
        }
        ["api", version] => discovery::resources(&types(state), "", version)
            .map(|list| json_answer(200, &list))
            .ok_or_else(Status::unknown_type),
        ["apis", group] => discovery::group(&types(state), group)
            .map(|group| json_answer(200, &group))
            .ok_or_else(Status::unknown_type),
        ["apis", group, version] => discovery::resources(&types(state), group, version)
            .map(|list| json_answer(200, &list))
            .ok_or_else(Status::unknown_type),
        ["openapi", "v3"] => Ok(json_answer(200, &openapi::index(&types(state)))),
        ["openapi", "v3", "api", version] => {
            Ok(json_answer(200, &openapi::document(&types(state), "", version)))
        }
        ["openapi", "v3", "apis", group, version] => {
            Ok(json_answer(200, &openapi::document(&types(state), group, version)))
        }
        ["apis", "authorization.k8s.io" | "authentication.k8s.io", _, review] => {
            review_answer(asked, review)
        }
        ["api", version, rest @ ..] => resource(state, asked, "", version, rest),
        ["apis", group, version, rest @ ..] => resource(state, asked, group, version, rest),
        _ => Err(Status::unknown_type()),
    }
}

/// Anyone may do anything here.
fn review_answer(asked: &Asked, review: &str) -> Result<Answer, Status> {
    let mut body = asked.json()?;
    body["status"] = match review {
        "selfsubjectreviews" => {
            json!({"userInfo": {"username": "test", "groups": ["system:authenticated"]}})
        }
        "selfsubjectrulesreviews" => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [], "incomplete": false,
        }),
        _ => json!({"allowed": true}),
    };
    Ok(json_answer(201, &body))
}

/// What a path below a group and version names.
struct Place<'a> {
    ty: ResourceType,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    subresource: Option<&'a str>,
}

fn resource(
    state: &mut State,
    asked: &Asked,
    group: &str,
    version: &str,
    rest: &[&str],
) -> Result<Answer, Status> {
    let (namespace, rest) = match rest {
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
        _ => (None, rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, None, None),
        [plural, name] => (*plural, Some(*name), None),
        [plural, name, subresource] => (*plural, Some(*name), Some(*subresource)),
        _ => return Err(Status::unknown_type()),
    };
    let ty = state
        .act(|cluster| cluster.type_at(group, version, plural))
        .ok_or_else(Status::unknown_type)?;
    let place = Place { ty, namespace, name, subresource };
    match asked.method {
        Method::GET => read(state, asked, &place),
        Method::POST => create(state, asked, &place),
        Method::PUT | Method::PATCH => change(state, asked, &place),
        Method::DELETE => delete(state, asked, &place),
        _ => Err(not_allowed()),
    }
}

fn not_allowed() -> Status {
    Status::new(
        Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource",
    )
}

fn read(state: &mut State, asked: &Asked, place: &Place) -> Result<Answer, Status> {
    let Place { ty, namespace, .. } = place;
    let options = asked.list_options()?;
    let as_table = asked.header(&ACCEPT).starts_with("application/json;as=Table");
    let Some(name) = place.name else {
        if asked.is("watch") {
            return watch(state, asked, place, options);
        }
        let list = state.act(|cluster| cluster.list_object(ty, *namespace, &options));
        let now = jiff::Timestamp::now();
        return Ok(json_answer(200, &if as_table { table::of(ty, &list, now) } else { list }));
    };
    let object =
        state.act(|cluster| cluster.get(ty, namespace.unwrap_or_default(), name).cloned())?;
    match place.subresource {
        None if as_table => Ok(json_answer(200, &table::of(ty, &object, jiff::Timestamp::now()))),
        None | Some("status") => Ok(json_answer(200, &object)),
        Some("scale") if ty.has_scale() => Ok(json_answer(200, &Cluster::scale_of(&object))),
        Some("log") => Ok(typed_answer(200, "text/plain", format!("simulated log of {name}\n"))),
        Some(_) => Err(Status::unknown_type()),
    }
}

fn watch(
    state: &mut State,
    asked: &Asked,
    place: &Place,
    options: ListOptions,
) -> Result<Answer, Status> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let seconds = asked.query("timeoutSeconds").parse().unwrap_or(1800);
    let interest = Interest {
        ty: place.ty.clone(),
        namespace: place.namespace.map(str::to_owned),
        labels: options.labels,
        fields: options.fields,
    };
    let initial = asked.is("sendInitialEvents");
    let from = match asked.query("resourceVersion").parse::<u64>() {
        Ok(version) if version > 0 && !initial => From::Version(version),
        _ => From::Now { bookmark: initial },
    };
    if !state.watch(interest, from, Instant::now() + Duration::from_secs(seconds), sender) {
        let version = asked.query("resourceVersion");
        return Err(Status::new(Reason::Expired, format!("too old resource version: {version}")));
    }
    let mut answer = Response::new(Either::Right(Events(receiver)));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    Ok(answer)
}

fn create(state: &mut State, asked: &Asked, place: &Place) -> Result<Answer, Status> {
    let Place { ty, namespace, .. } = place;
    let namespace = namespace.unwrap_or_default();
    let body = asked.json()?;
    match (place.name, place.subresource) {
        (None, None) => {
            let options = asked.write_options(Subresource::Main);
            let written = state.act(|cluster| cluster.create(ty, namespace, body, &options))?;
            Ok(json_answer(201, &written.object))
        }
        (Some(name), Some("eviction")) => evict(state, namespace, name),
        (Some(name), Some("token")) => {
            state.act(|cluster| cluster.get(ty, namespace, name).cloned())?;
            let mut body = body;
            body["status"] =
                json!({"token": "simulated", "expirationTimestamp": "2099-01-01T00:00:00Z"});
            Ok(json_answer(201, &body))
        }
        _ => Err(not_allowed()),
    }
}

/// Deletes a pod where its budgets let it go.
fn evict(state: &mut State, namespace: &str, name: &str) -> Result<Answer, Status> {
    state.act(|cluster| {
        let pods = cluster.type_at("", "v1", "pods").ok_or_else(Status::unknown_type)?;
        let budgets = cluster.type_at("policy", "v1", "poddisruptionbudgets").ok_or_else(Status::unknown_type)?;
        let pod = cluster.get(&pods, namespace, name)?.clone();
        let blocking = cluster.list(&budgets, Some(namespace), &ListOptions::default()).into_iter().any(|b| {
            let selector = b.pointer("/spec/selector").and_then(Selector::from_object);
            selector.is_some_and(|s| s.matches_object(&pod))
                && b.pointer("/status/disruptionsAllowed").and_then(Value::as_i64).unwrap_or(0) < 1
        });
        if blocking {
            return Err(Status::new(
                Reason::TooManyRequests,
                "Cannot evict pod as it would violate the pod's disruption budget.",
            ));
        }
        cluster.delete(&pods, namespace, name, &DeleteOptions::default())?;
        Ok(json_answer(
            201,
            &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
        ))
    })
}

fn change(state: &mut State, asked: &Asked, place: &Place) -> Result<Answer, Status> {
    let Place { ty, namespace, .. } = place;
    let namespace = namespace.unwrap_or_default();
    let Some(name) = place.name else { return Err(not_allowed()) };
    let subresource = match place.subresource {
        None | Some("finalize") => Subresource::Main,
        Some("status") => Subresource::Status,
        Some("scale") if ty.has_scale() => Subresource::Scale,
        Some(_) => return Err(Status::unknown_type()),
    };
    let mut options = asked.write_options(subresource);
    let body = asked.json()?;
    let written: Written = if asked.method == Method::PUT {
        state.act(|cluster| cluster.update(ty, namespace, body, &options))?
    } else {
        let kind = asked.header(&CONTENT_TYPE).split(';').next().unwrap_or_default();
        let patch = match kind {
            "application/json-patch+json" => Patch::Json(body),
            "application/merge-patch+json" => Patch::Merge(body),
            "application/strategic-merge-patch+json" => Patch::Strategic(body),
            "application/apply-patch+yaml" => {
                // An apply must name its manager itself.
                asked.query("fieldManager").clone_into(&mut options.manager);
                Patch::Apply { object: body, force: asked.is("force") }
            }
            other => {
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, \
                     application/apply-patch+yaml ({other})"
                );
                return Err(Status::new(Reason::UnsupportedMediaType, message));
            }
        };
        state.act(|cluster| cluster.patch(ty, namespace, name, &patch, &options))?
    };
    let code = if written.change == Change::Created { 201 } else { 200 };
    match subresource {
        Subresource::Scale => Ok(json_answer(code, &Cluster::scale_of(&written.object))),
        Subresource::Main | Subresource::Status => Ok(json_answer(code, &written.object)),
    }
}

fn delete(state: &mut State, asked: &Asked, place: &Place) -> Result<Answer, Status> {
    let Place { ty, namespace, .. } = place;
    let body = asked.json()?;
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let policy =
        text("/propagationPolicy").unwrap_or_else(|| asked.query("propagationPolicy").to_owned());
    let options = DeleteOptions {
        propagation: match policy.as_str() {
            "Orphan" => Propagation::Orphan,
            "Foreground" => Propagation::Foreground,
            _ => Propagation::Background,
        },
        uid: text("/preconditions/uid"),
        resource_version: text("/preconditions/resourceVersion"),
        dry_run: asked.query("dryRun") == "All" || text("/dryRun/0").is_some_and(|d| d == "All"),
    };
    if let Some(name) = place.name {
        let namespace = namespace.unwrap_or_default();
        let object = state.act(|cluster| cluster.delete(ty, namespace, name, &options))?;
        let pending = object.pointer("/metadata/deletionTimestamp").is_some();
        if pending || ty.is("", "pods") {
            return Ok(json_answer(200, &object));
        }
        let mut details =
            json!({"name": name, "kind": ty.plural, "uid": object.pointer("/metadata/uid")});
        if !ty.group.is_empty() {
            details["group"] = json!(ty.group);
        }
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        });
        return Ok(json_answer(200, &status));
    }
    let wanted = asked.list_options()?;
    let list = state.act(|cluster| {
        let list = cluster.list_object(ty, *namespace, &wanted);
        for object in list.get("items").and_then(Value::as_array).into_iter().flatten() {
            let text =
                |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
            cluster.delete(ty, namespace, name, &options)?;
        }
        Ok::<Value, Status>(list)
    })?;
    Ok(json_answer(200, &list))
}
