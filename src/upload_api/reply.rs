//! Replies: one struct per shape, written straight into the response's one buffer.

use std::{borrow::Cow, collections::BTreeMap, io};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use crate::error::{Code, Error};

/// What a client has to know before it uses a reply, in one text.
#[derive(Debug, Default)]
pub(super) struct Hints(String);

impl Hints {
    /// Adds `hint` if it `applies`.
    #[must_use]
    pub(super) fn when(mut self, applies: bool, hint: &str) -> Self {
        if applies {
            if !self.0.is_empty() {
                self.0.push(' ');
            }
            self.0.push_str(hint);
        }
        self
    }

    /// Says that headers belong to a signature.
    #[must_use]
    pub(super) fn required_headers(self, applies: bool) -> Self {
        self.when(
            applies,
            "Send the headers in requiredHeaders with the PUT: they are part of the signature. A client that sends \
             Content-Type alone needs the bucket's default encryption instead.",
        )
    }

    /// Says that a bucket is private.
    #[must_use]
    pub(super) fn private(self, applies: bool) -> Self {
        self.when(applies, "The bucket is private: publicUrl says where the object is, and reading it there takes a signed download URL.")
    }

    /// Says that no webhook was registered.
    #[must_use]
    pub(super) fn webhook(self, applies: bool) -> Self {
        self.when(
            applies,
            "No webhook was registered: this server has none, unless the operator sets `webhooks.enabled`, and a batch \
             registers none.",
        )
    }
}

/// `null` if there are none.
impl Serialize for Hints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (!self.0.is_empty()).then_some(self.0.as_str()).serialize(serializer)
    }
}

/// A URL, a token, a key or a time: long, and nothing in it needs an escape, as a rule. `serde_json` looks for escapes one byte
/// after the other; over these that was a tenth of a reply's cost. [`ok`] looks at many bytes at once ([`Compact`]).
#[derive(Debug)]
pub(super) struct Plain<T>(pub(super) T);

impl<T: AsRef<str>> Serialize for Plain<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_ref().as_bytes())
    }
}

/// What is written in a way of its own, and what it is then, for the API's document.
macro_rules! written_as {
    ($($(<$parameter:ident>)? $name:ident$(<$argument:ident>)? as $shape:ty;)*) => {$(
        impl$(<$parameter>)? JsonSchema for $name$(<$argument>)? {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$shape>::json_schema(generator)
            }
        }
    )*};
}

written_as! {
    <T> Plain<T> as String;
    Hints as Option<String>;
    RequiredHeaders as BTreeMap<String, String>;
}

/// JSON without white space, in which bytes are text. Text that needs an escape after all is given one.
struct Compact;

impl Formatter for Compact {
    fn write_byte_array<W: io::Write + ?Sized>(&mut self, writer: &mut W, text: &[u8]) -> io::Result<()> {
        // Not `any`: a loop that may end early is not done many bytes at a time.
        if text.iter().fold(false, |found, byte| found | needs_escape(*byte)) {
            let text = str::from_utf8(text).map_err(io::Error::other)?;
            return Ok(serde_json::to_writer(writer, text)?);
        }
        writer.write_all(b"\"")?;
        writer.write_all(text)?;
        writer.write_all(b"\"")
    }
}

/// RFC 8259, section 7.
const fn needs_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Headers that a client must send, as a JSON object.
#[derive(Debug)]
pub(super) struct RequiredHeaders(pub(super) Vec<(&'static str, String)>);

impl Serialize for RequiredHeaders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Names and values as a JSON object, in their order.
#[derive(Debug)]
pub(crate) struct Object<'a, N>(pub(crate) &'a [(N, String)]);

impl<N: Serialize> Serialize for Object<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// How a request went, for the client's log.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Performance<'a> {
    pub(super) request_id: Plain<&'a str>,
    /// Milliseconds, with their unit: clients print it.
    pub(super) total_time: String,
}

/// 200 with `reply` as its JSON. `bytes` is about as many as it will have.
pub(super) fn ok<T: Serialize>(reply: &T, bytes: usize) -> Result<Response<Full<Bytes>>, Error> {
    let mut json = Vec::with_capacity(bytes);
    write(reply, &mut json)?;
    Ok(sent(json))
}

/// A reply whose last fields are lists of thousands, written one entry after the other, so that whoever makes them can let
/// others have their turn.
pub(super) struct LongReply {
    json: Vec<u8>,
    /// What stands before the next entry.
    separator: &'static [u8],
    /// What stands behind the last one.
    end: &'static [u8],
}

impl LongReply {
    /// Begins with the fields of `head`, which has some. `bytes` is about as many as there will be in all.
    pub(super) fn begin<T: Serialize>(head: &T, bytes: usize) -> Result<Self, Error> {
        let mut json = Vec::with_capacity(bytes);
        write(head, &mut json)?;
        json.pop();
        Ok(Self { json, separator: b"", end: b"}" })
    }

    /// Goes on with the list `name`, whose entries follow.
    pub(super) fn list(&mut self, name: &'static str) {
        self.json.extend_from_slice(self.end.strip_suffix(b"}").unwrap_or_default());
        for piece in [",\"", name, "\":["] {
            self.json.extend_from_slice(piece.as_bytes());
        }
        (self.separator, self.end) = (b"", b"]}");
    }

    /// Adds an entry to the list.
    pub(super) fn push<T: Serialize>(&mut self, entry: &T) -> Result<(), Error> {
        self.json.extend_from_slice(std::mem::replace(&mut self.separator, b","));
        write(entry, &mut self.json)
    }

    /// 200 with all of it.
    pub(super) fn end(mut self) -> Response<Full<Bytes>> {
        self.json.extend_from_slice(self.end);
        sent(self.json)
    }
}

fn write<T: Serialize>(value: &T, json: &mut Vec<u8>) -> Result<(), Error> {
    let mut serializer = serde_json::Serializer::with_formatter(json, Compact);
    value.serialize(&mut serializer).map_err(|problem| {
        Error::new(Code::Internal, "The reply could not be written.").cause(problem.to_string())
    })
}

fn sent(json: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(json)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    fn written(text: &str) -> Vec<u8> {
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut json, Compact);
        Plain(text).serialize(&mut serializer).unwrap();
        json
    }

    #[test]
    fn what_needs_no_escape_stands_as_it_is() {
        for text in ["", "https://a.example/%C3%BC?b=c&d=~", "ü"] {
            assert_eq!(written(text), format!("\"{text}\"").into_bytes());
        }
    }

    #[test]
    fn a_long_reply_is_one_object() {
        #[derive(Serialize)]
        struct Head {
            success: bool,
        }
        let text = |lists: &[(&'static str, &[&str])]| {
            let mut reply = LongReply::begin(&Head { success: true }, 0).unwrap();
            for (name, entries) in lists {
                reply.list(name);
                for entry in *entries {
                    reply.push(&Plain(entry)).unwrap();
                }
            }
            reply.json.extend_from_slice(reply.end);
            String::from_utf8(reply.json).unwrap()
        };
        assert_eq!(text(&[]), r#"{"success":true}"#);
        assert_eq!(text(&[("urls", &[])]), r#"{"success":true,"urls":[]}"#);
        assert_eq!(
            text(&[("parts", &["a", "b"]), ("none", &[]), ("urls", &["c"])]),
            r#"{"success":true,"parts":["a","b"],"none":[],"urls":["c"]}"#
        );
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_serde_json_writes_it(text in any::<String>(), escaped in "[\"\\\\\\x00-\\x1f]{0,3}") {
            let text = format!("{text}{escaped}{text}");
            prop_assert_eq!(written(&text), serde_json::to_vec(&text).unwrap());
        }
    }
}
