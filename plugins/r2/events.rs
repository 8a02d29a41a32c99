//! R2's event notifications go to a queue, in a form of their own
//! (<https://developers.cloudflare.com/r2/buckets/event-notifications/>). The Worker that consumes the queue posts them on: one
//! message's body, or a list of them.

use serde::Deserialize;
use wharf_provider::event::{Event, EventChange, NoEvent};

#[derive(Deserialize)]
#[serde(untagged)]
enum Messages {
    Several(Vec<Message>),
    One(Message),
}

#[derive(Deserialize)]
struct Message {
    action: String,
    bucket: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// Reads one message, or several.
pub(super) fn read(text: &[u8]) -> Result<Vec<Event>, NoEvent> {
    let messages = match serde_json::from_slice(text).map_err(|_| NoEvent)? {
        Messages::Several(messages) => messages,
        Messages::One(message) => vec![message],
    };
    Ok(messages.into_iter().map(event).collect())
}

fn event(message: Message) -> Event {
    let change = match message.action.as_str() {
        "DeleteObject" | "LifecycleDeletion" => EventChange::Removed,
        _ => EventChange::Written,
    };
    Event { bucket: message.bucket, key: message.object.key, change }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_and_several_are_read() {
        let put = r#"{"account":"3f4b","action":"PutObject","bucket":"photos","object":{"key":"a b+c.png","size":65536,
            "eTag":"c846ff"},"eventTime":"2024-05-24T19:36:44.379Z"}"#;
        let delete = put.replace("PutObject", "DeleteObject");
        let written =
            Event { bucket: "photos".into(), key: "a b+c.png".into(), change: EventChange::Written };
        let removed = Event { change: EventChange::Removed, ..written.clone() };
        assert_eq!(read(put.as_bytes()), Ok(vec![written.clone()]));
        assert_eq!(read(format!("[{put},{delete}]").as_bytes()), Ok(vec![written, removed]));
        assert_eq!(read(b"[]"), Ok(Vec::new()));
        assert_eq!(read(br#"{"Records":[]}"#), Err(NoEvent));
    }
}
