//! Every rule, kept and broken.

use super::{super::body::Body, preset::MIB, *};

const JPEG: &[u8] = &[255, 216, 255, 224, 0, 16, 74, 70];
const PNG: &[u8] = &[137, 80, 78, 71, 13, 10, 26, 10];
const EXE: &[u8] = &[77, 90, 144, 0, 3, 0, 0, 0];
const ZIP: &[u8] = &[80, 75, 3, 4, 20, 0, 6, 0];
const TEXT: &[u8] = b"hello wo";

fn file<'a>(name: &'a str, content_type: &'a str, bytes: Option<u64>) -> File<'a> {
    File { name, content_type, bytes, magic: None }
}

fn asked(file: &File<'_>, json: &str) -> Result<(), Code> {
    let body = format!(r#"{{"validation":{json}}}"#);
    let Ok(body) = Body::parse(body.as_bytes(), "s3") else { panic!("{json}") };
    let Some(validation) = body.validation else { panic!("{json}") };
    Asked::parse(&validation).and_then(|asked| asked.check(file)).map_err(|error| error.code)
}

fn magic(content_type: &str, bytes: &[u8]) -> Result<(), Code> {
    let magic = MagicBytes { bytes: bytes.to_vec(), is_malformed: false };
    asked(&File { magic: Some(&magic), ..file("a.bin", content_type, Some(8)) }, r#""any""#)
}

#[test]
fn the_tighter_of_provider_and_bucket_bounds_the_size() {
    let accept = Accept { file_bytes_max: Some(100), ..Accept::default() };
    let check = |bytes, put_max, accept| {
        check_accepted(&file("a", "a/b", bytes), put_max, accept).map_err(|error| error.code)
    };
    assert_eq!(check(Some(100), 1000, Some(&accept)), Ok(()));
    assert_eq!(check(Some(101), 1000, Some(&accept)), Err(Code::FileTooLarge));
    assert_eq!(check(Some(51), 50, Some(&accept)), Err(Code::FileTooLarge));
    assert_eq!(check(None, 1000, Some(&accept)), Err(Code::MissingFields));
    assert_eq!(check(Some(1001), 1000, None), Err(Code::FileTooLarge));
    assert_eq!(check(None, 1000, None), Ok(()));
}

#[test]
fn a_bucket_takes_what_it_accepts() {
    let accept = Accept {
        content_types: vec!["image/*".to_owned(), "application/pdf".to_owned()],
        extensions: vec!["png".to_owned(), "pdf".to_owned()],
        ..Accept::default()
    };
    for (name, content_type, expected) in [
        ("a.png", "image/png", Ok(())),
        ("a.PNG", "IMAGE/PNG; charset=x", Ok(())),
        ("a.pdf", "application/pdf", Ok(())),
        ("a.pdf", "application/pdfx", Err(Code::ValidationFailed)),
        ("a.png", "text/html", Err(Code::ValidationFailed)),
        ("a.exe", "image/png", Err(Code::ValidationFailed)),
        ("png", "image/png", Err(Code::ValidationFailed)),
    ] {
        let result = check_accepted(&file(name, content_type, None), 1000, Some(&accept));
        assert_eq!(result.map_err(|error| error.code), expected, "{name} {content_type}");
    }
}

#[test]
fn presets_and_rules_hold_when_asked_for() {
    let image = file("a.png", "image/png", Some(1000));
    for (json, expected) in [
        (r#""images""#, Ok(())),
        (r#""any""#, Ok(())),
        (r#""videos""#, Err(Code::ValidationFailed)),
        (r#""nonsense""#, Err(Code::InvalidField)),
        ("{}", Ok(())),
        (r#"{"preset":"images","maxSize":1000}"#, Ok(())),
        (r#"{"maxSize":999}"#, Err(Code::FileTooLarge)),
        (r#"{"maxSize":-1}"#, Err(Code::InvalidField)),
        (r#"{"minSize":1001}"#, Err(Code::ValidationFailed)),
        (r#"{"allowedTypes":["image/*"]}"#, Ok(())),
        (r#"{"allowedTypes":[]}"#, Ok(())),
        (r#"{"allowedTypes":["text/plain"]}"#, Err(Code::ValidationFailed)),
        (r#"{"blockedTypes":["image/png"]}"#, Err(Code::ValidationFailed)),
        (r#"{"allowedExtensions":[".PNG"]}"#, Ok(())),
        (r#"{"allowedExtensions":["jpg"]}"#, Err(Code::ValidationFailed)),
        (r#"{"blockedExtensions":["png"]}"#, Err(Code::ValidationFailed)),
    ] {
        assert_eq!(asked(&image, json), expected, "{json}");
    }
    let program = file("a.exe", "application/octet-stream", None);
    assert_eq!(asked(&program, r#""any""#), Err(Code::ValidationFailed));
    assert_eq!(asked(&program, r#"{"blockDangerous":false}"#), Ok(()));
    let huge = file("a.png", "image/png", Some(51 * MIB));
    assert_eq!(asked(&huge, r#""images""#), Err(Code::FileTooLarge));
}

#[test]
fn a_list_of_rules_ends_somewhere() {
    let image = file("a.png", "image/png", Some(1000));
    for field in ["allowedTypes", "blockedTypes", "allowedExtensions", "blockedExtensions"] {
        let entries = |count: usize| vec![r#""png","image/png""#; count / 2].join(",");
        let long = format!(r#"{{"{field}":[{},"x"]}}"#, entries(RULE_ENTRIES_MAX));
        assert_eq!(asked(&image, &long), Err(Code::InvalidField), "{field}");
        let fine = format!(r#"{{"{field}":[{}]}}"#, entries(RULE_ENTRIES_MAX));
        assert_ne!(asked(&image, &fine), Err(Code::InvalidField), "{field}");
    }
}

#[test]
fn first_bytes_must_agree_with_the_type() {
    let failed = Err(Code::ValidationFailed);
    for (content_type, bytes, expected) in [
        ("image/jpeg", JPEG, Ok(())),
        ("image/jpg; q=1", JPEG, Ok(())),
        ("application/octet-stream", JPEG, Ok(())),
        ("image/png", JPEG, failed),
        ("text/plain", PNG, failed),
        ("image/jpeg", TEXT, failed),
        ("text/plain", TEXT, Ok(())),
        ("text/plain", b"hi", Ok(())),
        ("image/jpeg", b"", Ok(())),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ZIP, Ok(())),
        ("image/png", ZIP, failed),
        ("application/octet-stream", EXE, failed),
        ("application/vnd.microsoft.portable-executable", EXE, failed),
    ] {
        assert_eq!(magic(content_type, bytes), expected, "{content_type} {bytes:?}");
    }
}

#[test]
fn what_is_no_byte_fails_only_when_validation_is_asked_for() {
    let magic = MagicBytes { bytes: Vec::new(), is_malformed: true };
    let file = File { magic: Some(&magic), ..file("a", "a/b", None) };
    assert!(check_accepted(&file, 1, None).is_ok());
    assert_eq!(asked(&file, r#""any""#), Err(Code::ValidationFailed));
    assert_eq!(asked(&file, r#"{"checkMagicBytes":false}"#), Ok(()));
}

#[test]
fn every_preset_accepts_its_own_first_extension() {
    for (preset, name, content_type) in [
        ("images", "a.jpg", "image/jpeg"),
        ("documents", "a.pdf", "application/pdf"),
        ("videos", "a.mp4", "video/mp4"),
        ("audio", "a.mp3", "audio/mpeg"),
        ("archives", "a.zip", "application/zip"),
        ("any", "a", "x/y"),
    ] {
        assert_eq!(asked(&file(name, content_type, Some(1)), &format!("{preset:?}")), Ok(()), "{preset}");
    }
}
