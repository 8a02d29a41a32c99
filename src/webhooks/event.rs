//! What is told: the events that Wharf knows of, and the document that is posted for one.

use serde::Serialize;
use serde_json::value::RawValue;
use wharf_wire::date::Timestamp;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventName {
    /// It is there, whole: Wharf stored it, or has seen it at its provider.
    UploadCompleted,
    /// It was deleted through Wharf.
    ObjectDeleted,
}

impl EventName {
    /// Every event.
    pub const ALL: [Self; 2] = [Self::UploadCompleted, Self::ObjectDeleted];

    /// The name that receivers see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UploadCompleted => "upload.completed",
            Self::ObjectDeleted => "object.deleted",
        }
    }

    /// The event called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }
}

/// What is known of an object. What is not is told as `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its size.
    pub bytes: Option<u64>,
    /// Its type.
    pub content_type: Option<String>,
    /// Its `ETag`, as the provider writes it.
    pub etag: Option<String>,
    /// When it was stored.
    pub last_modified: Option<String>,
}

/// The document of one delivery, in the published clients' words.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    /// The delivery's id, the same in every attempt: by it a receiver knows what it has already.
    pub(super) id: &'a str,
    pub(super) event: &'static str,
    pub(super) webhook_id: &'a str,
    pub(super) timestamp: String,
    pub(super) file: File<'a>,
    pub(super) provider: &'a str,
    pub(super) bucket: &'a str,
    pub(super) metadata: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File<'a> {
    url: Option<&'a str>,
    filename: &'a str,
    key: &'a str,
    size: Option<u64>,
    content_type: Option<&'a str>,
    etag: Option<&'a str>,
    last_modified: Option<&'a str>,
}

impl<'a> File<'a> {
    /// The object `key`, of which `facts` are known. Without a name it is called by the last part of its key.
    pub(super) fn new(key: &'a str, facts: &'a Facts) -> Self {
        Self {
            url: None,
            filename: key.rsplit('/').next().unwrap_or(key),
            key,
            size: facts.bytes,
            content_type: facts.content_type.as_deref(),
            etag: facts.etag.as_deref(),
            last_modified: facts.last_modified.as_deref(),
        }
    }

    /// The same under the name that its uploader gave it, and with its own address.
    pub(super) fn named(self, filename: &'a str, url: &'a str) -> Self {
        Self { filename, url: Some(url), ..self }
    }
}

impl Document<'_> {
    /// As it is posted. A struct of text and numbers always has its JSON form.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A time as receivers read it.
pub(super) fn shown(time: Timestamp) -> String {
    time.rfc3339()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for event in EventName::ALL {
            assert_eq!(EventName::parse(event.as_str()), Some(event));
        }
        assert_eq!(EventName::parse("Upload.Completed"), None);
    }

    #[test]
    fn the_document_has_the_published_fields() {
        let facts = Facts { bytes: Some(5), etag: Some("\"e\"".to_owned()), ..Facts::default() };
        let metadata = RawValue::from_string(r#"{"order":1}"#.to_owned()).unwrap();
        let document = Document {
            id: "d",
            event: EventName::UploadCompleted.as_str(),
            webhook_id: "w",
            timestamp: shown(Timestamp::from_unix_millis(1_795_307_826_434)),
            file: File::new("in/a.txt", &facts),
            provider: "s3",
            bucket: "photos",
            metadata: Some(&metadata),
        };
        let read: Value = serde_json::from_str(&document.to_text()).unwrap();
        assert_eq!(
            read,
            json!({
                "id": "d", "event": "upload.completed", "webhookId": "w", "timestamp": "2026-11-22T00:37:06.434Z",
                "file": {
                    "url": null, "filename": "a.txt", "key": "in/a.txt", "size": 5, "contentType": null,
                    "etag": "\"e\"", "lastModified": null,
                },
                "provider": "s3", "bucket": "photos", "metadata": { "order": 1 },
            })
        );
        let File { filename, url, .. } = File::new("a", &facts).named("My a.txt", "https://a.example/a");
        assert_eq!((filename, url), ("My a.txt", Some("https://a.example/a")));
    }
}
