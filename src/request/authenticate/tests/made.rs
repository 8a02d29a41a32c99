//! Tokens that callers make, and what becomes of them when their maker's rights change.

use secrecy::ExposeSecret;

use super::*;
use crate::{
    config::checked::{Action, GrantBucket, JwtKeys},
    request::authorize::authorize,
    seal::Sealer,
};

const TIME: Timestamp = Timestamp::from_unix_millis(NOW);

fn sealer() -> Sealer {
    Sealer::new(&[SecretString::from("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")]).unwrap()
}

fn reading() -> Vec<Grant> {
    vec![Grant { bucket: GrantBucket::Any, prefix: String::new(), actions: vec![Action::Read] }]
}

fn users(allow: Vec<Grant>) -> JwtConfig {
    let keys = JwtKeys::Secret("an app's secret that has 32 bytes and more".into());
    JwtConfig { keys, issuer: None, audience: None, allow, rate_limit: None }
}

fn user() -> Identity {
    Identity::User { subject: "ada".into(), allow: reading().into() }
}

/// Whether a page's token and an access token of `maker` still read where `later` lets callers in; all the same for both.
fn still_read(maker: &Identity, later: &Authenticator) -> Result<bool, Code> {
    let (sealer, end) = (sealer(), TIME.plus_seconds(60));
    let page = begin_page(&sealer, maker, reading(), end).unwrap();
    let asked = AskedToken { allow: reading(), object: None, expires_at: end };
    let (access, _) = begin_access(&sealer, maker, asked, TIME).unwrap();
    let [page, access] =
        [later.page(&page, &sealer, TIME), later.access(access.expose_secret(), &sealer, TIME)].map(
            |opened| {
                let identity = opened.and_then(|pending| pending.finish(b"")).map_err(|error| error.code)?;
                assert_eq!(identity.ends_at().map(Timestamp::unix_seconds), Some(end.unix_seconds()));
                Ok(authorize(&identity, Action::Read, "photos", "a").is_ok())
            },
        );
    assert_eq!(page, access);
    page
}

#[test]
fn a_users_token_may_do_what_users_may_by_now() {
    let later = |jwt: Option<&JwtConfig>| authenticator(&[key(KEY, None)], jwt).unwrap();
    assert_eq!(still_read(&user(), &later(Some(&users(reading())))), Ok(true));
    assert_eq!(still_read(&user(), &later(Some(&users(Vec::new())))), Ok(false));
    assert_eq!(still_read(&user(), &later(None)), Err(Code::ExpiredApiKey));
}

#[test]
fn what_this_machine_made_ends_where_callers_are_asked_who_they_are() {
    let later = |keys: &[Arc<KeyConfig>], jwt| authenticator(keys, jwt).unwrap();
    assert_eq!(still_read(&Identity::Loopback, &later(&[], None)), Ok(true));
    assert_eq!(still_read(&Identity::Loopback, &later(&[key(KEY, None)], None)), Err(Code::ExpiredApiKey));
    let jwt = users(reading());
    assert_eq!(still_read(&Identity::Loopback, &later(&[], Some(&jwt))), Err(Code::ExpiredApiKey));
}
