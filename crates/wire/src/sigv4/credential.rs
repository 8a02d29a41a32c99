//! An account's credentials: one public half, one or two secret ones.

use secrecy::SecretString;

use crate::names::NameError;

/// The public half of a key pair; it stands in every signed request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccessKeyId(String);

impl AccessKeyId {
    const LENGTH_MAX: usize = 128;

    /// Keeps `text`, which must be 1 to 128 bytes of printable ASCII without spaces.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let is_sound =
            (1..=Self::LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_sound { Ok(Self(text.to_owned())) } else { Err(NameError::AccessKeyId) }
    }

    /// The id as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What signs a request. `Debug` shows the access key id alone; the secrets are wiped from memory on drop.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Who signs.
    pub access_key_id: AccessKeyId,
    /// The secret key.
    pub secret_access_key: SecretString,
    /// The token that goes with temporary credentials.
    pub session_token: Option<SecretString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_id_can_stand_in_a_header() {
        for text in ["AKIAIOSFODNN7EXAMPLE", "minioadmin", "a/b+c=", &"x".repeat(128)] {
            assert_eq!(AccessKeyId::parse(text).as_ref().map(AccessKeyId::as_str), Ok(text));
        }
        for text in ["", "a b", "a\n", "ü", &"x".repeat(129)] {
            assert_eq!(AccessKeyId::parse(text), Err(NameError::AccessKeyId));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = Credentials {
            access_key_id: AccessKeyId(String::from("AKIDEXAMPLE")),
            secret_access_key: "wJalrXUtnFEMI".into(),
            session_token: Some("AQoDYXdzEPT".into()),
        };
        let shown = format!("{credentials:?}");
        assert!(
            shown.contains("AKIDEXAMPLE") && !shown.contains("wJalr") && !shown.contains("AQoD"),
            "{shown}"
        );
    }
}
