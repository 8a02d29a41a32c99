use secrecy::SecretString;
use wharf_provider::Settings;
use wharf_wire::sigv4::{AccessKeyId, Credentials, payload_sha256};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_millis(1_795_307_826_434);
const DAY_SECONDS: u64 = 24 * 60 * 60;

fn account(id: &str, secret: &str, region: &str) -> Account {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse(id).unwrap(),
        secret_access_key: SecretString::from(secret),
        session_token: None,
    };
    let mut settings = Settings::new(credentials);
    settings.region = Some(region.into());
    settings.endpoint = Some("http://127.0.0.1:9000".into());
    wharf_plugins::PROVIDERS[0].bind(settings).unwrap()
}

/// What tells two derived keys apart: what they sign.
fn signature(key: &SigningKey, now: Timestamp) -> String {
    key.sign(&now.amz_date(), &payload_sha256(b"any request")).expose().to_owned()
}

#[test]
fn a_key_is_derived_once() {
    let keys = SigningKeys::new(10);
    let account = account("ONE", "secret", "us-east-1");
    let first = keys.key(&account, NOW);
    assert!(Arc::ptr_eq(&first, &keys.key(&account, NOW.plus_seconds(60))));
    let derived = SigningKey::derive(account.credentials(), account.scope(NOW));
    assert_eq!(signature(&first, NOW), signature(&derived, NOW));
}

#[test]
fn nobody_gets_the_key_of_another_secret_id_region_or_day() {
    let keys = SigningKeys::new(100);
    let tomorrow = NOW.plus_seconds(DAY_SECONDS);
    let asked = [
        (account("ONE", "secret", "us-east-1"), NOW),
        (account("ONE", "secreT", "us-east-1"), NOW),
        (account("TWO", "secret", "us-east-1"), NOW),
        (account("ONEs", "ecret", "us-east-1"), NOW),
        (account("ONE", "secret", "eu-west-1"), NOW),
        (account("ONE", "secret", "us-east-1"), tomorrow),
    ];
    for _ in 0..2 {
        for (account, now) in &asked {
            let derived = SigningKey::derive(account.credentials(), account.scope(*now));
            let cached = keys.key(account, *now);
            assert_eq!(cached.scope().as_str(), derived.scope().as_str());
            assert_eq!(signature(&cached, *now), signature(&derived, *now));
        }
    }
    assert_eq!(keys.keys.len(), asked.len());
}

#[test]
fn a_flood_of_callers_is_bounded_and_spares_keys_in_use() {
    let keys = SigningKeys::new(50);
    let configured = account("CONFIGURED", "secret", "us-east-1");
    let first = keys.key(&configured, NOW);
    for number in 0..500 {
        keys.key(&account(&format!("CALLER{number}"), "secret", "us-east-1"), NOW);
        assert!(Arc::ptr_eq(&first, &keys.key(&configured, NOW)), "after {number} callers");
        assert!(keys.keys.len() <= 50);
    }
}

#[test]
fn keys_that_are_all_in_use_are_bounded_too() {
    let keys = SigningKeys::new(50);
    for number in 0..200 {
        let caller = account(&format!("CALLER{number}"), "secret", "us-east-1");
        keys.key(&caller, NOW);
        keys.key(&caller, NOW);
        assert!(keys.keys.len() <= 50);
    }
}

#[test]
fn yesterdays_keys_are_the_first_to_go() {
    let keys = SigningKeys::new(4);
    let [one, two] = ["ONE", "TWO"].map(|id| account(id, "secret", "us-east-1"));
    let tomorrow = NOW.plus_seconds(DAY_SECONDS);
    for now in [NOW, tomorrow] {
        for account in [&one, &two] {
            keys.key(account, now);
            keys.key(account, now);
        }
    }
    let kept = keys.key(&one, tomorrow);
    keys.key(&account("THREE", "secret", "us-east-1"), tomorrow);
    assert!(Arc::ptr_eq(&kept, &keys.key(&one, tomorrow)));
    assert!(keys.keys.iter().all(|cached| cached.day == day(tomorrow)));
}

#[test]
fn debug_shows_no_key() {
    let keys = SigningKeys::new(4);
    keys.key(&account("ONE", "secret", "us-east-1"), NOW);
    assert_eq!(format!("{keys:?}"), "SigningKeys { keys: 1, .. }");
}
