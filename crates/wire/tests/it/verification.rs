//! What was signed is verified, however it is escaped on the way, and nothing else is.

use http::{HeaderMap, HeaderValue, Method};
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
    sample::{Index, select},
};
use wharf_wire::{
    encode,
    endpoint::Scheme,
    sigv4::{
        HeaderSigning, PayloadMode, payload_sha256,
        presign::{PresignInput, presign},
        sign_headers,
        verify::Received,
    },
};

use crate::requests::{Signer, encoded, header_map, odd_text, query, signer};

const CASES: u32 = 5_000;

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) }
}

/// A signed request as it is received.
#[derive(Debug, Clone, PartialEq)]
struct Signed {
    method: Method,
    authority: String,
    path: String,
    query: String,
    headers: HeaderMap,
}

impl Signed {
    fn received(&self) -> Received<'_> {
        Received {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
        }
    }

    fn is_verified(&self, signer: &Signer) -> bool {
        matches!(signer.verify(self.received()), Ok(Some(_)))
    }

    /// What S3 makes of the request: two that mean the same may both be verified.
    fn meaning(&self) -> impl PartialEq + use<> {
        let mut pairs: Vec<_> = encode::query_pairs(&self.query)
            .map(|(name, value)| {
                (encode::decode_query(name).into_owned(), encode::decode_query(value).into_owned())
            })
            .collect();
        pairs.sort();
        let words = |value: &HeaderValue| -> Vec<Vec<u8>> {
            value
                .as_bytes()
                .split(|byte| *byte == b' ')
                .filter(|word| !word.is_empty())
                .map(<[u8]>::to_vec)
                .collect()
        };
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.clone(), words(value))).collect();
        headers.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        (
            self.method.clone(),
            self.authority.clone(),
            encode::decode_path(&self.path).into_owned(),
            pairs,
            headers,
        )
    }
}

fn in_headers(signer: &Signer, path: &str, pairs: &[(String, String)], payload: PayloadMode) -> Signed {
    let (method, path) = (method(signer), encoded(encode::path, path));
    let query = pairs
        .iter()
        .map(|(name, value)| encoded(encode::query, name) + "=" + &encoded(encode::query, value))
        .collect::<Vec<_>>()
        .join("&");
    let input = HeaderSigning {
        method: &method,
        encoded_path: &path,
        encoded_query: &query,
        payload,
        now: signer.now,
    };
    let mut headers = header_map(&signer.headers(), signer.authority);
    sign_headers(&input, &mut headers, &signer.credentials, &signer.key()).unwrap();
    Signed { method, authority: signer.authority.to_owned(), path, query, headers }
}

fn in_query(signer: &Signer, path: &str, pairs: &[(String, String)]) -> Signed {
    let method = method(signer);
    let query: Vec<(&str, &str)> =
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let input = PresignInput {
        method: &method,
        scheme: Scheme::Https,
        authority: signer.authority,
        path,
        query: &query,
        headers: &signer.headers(),
        expires_seconds: 60,
        now: signer.now,
    };
    let url = presign(&input, &signer.credentials, &signer.key()).unwrap();
    let (target, query) = url.expose().split_once('?').unwrap();
    let path = target.strip_prefix("https://").unwrap().strip_prefix(signer.authority).unwrap();
    let headers = header_map(&signer.headers(), signer.authority);
    Signed {
        path: path.to_owned(),
        query: query.to_owned(),
        method,
        authority: signer.authority.to_owned(),
        headers,
    }
}

fn method(signer: &Signer) -> Method {
    Method::from_bytes(signer.method.as_bytes()).unwrap()
}

fn payload() -> impl Strategy<Value = PayloadMode> {
    prop_oneof![
        any::<Vec<u8>>().prop_map(|payload| PayloadMode::Sha256(payload_sha256(&payload))),
        Just(PayloadMode::Unsigned),
        Just(PayloadMode::StreamingSigned),
        Just(PayloadMode::StreamingSignedTrailer),
        Just(PayloadMode::StreamingUnsignedTrailer),
    ]
}

/// A request of either form, and its signer. The query of a header-signed request names no part of a signature.
fn signed() -> impl Strategy<Value = (Signer, Signed)> {
    (signer(), odd_text(), query(), payload(), any::<bool>()).prop_map(
        |(signer, key, query, payload, is_presigned)| {
            let (signer, path) = (signer.in_headers(), format!("/{key}"));
            let request = if is_presigned {
                in_query(&signer, &path, &query)
            } else {
                in_headers(&signer, &path, &query, payload)
            };
            (signer, request)
        },
    )
}

/// Another way to write the same text, as encoders differ: what `choices` picks is escaped, in either case.
fn escaped(text: &str, choices: &[u8], is_delimiter: fn(u8) -> bool) -> String {
    let mut out = String::new();
    let mut bytes = text.bytes().zip(choices.iter().cycle().copied());
    while let Some((byte, choice)) = bytes.next() {
        let escape = if byte == b'%' {
            bytes.by_ref().take(2).map(|(digit, _)| char::from(digit)).collect()
        } else if is_delimiter(byte) || choice % 3 > 0 {
            out.push(char::from(byte));
            continue;
        } else {
            format!("{byte:02X}")
        };
        out.push('%');
        out += &if choice & 1 == 0 { escape } else { escape.to_lowercase() };
    }
    out
}

/// One byte of `text` becomes another one.
fn with_byte(text: &str, at: Index, byte: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if !bytes.is_empty() {
        let at = at.index(bytes.len());
        bytes[at] = byte;
    }
    String::from_utf8(bytes).unwrap()
}

/// Changes one byte of one part of a request. What it changes is ASCII.
fn tampered(signed: &Signed, part: &str, at: Index, byte: u8) -> Signed {
    let mut tampered = signed.clone();
    match part {
        "method" => {
            tampered.method = if byte & 1 == 0 { Method::PATCH } else { Method::OPTIONS };
        }
        "authority" => tampered.authority = with_byte(&signed.authority, at, byte),
        "path" => tampered.path = with_byte(&signed.path, at, byte),
        "query" => tampered.query = with_byte(&signed.query, at, byte),
        "header" => {
            let names: Vec<_> = signed.headers.keys().filter(|name| *name != "host").collect();
            if let Some(name) = (!names.is_empty()).then(|| names[usize::from(byte) % names.len()]) {
                let value = with_byte(signed.headers[name].to_str().unwrap(), at, byte);
                tampered.headers.insert(name, HeaderValue::try_from(value).unwrap());
            }
        }
        "dropped header" => {
            let names: Vec<_> = signed.headers.keys().filter(|name| *name != "host").collect();
            if !names.is_empty() {
                tampered.headers.remove(names[at.index(names.len())]);
            }
        }
        "added header" => {
            tampered.headers.append("x-amz-copy-source", HeaderValue::from_static("/bucket/secret"));
        }
        "added parameter" => tampered.query += "&acl=",
        other => unreachable!("{other}"),
    }
    tampered
}

const PARTS: [&str; 8] =
    ["method", "authority", "path", "query", "header", "dropped header", "added header", "added parameter"];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_signed_is_verified((signer, signed) in signed()) {
        let verified = signer.verify(signed.received()).unwrap().unwrap();
        prop_assert_eq!(verified.date, signer.now.amz_date());
    }

    #[test]
    fn however_it_is_escaped((signer, signed) in signed(), choices in vec(any::<u8>(), 1..32)) {
        let other = Signed {
            path: escaped(&signed.path, &choices, |byte| byte == b'/'),
            query: escaped(&signed.query, &choices, |byte| b"=&".contains(&byte)),
            ..signed.clone()
        };
        prop_assert!(other.meaning() == signed.meaning());
        prop_assert!(other.is_verified(&signer), "{:?}", other);
    }

    #[test]
    fn and_nothing_else_is(
        (signer, signed) in signed(),
        part in select(PARTS.to_vec()),
        at in any::<Index>(),
        byte in b'!'..=b'~',
    ) {
        let tampered = tampered(&signed, part, at, byte);
        if tampered.meaning() != signed.meaning() {
            prop_assert!(!tampered.is_verified(&signer), "{}: {:?}", part, tampered);
        }
    }
}
