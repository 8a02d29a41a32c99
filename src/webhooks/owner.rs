//! Whose a webhook is: the key or the user that made it sees it, and nobody else does.

use sha2::{Digest, Sha256};
use wharf_wire::date::Timestamp;

use crate::{
    config::{
        Config,
        checked::{Action, KeyConfig},
    },
    error::{Code, Error},
    request::{authenticate::Identity, authorize::authorize},
};

const KEY: &str = "key:";
const USER: &str = "user:";
const LOOPBACK: &str = "loopback";

/// The name of an owner, as it is stored. A key without a secret is one itself, so that keys are named by their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner(String);

impl Owner {
    /// Who `identity` is. The bearer of a token owns nothing: it would be its maker's, and outlive the token.
    pub(super) fn of(identity: &Identity) -> Result<Self, Error> {
        match identity {
            Identity::Key(key) => Ok(Self(key_name(key))),
            Identity::User { subject, .. } => Ok(Self([USER, subject].concat())),
            Identity::Loopback => Ok(Self(LOOPBACK.to_owned())),
            Identity::Session(_) => {
                let message = "An access token makes no webhooks.";
                Err(Error::new(Code::AccessDenied, message).hint("Use the key that it was made with."))
            }
        }
    }

    /// The one that is stored as `name`.
    pub(super) fn stored(name: String) -> Self {
        Self(name)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the owner may know by now that there is such a key: rights can be taken away, and keys as well.
    pub(super) fn may_know(&self, config: &Config, now: Timestamp, (bucket, key): (&str, &str)) -> bool {
        self.identity(config, now)
            .is_some_and(|identity| authorize(&identity, Action::List, bucket, key).is_ok())
    }

    fn identity(&self, config: &Config, now: Timestamp) -> Option<Identity> {
        if self.0.starts_with(KEY) {
            let key = config.keys.iter().find(|key| key_name(key) == self.0)?;
            let is_good = key.expires_at.is_none_or(|end| now < end);
            return is_good.then(|| Identity::Key(key.clone()));
        }
        if let Some(subject) = self.0.strip_prefix(USER) {
            let allow = config.jwt.as_ref()?.allow.as_slice().into();
            return Some(Identity::User { subject: subject.to_owned(), allow });
        }
        (config.keys.is_empty() && config.jwt.is_none()).then_some(Identity::Loopback)
    }
}

fn key_name(key: &KeyConfig) -> String {
    [KEY, &hex::encode(Sha256::digest(&key.id))].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, from_toml_text};

    const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

    fn config(keys: &str) -> Config {
        from_toml_text(keys, &Environment::default()).unwrap()
    }

    fn owner(config: &Config) -> Owner {
        Owner::of(&Identity::Key(config.keys[0].clone())).unwrap()
    }

    const LISTS: &str = r#"[[keys]]
id = "0123456789abcdef"
allow = [{ bucket = "*", prefix = "in/", actions = ["list"] }]
"#;

    #[test]
    fn what_a_key_may_know_is_what_it_may_do_now() {
        let before = config(LISTS);
        let owner = owner(&before);
        assert!(!owner.as_str().contains("0123456789abcdef"));
        assert!(owner.may_know(&before, NOW, ("photos", "in/a")));
        assert!(!owner.may_know(&before, NOW, ("photos", "out/a")));
        for after in [
            LISTS.replace("list", "read"),
            LISTS.replace("0123456789abcdef", "fedcba9876543210"),
            LISTS.replace("allow", "expires_at = \"2020-01-01T00:00:00Z\"\nallow"),
            String::new(),
        ] {
            assert!(!owner.may_know(&config(&after), NOW, ("photos", "in/a")), "{after}");
        }
    }

    #[test]
    fn without_keys_this_machine_is_the_owner() {
        let owner = Owner::of(&Identity::Loopback).unwrap();
        assert!(owner.may_know(&config(""), NOW, ("photos", "a")));
        assert!(!owner.may_know(&config(LISTS), NOW, ("photos", "in/a")));
        let user = Identity::User { subject: "ann".to_owned(), allow: [].into() };
        assert!(
            !Owner::of(&user).unwrap().may_know(&config(""), NOW, ("photos", "a")),
            "tokens are not taken"
        );
    }
}
