//! What a provider tells of its buckets by itself: notifications of objects that came without Wharf.
//!
//! Nobody believes more of one than that a key may have changed: what it is now, its store says.

use serde::Deserialize;
use thiserror::Error;
use wharf_wire::encode;

/// An object that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The bucket, as the provider calls it.
    pub bucket: String,
    /// The object's key there, decoded.
    pub key: String,
    /// What became of it.
    pub change: EventChange,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventChange {
    /// It was written, or what is kept beside it was.
    Written,
    /// It was deleted, or expired.
    Removed,
}

/// A notification that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is no notification of objects that this provider sends")]
pub struct NoEvent;

/// Amazon S3's notification messages (Amazon S3 User Guide, "Event message structure"), which other stores send as well,
/// and its events as `EventBridge` delivers them (in the same guide).
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Records {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    Bridge {
        #[serde(rename = "detail-type")]
        detail_type: String,
        detail: Detail,
    },
    /// What S3 sends when notifications are switched on.
    Test {
        #[serde(rename = "Event")]
        event: String,
    },
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    event_name: String,
    s3: Detail,
}

#[derive(Deserialize)]
struct Detail {
    bucket: Named,
    object: Object,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// Reads one of S3's own messages.
///
/// ```
/// use wharf_provider::event::{EventChange, read};
///
/// let message = br#"{"Records":[{"eventName":"ObjectCreated:Put",
///     "s3":{"bucket":{"name":"photos"},"object":{"key":"a+b%2Fc"}}}]}"#;
/// let [event] = read(message).unwrap().try_into().unwrap();
/// assert_eq!((event.bucket.as_str(), event.key.as_str()), ("photos", "a b/c"));
/// assert_eq!(event.change, EventChange::Written);
/// ```
pub fn read(message: &[u8]) -> Result<Vec<Event>, NoEvent> {
    match serde_json::from_slice(message).map_err(|_| NoEvent)? {
        Message::Records { records } => records.into_iter().map(Record::event).collect(),
        Message::Bridge { detail_type, detail } => {
            let change = change(&detail_type.replace("Object ", "Object"));
            // EventBridge has the key as it is.
            Ok(vec![Event { bucket: detail.bucket.name, key: detail.object.key, change }])
        }
        Message::Test { event } if event == "s3:TestEvent" => Ok(Vec::new()),
        Message::Test { .. } => Err(NoEvent),
    }
}

impl Record {
    /// In a record the key is encoded as forms are: a space is a plus.
    fn event(self) -> Result<Event, NoEvent> {
        let key = String::from_utf8(encode::decode_query(&self.s3.object.key).into_owned());
        Ok(Event {
            bucket: self.s3.bucket.name,
            key: key.map_err(|_| NoEvent)?,
            change: change(self.event_name.trim_start_matches("s3:")),
        })
    }
}

/// `ObjectRemoved:Delete`, `LifecycleExpiration:Delete`, `ObjectDeleted`: everything else wrote something.
fn change(name: &str) -> EventChange {
    let removed = ["ObjectRemoved", "ObjectDeleted", "LifecycleExpiration"];
    if removed.iter().any(|start| name.starts_with(start)) {
        EventChange::Removed
    } else {
        EventChange::Written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> Event {
        let [event] = read(message.as_bytes()).unwrap().try_into().unwrap();
        event
    }

    #[test]
    fn records_of_other_stores_have_a_prefix_and_more_fields() {
        let message = r#"{"EventName":"s3:ObjectRemoved:Delete","Key":"photos/a","Records":[{"eventVersion":"2.0",
            "eventName":"s3:ObjectRemoved:Delete","s3":{"s3SchemaVersion":"1.0","bucket":{"name":"photos","arn":"x"},
            "object":{"key":"f%C3%BC.txt","sequencer":"1"}}}]}"#;
        let removed = Event { bucket: "photos".into(), key: "fü.txt".into(), change: EventChange::Removed };
        assert_eq!(event(message), removed);
    }

    #[test]
    fn a_bridge_tells_keys_as_they_are() {
        for (kind, change) in [
            ("Object Created", EventChange::Written),
            ("Object Deleted", EventChange::Removed),
            ("Object Tags Added", EventChange::Written),
        ] {
            let message = format!(
                r#"{{"version":"0","detail-type":"{kind}","source":"aws.s3","detail":{{"bucket":{{"name":"b"}},
                "object":{{"key":"a+b%2F","size":5}}}}}}"#
            );
            assert_eq!(event(&message), Event { bucket: "b".into(), key: "a+b%2F".into(), change });
        }
    }

    #[test]
    fn a_test_is_no_event_and_nothing_else_is_taken_for_one() {
        let test = br#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
        assert_eq!(read(test), Ok(Vec::new()));
        for message in [
            "",
            "[]",
            "{}",
            r#"{"Event":"other"}"#,
            r#"{"Records":[{"eventName":"ObjectCreated:Put"}]}"#,
            r#"{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"%FF"}}}]}"#,
        ] {
            assert_eq!(read(message.as_bytes()), Err(NoEvent), "{message}");
        }
    }
}
