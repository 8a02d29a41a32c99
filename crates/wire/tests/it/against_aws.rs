//! Our canonical forms against aws-sigv4's, over odd keys, queries and headers: no difference is allowed.

use std::time::Duration;

use aws_sigv4::http_request::SignatureLocation;
use http::Method;
use proptest::prelude::{Just, prop_assert, prop_assert_eq, prop_oneof, proptest};
use wharf_wire::{
    encode,
    endpoint::Scheme,
    sigv4::{
        HeaderSigning, PayloadMode, canonical,
        presign::{EXPIRES_SECONDS_MAX, PresignInput, presign},
        sign_headers,
        verify::Received,
    },
};

use crate::requests::{config, encoded, header_map, odd_text, query, received_query, settings, signer};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn presigned_urls_have_its_signature(
        signer in signer(),
        key in odd_text(),
        query in query(),
        expires_seconds in 1..=EXPIRES_SECONDS_MAX,
        scheme in prop_oneof![Just(Scheme::Http), Just(Scheme::Https)],
    ) {
        let path = format!("/{key}");
        let pairs: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let input = PresignInput {
            method: &Method::from_bytes(signer.method.as_bytes()).unwrap(),
            scheme,
            authority: signer.authority,
            path: &path,
            query: &pairs,
            headers: &signer.headers(),
            expires_seconds,
            now: signer.now,
        };
        let url = presign(&input, &signer.credentials, &signer.key()).unwrap();
        let (unsigned, signature) = url.expose().rsplit_once("&X-Amz-Signature=").unwrap();

        let mut target = encoded(encode::path, &path);
        for (index, (name, value)) in pairs.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.extend([encoded(encode::query, name), String::from("="), encoded(encode::query, value)]);
        }
        let mut settings = settings(SignatureLocation::QueryParams);
        settings.expires_in = Some(Duration::from_secs(u64::from(expires_seconds)));
        prop_assert_eq!(signature, signer.aws(&target, settings).0);

        // What is sent is what was signed: in canonical order already, on the path and the host that were asked for.
        let (origin_and_path, sent_query) = unsigned.split_once('?').unwrap();
        prop_assert_eq!(canonical::query(sent_query), sent_query);
        let origin = format!("{}://{}", scheme.as_str(), signer.authority);
        prop_assert_eq!(origin_and_path, origin + &encoded(encode::path, &path));
        prop_assert!(url.expose().parse::<http::Uri>().is_ok());

        let request = Received {
            method: input.method,
            authority: signer.authority,
            path: &encoded(encode::path, &path),
            query: url.expose().split_once('?').unwrap().1,
            headers: &header_map(&signer.headers(), signer.authority),
        };
        prop_assert!(signer.verify(request).unwrap().is_some());
    }

    #[test]
    fn signed_headers_have_its_signature(signer in signer(), key in odd_text(), sent in received_query()) {
        let signer = signer.in_headers();
        let path = encoded(encode::path, &format!("/{key}"));
        let (_, added) = signer.aws(&format!("{path}?{sent}"), settings(SignatureLocation::Headers));

        let input = HeaderSigning {
            method: &Method::from_bytes(signer.method.as_bytes()).unwrap(),
            encoded_path: &path,
            encoded_query: &sent,
            payload: PayloadMode::Unsigned,
            now: signer.now,
        };
        let mut headers = header_map(&signer.headers(), signer.authority);
        sign_headers(&input, &mut headers, &signer.credentials, &signer.key()).unwrap();
        for (name, value) in added {
            prop_assert_eq!(headers.get(&name).unwrap(), value.as_str(), "{}", name);
        }
    }

    #[test]
    fn what_it_signs_is_verified(signer in signer(), key in odd_text(), received in received_query()) {
        let signer = signer.in_headers();
        let path = encoded(encode::path, &format!("/{key}"));
        let (signature, added) =
            signer.aws(&format!("{path}?{received}"), settings(SignatureLocation::Headers));

        let added = added.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> = signer.headers().into_iter().chain(added).collect();
        let request = Received {
            method: &Method::from_bytes(signer.method.as_bytes()).unwrap(),
            authority: signer.authority,
            path: &path,
            query: &received,
            headers: &header_map(&headers, signer.authority),
        };
        let verified = signer.verify(request).unwrap().unwrap();
        prop_assert_eq!(verified.signature.expose(), signature);
        prop_assert_eq!(verified.payload, PayloadMode::Unsigned);
    }
}
