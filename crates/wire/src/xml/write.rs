//! The documents that Wharf writes.

use crate::{cors::CorsRule, date::Timestamp};

use super::{DeleteResult, ObjectResult, ObjectToDelete};

/// What stands before the root of every document that Wharf writes. White space may follow it, and not come before it.
pub const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An answer that says what went wrong.
#[derive(Debug, Clone, Copy)]
pub struct ErrorDocument<'a> {
    /// S3's code, `NoSuchKey`.
    pub code: &'a str,
    /// What a human reads.
    pub message: &'a str,
    /// The path that was requested.
    pub resource: &'a str,
    /// Wharf's id of the request.
    pub request_id: &'a str,
    /// What some codes have besides, by element: `BucketName`, `Region`, `ExpectedDigest`.
    pub details: &'a [(&'a str, &'a str)],
}

/// Where an object is, in the caller's names.
#[derive(Debug, Clone, Copy)]
pub struct ObjectNames<'a> {
    /// Its URL.
    pub location: &'a str,
    /// Its bucket.
    pub bucket: &'a str,
    /// Its key.
    pub key: &'a str,
}

/// Writes an `Error`.
///
/// ```
/// use wharf_wire::xml::{ErrorDocument, write_error};
///
/// let error = ErrorDocument {
///     code: "NoSuchKey",
///     message: "The key does not exist.",
///     resource: "/photos/a&b",
///     request_id: "0197",
///     details: &[("Key", "a&b")],
/// };
/// assert_eq!(
///     write_error(&error),
///     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
///      <Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message><Key>a&amp;b</Key>\
///      <Resource>/photos/a&amp;b</Resource><RequestId>0197</RequestId></Error>"
/// );
/// ```
pub fn write_error(error: &ErrorDocument<'_>) -> String {
    Writer::bare("Error", |document| {
        document.text("Code", error.code);
        document.text("Message", error.message);
        error.details.iter().for_each(|(name, value)| document.text(name, value));
        document.text("Resource", error.resource);
        document.text("RequestId", error.request_id);
    })
}

/// Writes a `ListAllMyBucketsResult`: names and when they were created, which a configured bucket's owner says.
pub fn write_buckets<'a>(owner: &str, buckets: impl IntoIterator<Item = (&'a str, Timestamp)>) -> String {
    Writer::document("ListAllMyBucketsResult", |document| {
        document.element("Owner", |out| {
            out.text("ID", owner);
            out.text("DisplayName", owner);
        });
        document.element("Buckets", |out| {
            for (name, created) in buckets {
                out.element("Bucket", |out| {
                    out.text("Name", name);
                    out.text("CreationDate", &created.rfc3339());
                });
            }
        });
    })
}

/// Writes a `LocationConstraint`. S3's first region has none.
pub fn write_location(region: Option<&str>) -> String {
    Writer::document("LocationConstraint", |document| document.escaped(region.unwrap_or_default()))
}

/// Writes a `CreateBucketConfiguration`: what a provider must be told of a bucket outside of S3's first region.
pub fn write_create_bucket(region: &str) -> String {
    Writer::document("CreateBucketConfiguration", |document| document.text("LocationConstraint", region))
}

/// Writes a `CORSConfiguration`, with the elements of a rule in the documented order.
pub fn write_cors(rules: &[CorsRule]) -> String {
    Writer::document("CORSConfiguration", |document| {
        for rule in rules {
            document.element("CORSRule", |out| {
                out.optional("ID", rule.id.as_deref());
                out.texts("AllowedHeader", &rule.allowed_headers);
                out.texts("AllowedMethod", &rule.allowed_methods);
                out.texts("AllowedOrigin", &rule.allowed_origins);
                out.texts("ExposeHeader", &rule.expose_headers);
                let seconds = rule.max_age_seconds.map(|seconds| seconds.to_string());
                out.optional("MaxAgeSeconds", seconds.as_deref());
            });
        }
    })
}

/// Writes a `PostResponse`, the answer to a form that asked for one.
pub fn write_post_response(object: &ObjectNames<'_>, etag: &str) -> String {
    Writer::bare("PostResponse", |document| {
        document.names(object);
        document.text("ETag", etag);
    })
}

/// Writes an `InitiateMultipartUploadResult`.
pub fn write_initiated(bucket: &str, key: &str, upload_id: &str) -> String {
    Writer::document("InitiateMultipartUploadResult", |document| {
        document.text("Bucket", bucket);
        document.text("Key", key);
        document.text("UploadId", upload_id);
    })
}

/// Writes a `CompleteMultipartUploadResult`.
pub fn write_completed(object: &ObjectNames<'_>, result: &ObjectResult) -> String {
    Writer::document("CompleteMultipartUploadResult", |document| {
        document.names(object);
        document.result(result);
    })
}

/// Writes a `CopyObjectResult`.
pub fn write_copied(result: &ObjectResult) -> String {
    Writer::document("CopyObjectResult", |document| document.result(result))
}

/// Writes a `CopyPartResult`.
pub fn write_copied_part(result: &ObjectResult) -> String {
    Writer::document("CopyPartResult", |document| document.result(result))
}

/// Writes a `DeleteResult`.
pub fn write_delete_result(result: &DeleteResult) -> String {
    Writer::document("DeleteResult", |document| {
        for deleted in &result.deleted {
            document.element("Deleted", |out| {
                out.text("Key", &deleted.key);
                out.optional("VersionId", deleted.version_id.as_deref());
                out.optional("DeleteMarker", deleted.delete_marker.then_some("true"));
                out.optional("DeleteMarkerVersionId", deleted.delete_marker_version_id.as_deref());
            });
        }
        for error in &result.errors {
            document.element("Error", |out| {
                out.text("Key", &error.key);
                out.optional("VersionId", error.version_id.as_deref());
                out.text("Code", &error.code);
                out.text("Message", &error.message);
            });
        }
    })
}

/// Writes a `Delete` for a provider, where every key has `key_prefix` before it.
pub fn write_delete(objects: &[ObjectToDelete], key_prefix: &str, quiet: bool) -> String {
    Writer::document("Delete", |document| {
        for object in objects {
            document.element("Object", |out| {
                out.text("Key", &[key_prefix, object.key.as_str()].concat());
                out.optional("VersionId", object.version_id.as_deref());
                out.optional("ETag", object.etag.as_deref());
                out.optional("LastModifiedTime", object.last_modified_time.as_deref());
                out.optional("Size", object.size.as_deref());
            });
        }
        document.optional("Quiet", quiet.then_some("true"));
    })
}

/// Writes a `Tagging`, the document that gives an object its tags.
///
/// ```
/// let tagging = wharf_wire::xml::write_tagging(&[("a".to_owned(), "<".to_owned())]);
/// assert!(tagging.ends_with("<TagSet><Tag><Key>a</Key><Value>&lt;</Value></Tag></TagSet></Tagging>"));
/// ```
pub fn write_tagging(tags: &[(String, String)]) -> String {
    Writer::document("Tagging", |document| {
        document.element("TagSet", |set| {
            for (key, value) in tags {
                set.element("Tag", |tag| {
                    tag.text("Key", key);
                    tag.text("Value", value);
                });
            }
        });
    })
}

/// Writes a `CompleteMultipartUpload` from part numbers and `ETag`s, in the order given.
///
/// ```
/// assert_eq!(
///     wharf_wire::xml::write_complete_multipart(&[(1, "\"a\"")]),
///     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
///      <CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
///      <Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part></CompleteMultipartUpload>"
/// );
/// ```
pub fn write_complete_multipart(parts: &[(u16, &str)]) -> String {
    Writer::document("CompleteMultipartUpload", |document| {
        for (number, etag) in parts {
            document.element("Part", |out| {
                out.text("PartNumber", &number.to_string());
                out.text("ETag", etag);
            });
        }
    })
}

/// A document as far as it is written. Whoever opens an element closes it, so that none stays open.
struct Writer(String);

impl Writer {
    /// A document in S3's namespace.
    fn document(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self(String::from(DECLARATION));
        writer.0.extend(["<", root, " xmlns=\"", NAMESPACE, "\">"]);
        content(&mut writer);
        writer.0.extend(["</", root, ">"]);
        writer.0
    }

    /// A document in none, as S3 writes errors and answers to forms.
    fn bare(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self(String::from(DECLARATION));
        writer.element(root, content);
        writer.0
    }

    fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.0.extend(["<", name, ">"]);
        content(self);
        self.0.extend(["</", name, ">"]);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.element(name, |out| out.escaped(text));
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn texts(&mut self, name: &str, texts: &[String]) {
        for text in texts {
            self.text(name, text);
        }
    }

    fn escaped(&mut self, text: &str) {
        escape_into(text, &mut self.0);
    }

    fn names(&mut self, object: &ObjectNames<'_>) {
        self.text("Location", object.location);
        self.text("Bucket", object.bucket);
        self.text("Key", object.key);
    }

    fn result(&mut self, result: &ObjectResult) {
        self.text("ETag", &result.etag);
        self.optional("LastModified", result.last_modified.as_deref());
        result.checksums.iter().for_each(|(name, value)| self.text(name, value));
    }
}

/// `text` for an element or an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(text, &mut out);
    out
}

/// Control characters become references, as S3 writes them: a bare carriage return would be read as a line feed.
fn escape_into(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(character),
            character if character.is_ascii_control() => {
                out.extend(["&#", &u32::from(character).to_string(), ";"]);
            }
            character => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            DeleteError, Deleted, read_bucket_names, read_cors, read_create_bucket, read_delete,
            read_delete_result, read_error, read_upload_id,
        },
        *,
    };
    use crate::names::ObjectKey;

    #[test]
    fn etags_are_escaped() {
        let written = write_complete_multipart(&[(1, "\"a\""), (10_000, "<&>")]);
        assert!(written.contains("<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>"));
        assert!(written.contains("<Part><PartNumber>10000</PartNumber><ETag>&lt;&amp;&gt;</ETag></Part>"));
    }

    #[test]
    fn control_characters_are_references() {
        assert_eq!(escape("a\r\n\t\u{1}<&>\"'ü\u{7f}"), "a&#13;\n\t&#1;&lt;&amp;&gt;&quot;&apos;ü&#127;");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let error = ErrorDocument {
            code: "C",
            message: "<m>",
            resource: "/",
            request_id: "1",
            details: &[("Region", "auto")],
        };
        let read = read_error(write_error(&error).as_bytes()).unwrap();
        assert_eq!(
            (read.code.as_str(), read.message.as_str(), read.region.as_deref()),
            ("C", "<m>", Some("auto"))
        );

        let buckets = write_buckets(
            "wharf",
            [("a", Timestamp::from_unix_millis(0)), ("b", Timestamp::from_unix_millis(1))],
        );
        assert_eq!(read_bucket_names(buckets.as_bytes()).unwrap(), ["a", "b"]);
        assert!(
            buckets.contains("<Name>a</Name><CreationDate>1970-01-01T00:00:00.000Z</CreationDate>"),
            "{buckets}"
        );

        assert_eq!(read_upload_id(write_initiated("b", "k", "i&d").as_bytes()).as_deref(), Ok("i&d"));
    }

    #[test]
    fn a_delete_is_written_with_the_providers_keys() {
        let object = ObjectToDelete {
            key: ObjectKey::parse("a\r&b").unwrap(),
            version_id: Some(String::from("v")),
            etag: Some(String::from("\"e\"")),
            last_modified_time: Some(String::from("Fri, 24 May 2013 00:00:00 GMT")),
            size: Some(String::from("7")),
        };
        let written = write_delete(std::slice::from_ref(&object), "tenant-a/", true);
        let mut read = read_delete(written.as_bytes()).unwrap();
        assert!(read.quiet);
        assert_eq!(read.objects[0].key.as_str(), "tenant-a/a\r&b");
        read.objects[0].key = object.key.clone();
        assert_eq!(read.objects, [object]);
    }

    #[test]
    fn a_delete_result_is_read_again() {
        let deleted = Deleted {
            key: String::from("k"),
            version_id: None,
            delete_marker: true,
            delete_marker_version_id: Some(String::from("v")),
        };
        let error = DeleteError {
            key: String::from("<k>"),
            version_id: Some(String::from("w")),
            code: String::from("AccessDenied"),
            message: String::from("no"),
        };
        let result = DeleteResult { deleted: vec![deleted], errors: vec![error] };
        assert_eq!(read_delete_result(write_delete_result(&result).as_bytes()), Ok(result));
    }

    #[test]
    fn cors_rules_are_read_again() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let full = CorsRule {
            id: Some(String::from("<w&>")),
            allowed_origins: texts(&["https://a.example", "https://*.b.example"]),
            allowed_methods: texts(&["PUT", "GET"]),
            allowed_headers: texts(&["*"]),
            expose_headers: texts(&["ETag", "x-amz-version-id"]),
            max_age_seconds: Some(0),
            has_more: false,
        };
        let least = CorsRule { allowed_methods: texts(&["GET"]), ..CorsRule::default() };
        let rules = vec![full, least];
        let written = write_cors(&rules);
        assert_eq!(read_cors(written.as_bytes()), Ok(rules));
        let start =
            [DECLARATION, "<CORSConfiguration xmlns=\"", NAMESPACE, "\"><CORSRule><ID>&lt;w&amp;&gt;</ID>"];
        assert!(written.starts_with(&start.concat()), "{written}");
    }

    #[test]
    fn results_have_their_elements_in_the_documented_order() {
        let object = ObjectNames { location: "http://w/b/k", bucket: "b", key: "k" };
        let result = ObjectResult {
            etag: String::from("\"e\""),
            last_modified: None,
            checksums: vec![(String::from("ChecksumCRC32"), String::from("AAAAAA=="))],
        };
        let body =
            "<Location>http://w/b/k</Location><Bucket>b</Bucket><Key>k</Key><ETag>&quot;e&quot;</ETag>";
        let root = "CompleteMultipartUploadResult";
        assert_eq!(
            write_completed(&object, &result),
            [
                DECLARATION,
                "<",
                root,
                " xmlns=\"",
                NAMESPACE,
                "\">",
                body,
                "<ChecksumCRC32>AAAAAA==</ChecksumCRC32></",
                root,
                ">"
            ]
            .concat()
        );
        assert_eq!(
            write_post_response(&object, "\"e\""),
            [DECLARATION, "<PostResponse>", body, "</PostResponse>"].concat()
        );
        assert!(write_location(Some("eu-west-1")).ends_with("/\">eu-west-1</LocationConstraint>"));
        let created = read_create_bucket(write_create_bucket("eu-west-1").as_bytes()).unwrap();
        assert_eq!((created.region.as_deref(), created.has_more), (Some("eu-west-1"), false));
        assert!(write_location(None).ends_with("/\"></LocationConstraint>"));
        assert!(
            write_copied(&result).contains("<CopyObjectResult ")
                && write_copied_part(&result).contains("<CopyPartResult ")
        );
    }
}
