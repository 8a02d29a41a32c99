//! Each operation as clients ask for it, and the requests that look like one.

use std::collections::HashSet;

use http::Method;
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest},
    sample::select,
};

use super::{operation::is_sub_resource, *};

fn head<'a>(method: &'a Method, query: &'a str) -> Head<'a> {
    Head { method, query, has_copy_source: false }
}

/// `method` and a path-style URL, as a client sends them.
fn ask(method: &str, url: &str) -> Result<Request, Refusal> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (method, has_copy_source) = if method == "COPY" { ("PUT", true) } else { (method, false) };
    let method = method.parse().unwrap();
    parse(Address::parse("127.0.0.1", path, &[])?, Head { method: &method, query, has_copy_source })
}

/// The request's query, written anew and sorted.
fn written(request: &Request) -> String {
    write(&request.parameters, request.operation)
}

fn write(parameters: &Parameters, operation: Operation) -> String {
    let encoded = |(name, value): (&str, &str)| {
        let mut pair = format!("{name}=");
        crate::encode::query(value, &mut pair);
        pair
    };
    let mut pairs: Vec<String> = parameters.pairs(operation).map(encoded).collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn code(method: &str, url: &str) -> ErrorCode {
    ask(method, url).expect_err(url).code
}

const OBJECT: [(&str, &str, Operation); 25] = [
    ("GET", "/b/k", Operation::GetObject),
    ("HEAD", "/b/k", Operation::HeadObject),
    ("PUT", "/b/k", Operation::PutObject),
    ("COPY", "/b/k", Operation::CopyObject),
    ("DELETE", "/b/k?versionId=v", Operation::DeleteObject),
    ("GET", "/b/k?attributes", Operation::GetObjectAttributes),
    ("GET", "/b/k?torrent", Operation::GetObjectTorrent),
    ("GET", "/b/k?tagging&versionId=v", Operation::GetObjectTagging),
    ("PUT", "/b/k?tagging", Operation::PutObjectTagging),
    ("DELETE", "/b/k?tagging", Operation::DeleteObjectTagging),
    ("GET", "/b/k?acl", Operation::GetObjectAcl),
    ("PUT", "/b/k?acl=", Operation::PutObjectAcl),
    ("GET", "/b/k?retention", Operation::GetObjectRetention),
    ("PUT", "/b/k?retention", Operation::PutObjectRetention),
    ("GET", "/b/k?legal-hold", Operation::GetObjectLegalHold),
    ("PUT", "/b/k?legal-hold", Operation::PutObjectLegalHold),
    ("POST", "/b/k?restore&versionId=v", Operation::RestoreObject),
    ("POST", "/b/k?select&select-type=2", Operation::SelectObjectContent),
    ("POST", "/b/k?uploads", Operation::CreateMultipartUpload),
    ("PUT", "/b/k?partNumber=1&uploadId=u", Operation::UploadPart),
    ("COPY", "/b/k?partNumber=10000&uploadId=u", Operation::UploadPartCopy),
    ("GET", "/b/k?uploadId=u&max-parts=2&part-number-marker=1", Operation::ListParts),
    ("POST", "/b/k?uploadId=u", Operation::CompleteMultipartUpload),
    ("DELETE", "/b/k?uploadId=u&x-id=AbortMultipartUpload", Operation::AbortMultipartUpload),
    ("GET", "/?max-buckets=10&prefix=a&x-id=ListBuckets", Operation::ListBuckets),
];

const BUCKET: [(&str, &str, Operation); 57] = [
    ("GET", "/b?prefix=p&delimiter=/&marker=m&max-keys=0&encoding-type=url", Operation::ListObjects),
    ("GET", "/b/?list-type=2&start-after=a&continuation-token=t&fetch-owner=true", Operation::ListObjectsV2),
    ("GET", "/b?versions&key-marker=k&version-id-marker=v", Operation::ListObjectVersions),
    ("GET", "/b?uploads&key-marker=k&upload-id-marker=u&max-uploads=1", Operation::ListMultipartUploads),
    ("HEAD", "/b", Operation::HeadBucket),
    ("GET", "/b?location", Operation::GetBucketLocation),
    ("POST", "/b?delete", Operation::DeleteObjects),
    ("POST", "/b/", Operation::PostObject),
    ("PUT", "/b", Operation::CreateBucket),
    ("DELETE", "/b", Operation::DeleteBucket),
    ("GET", "/b?acl", Operation::GetBucketAcl),
    ("PUT", "/b?acl", Operation::PutBucketAcl),
    ("GET", "/b?versioning", Operation::GetBucketVersioning),
    ("PUT", "/b?versioning", Operation::PutBucketVersioning),
    ("GET", "/b?cors", Operation::GetBucketCors),
    ("PUT", "/b?cors", Operation::PutBucketCors),
    ("DELETE", "/b?cors", Operation::DeleteBucketCors),
    ("GET", "/b?lifecycle", Operation::GetBucketLifecycleConfiguration),
    ("PUT", "/b?lifecycle", Operation::PutBucketLifecycleConfiguration),
    ("DELETE", "/b?lifecycle", Operation::DeleteBucketLifecycle),
    ("GET", "/b?policy", Operation::GetBucketPolicy),
    ("PUT", "/b?policy", Operation::PutBucketPolicy),
    ("DELETE", "/b?policy", Operation::DeleteBucketPolicy),
    ("GET", "/b?policyStatus", Operation::GetBucketPolicyStatus),
    ("GET", "/b?tagging", Operation::GetBucketTagging),
    ("PUT", "/b?tagging", Operation::PutBucketTagging),
    ("DELETE", "/b?tagging", Operation::DeleteBucketTagging),
    ("GET", "/b?encryption", Operation::GetBucketEncryption),
    ("PUT", "/b?encryption", Operation::PutBucketEncryption),
    ("DELETE", "/b?encryption", Operation::DeleteBucketEncryption),
    ("GET", "/b?website", Operation::GetBucketWebsite),
    ("PUT", "/b?website", Operation::PutBucketWebsite),
    ("DELETE", "/b?website", Operation::DeleteBucketWebsite),
    ("GET", "/b?notification", Operation::GetBucketNotificationConfiguration),
    ("PUT", "/b?notification", Operation::PutBucketNotificationConfiguration),
    ("GET", "/b?logging", Operation::GetBucketLogging),
    ("PUT", "/b?logging", Operation::PutBucketLogging),
    ("GET", "/b?requestPayment", Operation::GetBucketRequestPayment),
    ("PUT", "/b?requestPayment", Operation::PutBucketRequestPayment),
    ("GET", "/b?accelerate", Operation::GetBucketAccelerateConfiguration),
    ("PUT", "/b?accelerate", Operation::PutBucketAccelerateConfiguration),
    ("GET", "/b?replication", Operation::GetBucketReplication),
    ("PUT", "/b?replication", Operation::PutBucketReplication),
    ("DELETE", "/b?replication", Operation::DeleteBucketReplication),
    ("GET", "/b?ownershipControls", Operation::GetBucketOwnershipControls),
    ("PUT", "/b?ownershipControls", Operation::PutBucketOwnershipControls),
    ("DELETE", "/b?ownershipControls", Operation::DeleteBucketOwnershipControls),
    ("GET", "/b?publicAccessBlock", Operation::GetPublicAccessBlock),
    ("PUT", "/b?publicAccessBlock", Operation::PutPublicAccessBlock),
    ("DELETE", "/b?publicAccessBlock", Operation::DeletePublicAccessBlock),
    ("GET", "/b?object-lock", Operation::GetObjectLockConfiguration),
    ("PUT", "/b?object-lock", Operation::PutObjectLockConfiguration),
    // The same question in other spellings.
    ("GET", "/b/?acl=", Operation::GetBucketAcl),
    ("GET", "/b?&acl&", Operation::GetBucketAcl),
    ("GET", "/b?%61cl", Operation::GetBucketAcl),
    ("GET", "/b?prefix=acl", Operation::ListObjects),
    ("GET", "/b?prefix", Operation::ListObjects),
];

#[test]
fn every_operation_is_found_by_what_clients_send() {
    let mut seen = HashSet::new();
    for (method, url, operation) in OBJECT.into_iter().chain(BUCKET) {
        let request = ask(method, url).unwrap_or_else(|refusal| panic!("{method} {url}: {refusal}"));
        assert_eq!(request.operation, operation, "{method} {url}");
        assert_eq!(request.address.level(), operation.level(), "{method} {url}");
        seen.insert(operation);
    }
    for operation in Operation::ALL {
        assert!(seen.contains(operation), "{operation:?} has no example");
    }
}

#[test]
fn the_table_agrees_with_itself() {
    let names: HashSet<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    assert_eq!(names.len(), Operation::ALL.len());
    for operation in Operation::ALL {
        let passes_json = operation.group() == Group::Pass && matches!(operation.body(), Body::Json { .. });
        assert!(!passes_json, "{operation:?}: what passes is XML, or nothing");
        let sub_resource = operation.sub_resource();
        assert_eq!(is_sub_resource(sub_resource), !sub_resource.is_empty(), "{operation:?}");
        assert_eq!(
            Operation::find(operation.level(), operation.verb(), sub_resource),
            Some(*operation),
            "two operations are asked for in the same way"
        );
        let is_read = matches!(operation.verb(), Verb::Get | Verb::Head);
        assert!(
            !is_read || (operation.may_be_sent_twice() && operation.body() == Body::None),
            "{operation:?}"
        );
        assert!(!operation.takes_streaming_payload() || !operation.may_be_sent_twice(), "{operation:?}");
        let ends_something =
            operation.right() == Some(Right::Delete) || operation.name().starts_with("Abort");
        assert!(!ends_something || !operation.may_be_sent_twice(), "{operation:?}");
        assert_eq!(operation.right().is_none(), *operation == Operation::ListBuckets, "{operation:?}");
    }
    let streaming = Operation::ALL.iter().filter(|operation| operation.takes_streaming_payload());
    assert!(streaming.eq(&[Operation::PutObject, Operation::UploadPart]));
}

#[test]
fn what_is_not_in_the_table_is_refused() {
    for (method, url, expected) in [
        // Two questions at once.
        ("PUT", "/b/k?acl&tagging", ErrorCode::InvalidArgument),
        ("POST", "/b/k?uploads&uploadId=u", ErrorCode::InvalidArgument),
        ("GET", "/b?versions&list-type=2", ErrorCode::InvalidArgument),
        ("GET", "/b?acl&acl", ErrorCode::InvalidArgument),
        ("GET", "/b?prefix=a&prefix=b", ErrorCode::InvalidArgument),
        ("GET", "/b/k?versionId=a&version%49d=b", ErrorCode::InvalidArgument),
        // A sub-resource of another level.
        ("POST", "/b/k?delete", ErrorCode::NotImplemented),
        ("PUT", "/b/k?encryption", ErrorCode::NotImplemented),
        ("GET", "/b?uploadId=u", ErrorCode::NotImplemented),
        ("GET", "/?acl", ErrorCode::NotImplemented),
        // Sub-resources of S3 that are not served.
        ("GET", "/b?analytics&id=1", ErrorCode::NotImplemented),
        ("PUT", "/b?inventory&id=1", ErrorCode::NotImplemented),
        ("GET", "/b?session", ErrorCode::NotImplemented),
        ("PUT", "/b?metadataTable", ErrorCode::NotImplemented),
        ("PUT", "/b/k?renameObject", ErrorCode::NotImplemented),
        ("GET", "/b/k?annotation", ErrorCode::NotImplemented),
        ("GET", "/b/k?metadata=1", ErrorCode::NotImplemented),
        ("GET", "/b/k?analytics", ErrorCode::NotImplemented),
        ("HEAD", "/b/k?Inventory&id=1", ErrorCode::NotImplemented),
        // Parameters of another operation, unknown ones, and other spellings of known ones.
        ("PUT", "/b/k?partNumber=1", ErrorCode::NotImplemented),
        ("PUT", "/b/k?versionId=v", ErrorCode::NotImplemented),
        ("DELETE", "/b?versionId=v", ErrorCode::NotImplemented),
        ("GET", "/b?list-type=2&marker=m", ErrorCode::NotImplemented),
        ("GET", "/b/k?marker=m", ErrorCode::NotImplemented),
        ("GET", "/b/k?ACL", ErrorCode::NotImplemented),
        ("PUT", "/b/k?v=3", ErrorCode::NotImplemented),
        ("PUT", "/b/k?acl%00", ErrorCode::NotImplemented),
        ("PUT", "/b/k?acl%20", ErrorCode::NotImplemented),
        ("GET", "/b?=acl", ErrorCode::NotImplemented),
        ("GET", "/b/k?acl&v=3", ErrorCode::NotImplemented),
        // No text at all.
        ("GET", "/b/k?prefix=%ff", ErrorCode::InvalidURI),
        ("GET", "/b/k?acl%", ErrorCode::InvalidURI),
        ("GET", "/b/k?%zz", ErrorCode::InvalidURI),
        // A copy of nothing.
        ("PUT", "/b/k?uploadId=u", ErrorCode::InvalidArgument),
        ("COPY", "/b/k?acl", ErrorCode::InvalidArgument),
        ("COPY", "/b", ErrorCode::InvalidArgument),
    ] {
        assert_eq!(code(method, url), expected, "{method} {url}");
    }
}

/// Links carry them: a page's version, an advertisement's name.
#[test]
fn a_reader_of_objects_may_say_what_means_nothing() {
    for method in ["GET", "HEAD"] {
        let request = ask(method, "/b/k?v=3&versionId=a&utm_source=mail&=x").unwrap();
        assert_eq!(written(&request), "versionId=a");
    }
}

#[test]
fn only_a_put_copies() {
    let address = Address::parse("h", "/b/k", &[]).unwrap();
    for method in [Method::GET, Method::HEAD, Method::DELETE] {
        let head = Head { method: &method, query: "", has_copy_source: true };
        assert_eq!(parse(address.clone(), head).unwrap_err().code, ErrorCode::InvalidArgument, "{method}");
    }
}

#[test]
fn another_method_is_told_which_ones_there_are() {
    for (method, url, allow) in [
        ("POST", "/", "GET"),
        ("DELETE", "/b?delete", "POST"),
        ("POST", "/b/k", "DELETE GET HEAD PUT"),
        ("PATCH", "/b/k", "DELETE GET HEAD PUT"),
        ("OPTIONS", "/b", "DELETE GET HEAD POST PUT"),
        ("HEAD", "/b/k?acl", "GET PUT"),
        ("HEAD", "/b/k?uploadId=u", "DELETE GET POST PUT"),
        ("get", "/b/k?torrent", "GET"),
    ] {
        let refusal = ask(method, url).expect_err(url);
        assert_eq!(refusal.code, ErrorCode::MethodNotAllowed, "{method} {url}");
        assert_eq!(refusal.allow.join(" "), allow, "{method} {url}");
    }
}

#[test]
fn values_are_checked_where_s3_checks_them() {
    for query in [
        "partNumber=1",
        "partNumber=10000",
        "response-content-type=text/plain;%20charset=utf-8",
        "response-content-disposition=attachment;%09filename=%22%C3%BC%22",
        "response-expires=",
    ] {
        assert!(ask("GET", &format!("/b/k?{query}")).is_ok(), "{query}");
    }
    for query in [
        "partNumber=0",
        "partNumber=10001",
        "partNumber=",
        "partNumber=+1",
        "partNumber=%2B1",
        "partNumber=1.0",
        "partNumber=65537",
        "versionId=",
        "response-content-type=a%0D%0Ax:y",
        "response-content-language=a%0A",
        "response-cache-control=a%00",
        "response-expires=%7F",
    ] {
        assert_eq!(code("GET", &format!("/b/k?{query}")), ErrorCode::InvalidArgument, "{query}");
    }
    for query in ["max-keys=0", "max-keys=2147483647", "prefix=&delimiter=", "marker=%00+%2B"] {
        assert!(ask("GET", &format!("/b?{query}")).is_ok(), "{query}");
    }
    for query in [
        "max-keys=-1",
        "max-keys=2147483648",
        "max-keys=blah",
        "max-keys=",
        "encoding-type=gzip",
        "list-type=1",
        "list-type",
        "list-type=2&continuation-token=",
        "list-type=2&fetch-owner=yes",
    ] {
        assert_eq!(code("GET", &format!("/b?{query}")), ErrorCode::InvalidArgument, "{query}");
    }
    let many: Vec<String> = (0..100).map(|number| format!("a{number}")).collect();
    assert_eq!(code("GET", &format!("/b?{}", many.join("&"))), ErrorCode::InvalidArgument);
}

#[test]
fn parameters_are_decoded_and_written_in_canonical_form() {
    for (method, url, canonical) in [
        ("GET", "/b/k", ""),
        ("GET", "/b/k?acl=x&versionId=1%2F2", "acl=&versionId=1%2F2"),
        ("PUT", "/b/k?uploadId=a%2Bb+c&partNumber=7", "partNumber=7&uploadId=a%2Bb%20c"),
        ("GET", "/b?prefix=a+b%2f&list-type=2&x-id=ListObjectsV2", "list-type=2&prefix=a%20b%2F"),
        ("POST", "/b?delete", "delete="),
    ] {
        let request = ask(method, url).unwrap();
        assert_eq!(written(&request), canonical, "{url}");
    }
    let mut parameters = ask("GET", "/b?prefix=a&max-keys=3").unwrap().parameters;
    assert_eq!((parameters.prefix(), parameters.get(Parameter::MaxKeys)), ("a", Some("3")));
    parameters.set(Parameter::Prefix, "tenant/a".to_owned());
    parameters.remove(Parameter::MaxKeys);
    assert_eq!(write(&parameters, Operation::ListObjects), "prefix=tenant%2Fa");
    assert!(!parameters.override_reply());
    assert!(ask("GET", "/b/k?response-expires=0&versionId=v").unwrap().parameters.override_reply());
    let part = ask("PUT", "/b/k?uploadId=u&partNumber=007").unwrap().parameters;
    assert_eq!((part.upload_id(), part.part_number(), part.version_id()), (Some("u"), Some(7), None));
}

#[test]
fn a_presigned_query_brings_headers_along() {
    let signature = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Credential=c\
                     &X-Amz-Date=d&X-Amz-Expires=1&X-Amz-Security-Token=t&X-Amz-Signature=s&X-Amz-SignedHeaders=host";
    let request = ask("GET", &format!("/b/k?{signature}&x-id=GetObject&versionId=v")).unwrap();
    assert_eq!(request.operation, Operation::GetObject);
    assert!(request.query_headers.is_empty());
    assert_eq!(written(&request), "versionId=v");

    let request = ask("PUT", &format!("/b/k?{signature}&X-Amz-Acl=private&x-amz-meta-a=1%202")).unwrap();
    let headers = [("x-amz-acl", "private"), ("x-amz-meta-a", "1 2")];
    assert_eq!(request.query_headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(code("PUT", "/b/k?X-Amz-Acl=private&x-amz-acl=public-read"), ErrorCode::InvalidArgument);

    let unsummed = "x-amz-checksum-crc32=AAAAAA%3D%3D&X-Amz-Checksum-Sha256=s&x-amz-checksum-algorithm=CRC32";
    let request = ask("PUT", &format!("/b/k?{signature}&{unsummed}")).unwrap();
    assert_eq!(request.query_headers, [("x-amz-checksum-algorithm".to_owned(), "CRC32".to_owned())]);

    let secret = ask("GET", "/b/k?x-amz-server-side-encryption-customer-key=SECRET").unwrap();
    assert!(!format!("{secret:?}").contains("SECRET"));

    let copy = ask("PUT", "/b/k?x-amz-copy-source=%2Fa%2Fb").unwrap();
    assert_eq!(copy.operation, Operation::CopyObject);
    assert_eq!(code("GET", "/b/k?x-amz-copy-source=%2Fa%2Fb"), ErrorCode::InvalidArgument);
}

/// All names that the tables know.
fn names() -> Vec<&'static str> {
    let parameters =
        Operation::ALL.iter().flat_map(|operation| operation.parameters()).map(|known| known.name());
    let sub_resources = Operation::ALL.iter().map(|operation| operation.sub_resource());
    let mut names: Vec<&str> = parameters.chain(sub_resources).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_it_panic(host: String, path: String, query: String, copies: bool, method in "[A-Z]{1,7}") {
        if let Ok(address) = Address::parse(&host, &format!("/{path}"), &["s3.example.com".to_owned()]) {
            let method = method.parse().unwrap();
            let _ = parse(address, Head { method: &method, query: &query, has_copy_source: copies });
        }
    }

    /// Queries made of what means something to S3, in any mixture.
    #[test]
    fn what_is_accepted_is_read_again_as_the_same(
        method in select(vec!["GET", "HEAD", "PUT", "POST", "DELETE"]),
        path in select(vec!["/", "/b", "/b/k"]),
        query in vec((select(names()), select(vec!["", "=", "=2", "=1%2F+", "=url"])), 0..4),
        copies: bool,
    ) {
        let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}{value}")).collect();
        let query = query.join("&");
        let method: Method = method.parse().unwrap();
        let address = Address::parse("h", path, &[]).unwrap();
        let head = Head { method: &method, query: &query, has_copy_source: copies };
        let Ok(request) = parse(address.clone(), head) else { return Ok(()) };
        let query = written(&request);
        let again = parse(address, Head { query: &query, ..head }).unwrap();
        prop_assert_eq!(again.operation, request.operation);
        prop_assert_eq!(request.operation.is_copy(), copies);
        prop_assert_eq!(written(&again), query);
        for (parameter, value) in request.parameters.iter() {
            prop_assert!(request.operation.parameters().contains(&parameter));
            prop_assert_eq!(again.parameters.get(parameter), Some(value));
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same(
        prefix: String, delimiter: String, marker: String, keys in 0..=i32::MAX, versions: bool,
    ) {
        let mut parameters = Parameters::default();
        let marker_name = if versions { Parameter::KeyMarker } else { Parameter::Marker };
        parameters.set(Parameter::Delimiter, delimiter);
        parameters.set(marker_name, marker);
        parameters.set(Parameter::MaxKeys, keys.to_string());
        parameters.set(Parameter::Prefix, prefix);
        let operation = if versions { Operation::ListObjectVersions } else { Operation::ListObjects };
        let query = write(&parameters, operation);
        let again = parse(Address::Bucket("b".to_owned()), head(&Method::GET, &query)).unwrap();
        prop_assert_eq!(again.operation, operation);
        prop_assert_eq!(written(&again), query);
        for (parameter, value) in parameters.iter() {
            prop_assert_eq!(again.parameters.get(parameter), Some(value));
        }
    }

    #[test]
    fn a_key_is_what_was_escaped(key in "\\PC{1,200}", plain in any::<bool>()) {
        let mut path = String::from("/b/");
        crate::encode::path(&key, &mut path);
        // A plus is a plus in a path, and a space in a copy's source.
        let (asked, source) = if plain {
            (path.replace("%2B", "+"), path.replace("%20", "+"))
        } else {
            (path.clone(), path)
        };
        let address = Address::parse("h", &asked, &[]).unwrap();
        prop_assert_eq!(address.key().map(crate::names::ObjectKey::as_str), Some(key.as_str()));
        let source = CopySource::parse(source.as_bytes()).unwrap();
        prop_assert!(source.bucket == "b" && source.key.as_str() == key && source.version_id.is_none());
    }
}

#[test]
fn who_shares_a_bucket_does_not_configure_it() {
    let suits = |operation: &&Operation| operation.suits_shared_bucket();
    let configures = |operation: &&Operation| operation.right() == Some(Right::Configure);
    for operation in Operation::ALL.iter().filter(configures).filter(suits) {
        assert_eq!(operation.verb(), Verb::Get, "{operation:?}");
    }
    for operation in [
        Operation::CreateBucket,
        Operation::DeleteBucket,
        Operation::GetBucketAcl,
        Operation::PutBucketAcl,
        Operation::GetBucketPolicy,
        Operation::GetBucketCors,
        Operation::GetBucketLifecycleConfiguration,
        Operation::GetBucketNotificationConfiguration,
        Operation::GetBucketTagging,
    ] {
        assert!(!operation.suits_shared_bucket(), "{operation:?}");
    }
    let objects = |operation: &&Operation| operation.level() == Level::Object;
    assert!(Operation::ALL.iter().filter(objects).all(|operation| operation.suits_shared_bucket()));
}
