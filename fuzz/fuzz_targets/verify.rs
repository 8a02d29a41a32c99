//! Whatever a request presents is refused or becomes a claim, and no claim is verified that the key's holder did not
//! make. What the holder signs is.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, Method, header::HOST};
use libfuzzer_sys::fuzz_target;
use wharf_wire::{
    date::Timestamp,
    names::Region,
    sigv4::{
        AccessKeyId, Credentials, HeaderSigning, PayloadMode, Scope, SigningKey, sign_headers,
        verify::{Presented, Received},
    },
};

/// 2013-05-24T00:00:00Z
const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);
const AUTHORITY: &str = "s3.example.com";

fuzz_target!(|input: (&str, &str, Vec<(&str, &[u8])>)| {
    let (path, query, pairs) = input;
    let headers: HeaderMap = pairs
        .into_iter()
        .filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        })
        .collect();
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIDEXAMPLE").expect("the id is printable"),
        secret_access_key: "a secret that no input holds".into(),
        session_token: None,
    };
    let request = Received { method: &Method::GET, authority: AUTHORITY, path, query, headers: &headers };
    if let Ok(Presented::Claim(claim)) = Presented::parse(request) {
        let _ = claim.check_time(NOW);
        let key = SigningKey::derive(&credentials, claim.scope().clone());
        assert!(claim.verify(&key).is_err());
    }

    let key = SigningKey::derive(
        &credentials,
        Scope::s3(NOW.amz_date(), &Region::parse("us-east-1").expect("the region is a label")),
    );
    let input = HeaderSigning {
        method: &Method::GET,
        encoded_path: path,
        encoded_query: query,
        payload: PayloadMode::Unsigned,
        now: NOW,
    };
    let mut signed = headers.clone();
    signed.insert(HOST, HeaderValue::from_static(AUTHORITY));
    if sign_headers(&input, &mut signed, &credentials, &key).is_ok() {
        // Its query may look like another signature, its headers may come twice: then it is refused.
        if let Ok(Presented::Claim(claim)) = Presented::parse(Received { headers: &signed, ..request }) {
            assert!(claim.verify(&key).is_ok());
        }
    }
});
