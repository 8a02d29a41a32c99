//! Forms that are signed here: what is made is what the reader lets in, and nothing else.

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use crate::{
    date::Timestamp,
    names::Region,
    s3::ErrorCode,
    sigv4::{AccessKeyId, Credentials, Scope, SigningKey},
};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_millis(1_451_347_200_000);

const INPUT: FormInput<'static> = FormInput {
    bucket: "photos",
    key: Match::Exactly("in/a.png"),
    content_type: Match::Exactly("image/png"),
    fields: &[("x-amz-meta-author", "Zoë"), ("success_action_status", "201")],
    file_bytes: (1, 1000),
    expires_seconds: 60,
    now: NOW,
};

fn credentials(session_token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: session_token.map(Into::into),
    }
}

fn key(at: Timestamp) -> SigningKey {
    SigningKey::derive(&credentials(None), Scope::s3(at.amz_date(), &Region::us_east_1()))
}

/// The fields of `input`, as a browser would post them with a file of this name.
fn posted(input: &FormInput<'_>, file_name: &str) -> Form {
    let signed = sign(input, &credentials(Some("token/+=")), &key(NOW)).unwrap();
    let fields: Vec<_> =
        signed.expose().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form(&fields, file_name)
}

/// What the store says of `form`, and of a file of as many bytes.
fn judge(form: &Form, bucket: &str, bytes: u64, now: Timestamp) -> Result<(), ErrorCode> {
    let claim = Claim::parse(form).map_err(|error| error.code())?.expect("it is signed");
    let policy = claim.verify(&key(NOW)).map_err(|error| error.code())?;
    policy.check(form, bucket, now).and_then(|()| policy.check_length(bytes)).map_err(|error| error.code())
}

/// The same form with another value in one field.
fn with(form: &Form, name: &str, value: &str) -> Form {
    let fields = form.fields().filter(|(other, _)| *other != name).chain([(name, value)]);
    super::form(&fields.collect::<Vec<_>>(), &form.file_name)
}

#[test]
fn what_is_made_is_let_in_until_it_ends() {
    let form = posted(&INPUT, "other.png");
    assert_eq!(form.field("key"), Some("in/a.png"));
    assert_eq!(form.field("x-amz-security-token"), Some("token/+="));
    assert_eq!(judge(&form, "photos", 1000, NOW.plus_seconds(60)), Ok(()));
    assert_eq!(judge(&form, "photos", 1000, NOW.plus_seconds(61)), Err(ErrorCode::AccessDenied));
    assert_eq!(judge(&form, "films", 1000, NOW), Err(ErrorCode::AccessDenied));
    assert_eq!(judge(&form, "photos", 0, NOW), Err(ErrorCode::EntityTooSmall));
    assert_eq!(judge(&form, "photos", 1001, NOW), Err(ErrorCode::EntityTooLarge));
}

#[test]
fn nothing_in_it_can_be_changed_or_added() {
    let form = posted(&INPUT, "a.png");
    for (name, _) in form.fields() {
        let changed = with(&form, name, "changed");
        assert!(judge(&changed, "photos", 10, NOW).is_err(), "{name}");
    }
    for name in ["acl", "x-amz-meta-more", "x-amz-storage-class", "success_action_redirect"] {
        assert_eq!(judge(&with(&form, name, "x"), "photos", 10, NOW), Err(ErrorCode::AccessDenied), "{name}");
    }
}

#[test]
fn a_beginning_leaves_the_rest_to_who_posts() {
    let input =
        FormInput { key: Match::StartsWith("in/upl_"), content_type: Match::StartsWith("image/"), ..INPUT };
    let form = with(&posted(&input, "../cat (1).png"), "content-type", "image/webp");
    assert_eq!(form.field("key"), Some("in/upl_cat (1).png"));
    assert_eq!(judge(&form, "photos", 10, NOW), Ok(()));
    assert_eq!(
        judge(&with(&form, "content-type", "text/html"), "photos", 10, NOW),
        Err(ErrorCode::AccessDenied)
    );
    assert_eq!(judge(&with(&form, "key", "out/a"), "photos", 10, NOW), Err(ErrorCode::AccessDenied));
    assert_eq!(
        judge(&posted(&input, "a"), "photos", 10, NOW),
        Err(ErrorCode::AccessDenied),
        "no type at all"
    );
}

#[test]
fn what_no_store_would_take_is_not_signed() {
    let refused = |input: FormInput<'_>| sign(&input, &credentials(None), &key(NOW)).map(drop).unwrap_err();
    for expires_seconds in [0, 604_801] {
        assert_eq!(refused(FormInput { expires_seconds, ..INPUT }), FormSignError::Expires);
    }
    assert_eq!(refused(FormInput { now: NOW.plus_seconds(86_400), ..INPUT }), FormSignError::KeyDay);
    for key in [Match::Exactly("a${filename}"), Match::StartsWith("${filename}/")] {
        assert_eq!(refused(FormInput { key, ..INPUT }), FormSignError::FileNameInKey);
    }
    assert_eq!(refused(FormInput { file_bytes: (2, 1), ..INPUT }), FormSignError::NoSize);
    for fields in [&[("policy", "")], &[("key", "b")], &[("file", "")], &[("Acl", "private")]] {
        assert_eq!(refused(FormInput { fields, ..INPUT }), FormSignError::Field);
    }
    let twice = [("acl", "private"), ("acl", "public-read")];
    assert_eq!(refused(FormInput { fields: &twice, ..INPUT }), FormSignError::Field);
    let names: Vec<String> = (0..FIELDS_MAX).map(|number| format!("x-amz-meta-{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(refused(FormInput { fields: &many, ..INPUT }), FormSignError::TooManyFields);
    let signed = sign(&INPUT, &credentials(None), &key(NOW)).unwrap();
    let shown = format!("{signed:?}");
    assert!(shown.contains("x-amz-signature") && !shown.contains("AKIA"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_made_is_let_in(
        key in any::<String>(), content_type in any::<String>(), value in any::<String>(),
        bytes in any::<u64>(), min in any::<u64>(), seconds in 1..604_800_u32,
    ) {
        let fields = [("x-amz-meta-a", value.as_str())];
        let input = FormInput {
            key: Match::Exactly(&key),
            content_type: Match::Exactly(&content_type),
            fields: &fields,
            file_bytes: (min, u64::MAX),
            expires_seconds: seconds,
            ..INPUT
        };
        if key.contains("${filename}") {
            return Ok(());
        }
        let form = posted(&input, "a.png");
        prop_assert_eq!(form.field("key"), Some(key.as_str()));
        let end = NOW.plus_seconds(u64::from(seconds));
        prop_assert_eq!(judge(&form, "photos", bytes, end), if bytes < min { Err(ErrorCode::EntityTooSmall) } else { Ok(()) });
        prop_assert!(judge(&with(&form, "key", &[&key, "x"].concat()), "photos", bytes.max(min), NOW).is_err());
    }
}
