//! `[jwt]`: the app's own tokens.

use serde_json::Value;

use crate::key_set::KeySet;

use super::{
    buckets::Buckets,
    checked::{JwtConfig, JwtKeys},
    keys, rate_limit,
    raw::{Entry, Table},
    secret::SecretKeys,
};

const SECRET: SecretKeys = SecretKeys { inline: "secret", file: "secret_file" };
/// RFC 7518, section 3.2: a key for HS256 has at least the 256 bits of its hash.
const SECRET_BYTES_MIN: usize = 32;
const KEY_SET_HINT: &str = "name a JSON Web Key Set (RFC 7517) with public keys alone";

/// Reads `[jwt]`.
pub(super) fn read(table: &mut Table<'_>, buckets: &Buckets) -> Option<JwtConfig> {
    let keys = verification_keys(table);
    let issuer = table.text("issuer");
    let audience = table.text("audience");
    let allow = keys::grants(table, buckets);
    let rate_limit = rate_limit::read(table, "rate_limit");
    Some(JwtConfig { keys: keys?, issuer, audience, allow, rate_limit })
}

fn verification_keys(table: &mut Table<'_>) -> Option<JwtKeys> {
    let has_secret = table.has(SECRET.inline) || table.has(SECRET.file);
    let secret = SECRET.read(table);
    let key_set = table.entry("jwks_file");
    match (has_secret, key_set) {
        (true, Some(_)) => {
            table.problem("jwks_file", "a secret is given as well", "leave one of the two out");
            None
        }
        (true, None) => {
            let secret = secret?;
            keys::refuse_weak(table, SECRET.inline, &secret, SECRET_BYTES_MIN);
            Some(JwtKeys::Secret(secret))
        }
        (false, Some(key_set)) => read_key_set(key_set).map(JwtKeys::Jwks),
        (false, None) => {
            table.problem("secret", "is missing", "write secret, secret_file or jwks_file");
            None
        }
    }
}

fn read_key_set(entry: Entry<'_>) -> Option<KeySet> {
    let document = entry.document();
    entry.parsed(KEY_SET_HINT, |path| {
        let text = document.read_file(&document.resolve(path)).map_err(|error| error.to_string())?;
        refuse_private(&text)?;
        KeySet::parse(&text)
    })
}

/// A key set is public. One with private members was exported wrongly, and its text would be shown like any other.
fn refuse_private(text: &str) -> Result<(), &'static str> {
    const PRIVATE_MEMBERS: [&str; 2] = ["d", "k"];
    let set: Value = serde_json::from_str(text).map_err(|_| "is no JSON")?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("has no list of `keys`")?;
    let is_private = |key: &Value| PRIVATE_MEMBERS.iter().any(|member| key.get(member).is_some());
    if keys.iter().any(is_private) { Err("holds a private or secret key") } else { Ok(()) }
}
