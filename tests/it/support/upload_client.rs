//! A client of the upload API that sends files in parts, as a page does.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{
    gateway::{KEY, TestGateway},
    raw::{Raw, Reply},
};

/// Who calls, and which gateway.
pub(crate) struct UploadClient<'a> {
    pub(crate) gateway: &'a TestGateway,
    pub(crate) key: &'static str,
}

impl<'a> UploadClient<'a> {
    /// With the key of `KEY_CONFIG`.
    pub(crate) fn new(gateway: &'a TestGateway) -> Self {
        Self { gateway, key: KEY }
    }

    /// The reply to a POST below the upload API.
    pub(crate) async fn ask(&self, path: &str, body: &Value) -> Reply {
        let body = body.to_string();
        let request = format!(
            "POST /api/v1/upload/{path} HTTP/1.1\r\nhost: wharf.test\r\nx-api-key: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        Raw::connect(self.gateway.api()).await.ask(request).await
    }

    /// The same, when it succeeds.
    pub(crate) async fn get(&self, path: &str, body: &Value) -> Value {
        let reply = self.ask(path, body).await;
        assert_eq!(reply.status, 200, "{path} {body}: {reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    /// The status and code of a refusal.
    pub(crate) async fn refusal(&self, path: &str, body: &Value) -> (u16, String) {
        let reply = self.ask(path, body).await;
        (reply.status, reply.code())
    }
}

/// What every later request of an upload says.
pub(crate) fn named(begun: &Value) -> Value {
    json!({ "uploadId": begun["uploadId"], "key": begun["key"] })
}

/// The same with the parts that the object is to be made of.
pub(crate) fn with_parts(begun: &Value, parts: &[(u16, &str)]) -> Value {
    let parts = parts.iter().map(|(number, etag)| json!({ "partNumber": number, "etag": etag }));
    let mut body = named(begun);
    body["parts"] = parts.collect();
    body
}

/// The signed URL of a part, in a reply that has one.
pub(crate) fn part_url(reply: &Value, number: u16) -> &str {
    let urls = reply["partUrls"].as_array().unwrap();
    let url = urls.iter().find(|url| url["partNumber"] == number);
    url.unwrap_or_else(|| panic!("no URL of part {number}"))["uploadUrl"].as_str().unwrap()
}

/// The numbers of the parts that a reply has URLs of.
pub(crate) fn part_numbers(reply: &Value) -> Vec<u64> {
    reply["partUrls"].as_array().unwrap().iter().map(|url| url["partNumber"].as_u64().unwrap()).collect()
}

/// Sends a part to where its URL points, with no header of its own, and gives its `ETag`.
pub(crate) async fn send_part(url: &str, part: &[u8]) -> String {
    let rest = url.strip_prefix("http://").expect("a URL of a store here");
    let (host, path) = rest.split_at(rest.find('/').expect("a path"));
    let reply = put(host.parse().unwrap(), host, path, part).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.header("etag").expect("an ETag").to_owned()
}

/// A bare PUT.
pub(crate) async fn put(address: SocketAddr, host: &str, target: &str, body: &[u8]) -> Reply {
    let head = format!("PUT {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n", body.len());
    Raw::connect(address).await.ask([head.as_bytes(), body].concat()).await
}
