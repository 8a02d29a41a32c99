//! What providers answer, as far as Wharf looks into it.

use super::{
    XmlError,
    tree::{Element, parse},
};
use crate::cors::CorsRule;

/// `<Error>` as a provider sends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct S3Error {
    /// S3's code, `AccessDenied`.
    pub code: String,
    /// The provider's words.
    pub message: String,
    /// The region to use instead, which a wrong region's answer carries.
    pub region: Option<String>,
}

/// Reads an `<Error>` document.
pub fn read_error(document: &[u8]) -> Result<S3Error, XmlError> {
    let mut root = parse(document, "Error")?;
    Ok(S3Error {
        code: root.take_text("Code").ok_or(XmlError::Missing("Code"))?,
        message: root.take_text("Message").unwrap_or_default(),
        region: root.take_text("Region").filter(|region| !region.is_empty()),
    })
}

/// Reads the names in a `ListAllMyBucketsResult`.
pub fn read_bucket_names(document: &[u8]) -> Result<Vec<String>, XmlError> {
    let root = parse(document, "ListAllMyBucketsResult")?;
    let buckets = root.into_children("Buckets").flat_map(|buckets| buckets.into_children("Bucket"));
    buckets.map(|mut bucket| bucket.take_text("Name").ok_or(XmlError::Missing("Name"))).collect()
}

/// Reads a `CORSConfiguration`.
pub fn read_cors(document: &[u8]) -> Result<Vec<CorsRule>, XmlError> {
    parse(document, "CORSConfiguration")?.into_children("CORSRule").map(cors_rule).collect()
}

fn cors_rule(mut rule: Element) -> Result<CorsRule, XmlError> {
    const KNOWN: [&str; 6] =
        ["ID", "AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader", "MaxAgeSeconds"];
    let has_more = rule.children.iter().any(|child| !KNOWN.contains(&child.name.as_str()));
    let max_age = rule.take_text("MaxAgeSeconds").map(|seconds| seconds.trim().parse());
    Ok(CorsRule {
        id: rule.take_text("ID").filter(|id| !id.is_empty()),
        allowed_origins: rule.texts("AllowedOrigin"),
        allowed_methods: rule.texts("AllowedMethod"),
        allowed_headers: rule.texts("AllowedHeader"),
        expose_headers: rule.texts("ExposeHeader"),
        max_age_seconds: max_age.transpose().map_err(|_| XmlError::Missing("MaxAgeSeconds"))?,
        has_more,
    })
}

/// Reads the upload id of an `InitiateMultipartUploadResult`. There are stores that leave `Result` out of the name, which no
/// SDK looks at.
pub fn read_upload_id(document: &[u8]) -> Result<String, XmlError> {
    let named = parse(document, "InitiateMultipartUploadResult");
    named
        .or_else(|error| parse(document, "InitiateMultipartUpload").map_err(|_| error))?
        .take_text("UploadId")
        .filter(|id| !id.is_empty())
        .ok_or(XmlError::Missing("UploadId"))
}

/// What an answer says of an object or a part that was copied or completed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectResult {
    /// Its `ETag`, with its quotes.
    pub etag: String,
    /// When it was made, if the answer says so.
    pub last_modified: Option<String>,
    /// `ChecksumCRC32` and its like, by element, and `ChecksumType`.
    pub checksums: Vec<(String, String)>,
}

/// Reads a `CopyObjectResult`.
pub fn read_copied(document: &[u8]) -> Result<ObjectResult, XmlError> {
    object_result(parse(document, "CopyObjectResult")?)
}

/// Reads a `CopyPartResult`.
pub fn read_copied_part(document: &[u8]) -> Result<ObjectResult, XmlError> {
    object_result(parse(document, "CopyPartResult")?)
}

/// Reads a `CompleteMultipartUploadResult`.
pub fn read_completed(document: &[u8]) -> Result<ObjectResult, XmlError> {
    object_result(parse(document, "CompleteMultipartUploadResult")?)
}

fn object_result(mut root: Element) -> Result<ObjectResult, XmlError> {
    let etag = root.take_text("ETag").filter(|etag| !etag.is_empty()).ok_or(XmlError::Missing("ETag"))?;
    let last_modified = root.take_text("LastModified");
    Ok(ObjectResult { etag, last_modified, checksums: root.into_texts("Checksum").collect() })
}

/// A `DeleteResult`: what became of each object of a `Delete`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteResult {
    /// Deleted, or not there in the first place. A quiet answer names none.
    pub deleted: Vec<Deleted>,
    /// Not deleted.
    pub errors: Vec<DeleteError>,
}

/// An object that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Its key.
    pub key: String,
    /// The version that was deleted, if one was named.
    pub version_id: Option<String>,
    /// Whether a delete marker was made, or was what was deleted.
    pub delete_marker: bool,
    /// That marker's version.
    pub delete_marker_version_id: Option<String>,
}

/// An object that was not deleted, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteError {
    /// Its key.
    pub key: String,
    /// The version that should have been deleted, if one was named.
    pub version_id: Option<String>,
    /// S3's code, `AccessDenied`.
    pub code: String,
    /// The provider's words.
    pub message: String,
}

/// Reads a `DeleteResult`.
pub fn read_delete_result(document: &[u8]) -> Result<DeleteResult, XmlError> {
    let mut result = DeleteResult::default();
    for mut child in parse(document, "DeleteResult")?.children {
        match child.name.as_str() {
            "Deleted" => result.deleted.push(Deleted {
                key: child.take_text("Key").ok_or(XmlError::Missing("Key"))?,
                version_id: child.take_text("VersionId"),
                delete_marker: child.take_text("DeleteMarker").is_some_and(|text| text.trim() == "true"),
                delete_marker_version_id: child.take_text("DeleteMarkerVersionId"),
            }),
            "Error" => result.errors.push(DeleteError {
                key: child.take_text("Key").ok_or(XmlError::Missing("Key"))?,
                version_id: child.take_text("VersionId"),
                code: child.take_text("Code").ok_or(XmlError::Missing("Code"))?,
                message: child.take_text("Message").unwrap_or_default(),
            }),
            _ => {}
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::{
        super::{DEPTH_MAX, DOCUMENT_BYTES_MAX, ELEMENTS_MAX, read_list, read_versions, write::escape},
        *,
    };

    #[test]
    fn reads_an_error() {
        let document = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>\
            <Message>expecting &apos;eu-west-1&apos; &#38; no &lt;other&gt;</Message><Region>eu-west-1</Region>\
            <RequestId>4442587FB7D0A2F9</RequestId></Error>\n";
        let error = read_error(document).unwrap();
        assert_eq!(error.code, "AuthorizationHeaderMalformed");
        assert_eq!(error.message, "expecting 'eu-west-1' & no <other>");
        assert_eq!(error.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn an_error_needs_a_code_and_little_else() {
        for document in [
            "  \n<Error><Code>SlowDown</Code><Region/></Error>",
            "\u{feff}<?xml version=\"1.0\"?><!-- busy --><Error><Code>SlowDown</Code></Error>",
        ] {
            let expected = S3Error { code: String::from("SlowDown"), ..S3Error::default() };
            assert_eq!(read_error(document.as_bytes()), Ok(expected));
        }
        assert_eq!(read_error(b"<Error><Message>m</Message></Error>"), Err(XmlError::Missing("Code")));
        assert_eq!(read_error(b"<html><body>502</body></html>"), Err(XmlError::Root("Error")));
    }

    #[test]
    fn reads_bucket_names() {
        let document = br#"<s3:ListAllMyBucketsResult xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/">
            <s3:Owner><s3:ID>x</s3:ID></s3:Owner><s3:Buckets>
            <s3:Bucket><s3:Name>a</s3:Name><s3:CreationDate>2006-02-03T16:45:09.000Z</s3:CreationDate></s3:Bucket>
            <s3:Bucket><s3:CreationDate/><s3:Name>b</s3:Name></s3:Bucket></s3:Buckets></s3:ListAllMyBucketsResult>"#;
        assert_eq!(read_bucket_names(document).unwrap(), ["a", "b"]);
        let none = b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>";
        assert_eq!(read_bucket_names(none), Ok(Vec::new()));
    }

    #[test]
    fn reads_cors_rules() {
        let document = b"<CORSConfiguration><CORSRule><AllowedOrigin>https://a.example</AllowedOrigin>\
            <AllowedOrigin>https://b.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>\
            <AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds> 3000 </MaxAgeSeconds>\
            <ID>one</ID></CORSRule><CORSRule><ID/><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
        let rules = read_cors(document).unwrap();
        assert_eq!(rules[0].allowed_origins, ["https://a.example", "https://b.example"]);
        assert_eq!(rules[0].expose_headers, ["ETag"]);
        assert_eq!((rules[0].max_age_seconds, rules[0].id.as_deref()), (Some(3000), Some("one")));
        let second = CorsRule { allowed_methods: vec![String::from("GET")], ..CorsRule::default() };
        assert_eq!(rules[1..], [second]);
        let more = b"<CORSConfiguration><CORSRule><Vendor/></CORSRule></CORSConfiguration>";
        assert!(read_cors(more).unwrap()[0].has_more);
        let odd =
            b"<CORSConfiguration><CORSRule><MaxAgeSeconds>-1</MaxAgeSeconds></CORSRule></CORSConfiguration>";
        assert_eq!(read_cors(odd), Err(XmlError::Missing("MaxAgeSeconds")));
    }

    #[test]
    fn reads_an_upload_id() {
        let document = b"<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Bucket>b</Bucket><Key>k</Key><UploadId><![CDATA[VXBsb2Fk<&]]></UploadId></InitiateMultipartUploadResult>";
        assert_eq!(read_upload_id(document).as_deref(), Ok("VXBsb2Fk<&"));
        let empty = b"<InitiateMultipartUploadResult><UploadId/></InitiateMultipartUploadResult>";
        assert_eq!(read_upload_id(empty), Err(XmlError::Missing("UploadId")));
        let short = b"<InitiateMultipartUpload><UploadId>id</UploadId></InitiateMultipartUpload>";
        assert_eq!(read_upload_id(short).as_deref(), Ok("id"));
        let other = b"<CopyObjectResult><UploadId>id</UploadId></CopyObjectResult>";
        assert_eq!(read_upload_id(other), Err(XmlError::Root("InitiateMultipartUploadResult")));
    }

    #[test]
    fn refuses_what_s3_never_sends() {
        let deep = [vec!["<Error>"; DEPTH_MAX], vec!["<a>"], vec!["</a>"], vec!["</Error>"; DEPTH_MAX]]
            .concat()
            .concat();
        let many = ["<Error>", &"<a/>".repeat(ELEMENTS_MAX), "</Error>"].concat();
        let large = ["<Error>", &" ".repeat(DOCUMENT_BYTES_MAX), "</Error>"].concat();
        for (document, error) in [
            ("<!DOCTYPE Error><Error><Code>a</Code></Error>", XmlError::Doctype),
            ("<!DOCTYPE lolz [<!ENTITY lol \"lol\">]><Error><Code>&lol;</Code></Error>", XmlError::Doctype),
            ("<Error><Code>&lol;</Code></Error>", XmlError::Entity),
            ("<Error><Code>&#0;</Code></Error>", XmlError::Entity),
            ("<Error><Code>&#x110000;</Code></Error>", XmlError::Entity),
            ("<Error a=\"b\"><Code>a</Code></Error>", XmlError::Attribute),
            ("<Error xmlnsa=\"b\"><Code>a</Code></Error>", XmlError::Attribute),
            ("<Error xmlns=a><Code>a</Code></Error>", XmlError::Malformed),
            ("", XmlError::Malformed),
            ("text", XmlError::Malformed),
            ("<Error>", XmlError::Malformed),
            ("<Error><Code>a</Error></Code>", XmlError::Malformed),
            ("</Error>", XmlError::Malformed),
            ("<Error/><Error/>", XmlError::Malformed),
            ("<Error/>text", XmlError::Malformed),
            ("<Error><Code>a & b</Code></Error>", XmlError::Malformed),
            ("<Error><Code>\0</Code></Error>", XmlError::Malformed),
            (deep.as_str(), XmlError::TooDeep),
            (many.as_str(), XmlError::TooManyElements),
            (large.as_str(), XmlError::TooLarge),
        ] {
            let start: String = document.chars().take(80).collect();
            assert_eq!(read_error(document.as_bytes()), Err(error), "{start}");
        }
        assert_eq!(read_error(b"<Error><Code>\xff</Code></Error>"), Err(XmlError::Malformed));
    }

    #[test]
    fn reads_what_became_of_an_object() {
        let fields = "<LastModified>2009-10-28T22:32:00.000Z</LastModified><ETag>&quot;9b2c&quot;</ETag>\
            <ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>";
        let checksums = [("ChecksumCRC32", "AAAAAA=="), ("ChecksumType", "FULL_OBJECT")];
        let expected = ObjectResult {
            etag: String::from("\"9b2c\""),
            last_modified: Some(String::from("2009-10-28T22:32:00.000Z")),
            checksums: checksums.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        };
        let document = |root: &str| ["  <", root, ">", fields, "</", root, ">"].concat();
        assert_eq!(read_copied(document("CopyObjectResult").as_bytes()), Ok(expected.clone()));
        assert_eq!(read_copied_part(document("CopyPartResult").as_bytes()), Ok(expected.clone()));
        assert_eq!(read_completed(document("CompleteMultipartUploadResult").as_bytes()), Ok(expected));
        // A 200 may carry an error.
        assert_eq!(read_copied(document("Error").as_bytes()), Err(XmlError::Root("CopyObjectResult")));
        assert_eq!(read_copied(b"<CopyObjectResult/>"), Err(XmlError::Missing("ETag")));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_escaped_is_read_again(text in "[^\\p{Cc}]+") {
            let document = ["<Error><Code>", &escape(&text), "</Code></Error>"].concat();
            prop_assert_eq!(read_error(document.as_bytes()).unwrap().code, text);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in any::<Vec<u8>>(), text in "(</?[a-zA-Z:]{1,3}( x?mlns=\"a\")?/?>|&[a-z#0-9]{1,4};|<!\\[CDATA\\[|\\]\\]>|<!--|-->|<\\?|[a-z<>&\"]){0,20}") {
            for document in [bytes.as_slice(), text.as_bytes()] {
                let _ = read_error(document);
                let _ = read_bucket_names(document);
                let _ = read_cors(document);
                let _ = read_upload_id(document);
                let _ = read_delete_result(document);
                let _ = read_copied(document);
                let _ = read_list(document);
                let _ = read_versions(document);
            }
        }
    }
}
