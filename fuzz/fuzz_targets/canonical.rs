//! A canonical query is its own canonical form, and a canonical request can be told apart into its lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_wire::sigv4::{
    canonical::{CanonicalHeaders, CanonicalRequest, query},
    payload_sha256,
};

fuzz_target!(|input: (&str, &[u8])| {
    let (received, value) = input;
    let once = query(received);
    assert_eq!(query(&once), once);

    let mut headers = [("x-amz-meta-a", value), ("host", b"example.com".as_slice())];
    let request = CanonicalRequest {
        method: "GET",
        path: "/",
        query: &once,
        headers: CanonicalHeaders::sort(&mut headers),
        payload_sha256: "UNSIGNED-PAYLOAD",
    };
    let bytes = request.to_bytes();
    assert_eq!(request.sha256(), payload_sha256(&bytes));
    assert!(bytes.ends_with(b"\n\nhost;x-amz-meta-a\nUNSIGNED-PAYLOAD"));
});
