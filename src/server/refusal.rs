//! Refusals of heads: hyper's own are recognised, and the door's are written in their place.

use std::{
    io::{self, Write},
    pin::pin,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::clock::Clock;

/// The status of a reply with which hyper refuses a head, if `bytes` begin as one does.
pub(super) fn status(bytes: &[u8]) -> Option<StatusCode> {
    let [_minor_version, b' ', code @ ..] = bytes.strip_prefix(b"HTTP/1.")? else { return None };
    StatusCode::from_bytes(code.get(..3)?).ok().filter(StatusCode::is_client_error)
}

/// Writes `reply` as the last one of a connection. Its body has a known length.
pub(super) async fn send<B>(stream: &mut (impl AsyncWrite + Unpin), reply: Response<B>) -> io::Result<()>
where
    B: Body<Data = Bytes>,
{
    let (mut parts, body) = reply.into_parts();
    let date = UNIX_EPOCH + Duration::from_millis(Clock::System.now().unix_millis());
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(date)) {
        parts.headers.insert(header::DATE, date);
    }
    parts.headers.insert(header::CONTENT_LENGTH, body.size_hint().lower().into());
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));

    let reason = parts.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", parts.status.as_u16()).into_bytes();
    for (name, value) in &parts.headers {
        write!(bytes, "{name}: ")?;
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    let mut body = pin!(body);
    while let Some(Ok(frame)) = body.frame().await {
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    stream.write_all(&bytes).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[test]
    fn only_replies_that_refuse_are_recognised() {
        for (bytes, expected) in [
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", Some(StatusCode::BAD_REQUEST)),
            ("HTTP/1.0 431 ", Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)),
            ("HTTP/1.1 100 Continue\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\n\r\n", None),
            ("HTTP/1.1 500 Internal Server Error\r\n\r\n", None),
            ("HTTP/1.1 4", None),
            ("HTTP/1.", None),
            ("", None),
        ] {
            assert_eq!(status(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_one_whole_reply() {
        let mut reply = Response::new(Full::new(Bytes::from_static(b"no")));
        *reply.status_mut() = StatusCode::URI_TOO_LONG;
        reply.headers_mut().insert("x-request-id", HeaderValue::from_static("r"));
        let mut sent = Vec::new();
        send(&mut sent, reply).await.unwrap();
        let text = String::from_utf8(sent).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<&str> = head.lines().collect();
        assert_eq!(lines.remove(0), "HTTP/1.1 414 URI Too Long");
        for line in ["x-request-id: r", "content-length: 2", "connection: close"] {
            assert!(lines.contains(&line), "{line} is not in {head}");
        }
        assert!(lines.iter().any(|line| line.starts_with("date: ") && line.ends_with(" GMT")), "{head}");
        assert_eq!(body, "no");
    }
}
