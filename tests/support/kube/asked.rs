//! A request, taken apart: its query, its body in any form, the options that it
//! gives.

use std::collections::BTreeMap;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, USER_AGENT};
use lkh::sandbox::cluster::{
    FieldSelector, ListOptions, Reason, Selector, Status, Subresource, WriteOptions,
};
use serde_json::{Value, json};

use super::protobuf;

/// A request, taken apart.
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    pub fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    pub fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub fn is(&self, name: &str) -> bool {
        matches!(self.query(name), "true" | "1")
    }

    /// The body as JSON, whatever it came as.
    pub fn json(&self) -> Result<Value, Status> {
        if self.header(&CONTENT_TYPE).starts_with("application/vnd.kubernetes.protobuf") {
            return protobuf::decode(&self.body).ok_or_else(|| {
                Status::new(
                    Reason::UnsupportedMediaType,
                    "this protobuf body is not understood here",
                )
            });
        }
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).or_else(|_| {
            serde_yaml::from_str(&text).map_err(|e| Status::new(Reason::BadRequest, e.to_string()))
        })
    }

    pub fn write_options(&self, subresource: Subresource) -> WriteOptions {
        let agent = self.header(&USER_AGENT).split('/').next().unwrap_or_default();
        let manager = match self.query("fieldManager") {
            "" => agent,
            manager => manager,
        };
        WriteOptions::by(manager).dry_run(self.query("dryRun") == "All").on(subresource)
    }

    pub fn list_options(&self) -> Result<ListOptions, Status> {
        Ok(ListOptions {
            labels: Selector::parse(self.query("labelSelector"))?,
            fields: FieldSelector::parse(self.query("fieldSelector"))?,
        })
    }
}

/// The parts of a query, decoded.
pub fn parse_query(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|p| !p.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

/// Undoes percent encoding and plus signs.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let number =
                    std::str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok());
                bytes.push(number.unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
