//! A topic cannot be had here: the messages were signed with a key made for them, as the guide says.

use super::*;

const CERTIFICATE: &str = include_str!("certificate.pem");
const NOTIFICATION: &str = include_str!("notification.json");
const SUBSCRIPTION: &str = include_str!("subscription.json");
/// A minute after both messages.
const NOW: Timestamp = Timestamp::from_unix_millis(1_716_579_464_379);

fn topic() -> Topic {
    Topic::parse("arn:aws:sns:eu-west-1:123456789012:uploads").unwrap()
}

fn message(text: &str) -> Post {
    serde_json::from_str(text).unwrap()
}

#[test]
fn both_kinds_of_messages_are_verified() {
    for text in [NOTIFICATION, SUBSCRIPTION] {
        let message = message(text);
        message.check(&topic(), NOW).unwrap();
        message.verify(CERTIFICATE.as_bytes()).unwrap();
    }
}

#[test]
fn every_signed_field_counts() {
    for (text, old, new) in [
        (NOTIFICATION, "a+b.png", "a+c.png"),
        (NOTIFICATION, "22b80b92", "22b80b93"),
        (NOTIFICATION, "Amazon S3 Notification", "Amazon S3"),
        (NOTIFICATION, "19:36:44", "19:36:45"),
        (SUBSCRIPTION, "ConfirmSubscription", "Unsubscribe"),
        (SUBSCRIPTION, "\"Token\": \"2336", "\"Token\": \"2337"),
        (SUBSCRIPTION, "SubscriptionConfirmation", "Notification"),
    ] {
        assert!(text.contains(old), "{old}");
        let message = message(&text.replace(old, new));
        assert_eq!(message.verify(CERTIFICATE.as_bytes()).unwrap_err().code, Code::InvalidApiKey, "{new}");
    }
    assert!(message(NOTIFICATION).verify(b"no certificate").is_err());
}

#[test]
fn only_the_topics_own_host_is_asked_for_a_certificate() {
    let path = "/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem";
    let good = ["https://sns.eu-west-1.amazonaws.com", path].concat();
    for host in [
        "http://sns.eu-west-1.amazonaws.com",
        "https://sns.us-east-1.amazonaws.com",
        "https://sns.eu-west-1.amazonaws.com.evil.example",
        "https://sns.eu-west-1.amazonaws.com@evil.example",
        "https://evil.example/sns.eu-west-1.amazonaws.com",
        "https://sns.eu-west-1.amazonaws.com:8443",
    ] {
        let message = message(&NOTIFICATION.replace(&good, &[host, path].concat()));
        assert_eq!(message.check(&topic(), NOW).unwrap_err().code, Code::InvalidApiKey, "{host}");
    }
    for other in [
        "/?Action=Anything&a=/SimpleNotificationService-a.pem",
        "/anything/SimpleNotificationService-a.pem",
        "/SimpleNotificationService-a.txt?.pem",
        "/SimpleNotificationService-a%2f..%2fb.pem",
        "/SimpleNotificationService-.pem",
    ] {
        let message = message(&NOTIFICATION.replace(path, other));
        assert_eq!(message.check(&topic(), NOW).unwrap_err().code, Code::InvalidApiKey, "{other}");
    }
    let other = message(&NOTIFICATION.replace(&good, "https://sns.eu-west-1.amazonaws.com/other.pem"));
    assert!(other.check(&topic(), NOW).is_err());
}

#[test]
fn another_topic_another_day_and_an_older_signature_are_refused() {
    let notification = message(NOTIFICATION);
    let other = Topic::parse("arn:aws:sns:eu-west-1:123456789012:others").unwrap();
    assert!(notification.check(&other, NOW).is_err());
    assert!(notification.check(&topic(), NOW.plus_seconds(2 * AGE_SECONDS_MAX)).is_err());
    let first = message(&NOTIFICATION.replace("\"SignatureVersion\": \"2\"", "\"SignatureVersion\": \"1\""));
    assert!(first.check(&topic(), NOW).is_err());
}
