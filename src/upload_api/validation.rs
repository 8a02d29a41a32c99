//! What a file must be: within the provider's and the bucket's bounds always, and by the caller's own rules where the
//! request asks for them.
//!
//! Wharf never sees the file, only what the client says of it. So this refuses honest mistakes early and cheap lies
//! (an executable with an image's name); it is no virus scanner.

use crate::{
    config::checked::Accept,
    error::{Code, Error},
};

use super::{
    body::{MagicBytes, Number, Rules, Text, Validation},
    file_name,
};

/// A file as its client describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    /// The sanitised name wherever the file is checked: what sanitising drops must not hide an extension that the
    /// object's key will have.
    pub(super) name: &'a str,
    pub(super) content_type: &'a str,
    pub(super) bytes: Option<u64>,
    pub(super) magic: Option<&'a MagicBytes>,
}

/// Bytes of the largest file that may be stored with one PUT.
pub(super) fn file_bytes_max(put_bytes_max: u64, accept: Option<&Accept>) -> u64 {
    let accepted = accept.and_then(|accept| accept.file_bytes_max).unwrap_or(u64::MAX);
    put_bytes_max.min(accepted)
}

/// What holds whether or not validation is asked for: the size, and what the bucket accepts.
pub(super) fn check_accepted(
    file: &File<'_>,
    put_bytes_max: u64,
    accept: Option<&Accept>,
) -> Result<(), Error> {
    check_size_max(file, file_bytes_max(put_bytes_max, accept))?;
    let Some(accept) = accept else { return Ok(()) };
    if accept.file_bytes_max.is_some() && file.bytes.is_none() {
        return Err(Error::new(
            Code::MissingFields,
            "Missing: `fileSize`; the bucket bounds the size of files.",
        ));
    }
    if !accept.content_types.is_empty() {
        let is_accepted = accept.content_types.iter().any(|pattern| matches_type(pattern, file.content_type));
        refuse_unless(is_accepted, || {
            failed("The bucket does not take files of this type.").options(accept.content_types.clone())
        })?;
    }
    if !accept.extensions.is_empty() {
        let extension = file_name::extension(file.name);
        refuse_unless(accept.extensions.contains(&extension), || {
            failed("The bucket does not take files with this extension.").options(accept.extensions.clone())
        })?;
    }
    Ok(())
}

/// Entries of one list of rules: each is compared with every file of a batch.
const RULE_ENTRIES_MAX: usize = 256;

/// The caller's own rules, which run because the request asked for them. They can be followed, whatever the files are.
pub(super) struct Asked<'a> {
    preset: &'static Preset,
    rules: Option<&'a Rules<'a>>,
    bytes_max: u64,
    bytes_min: u64,
    blocks_dangerous: bool,
    checks_magic: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn parse(validation: &'a Validation<'a>) -> Result<Self, Error> {
        let (preset, rules) = match validation {
            Validation::Preset(name) => (Some(name), None),
            Validation::Rules(rules) => (rules.preset.as_ref(), Some(rules.as_ref())),
        };
        let preset = preset.map(|name| Preset::find(name.as_str())).transpose()?;
        rules.map_or(Ok(()), check_lists)?;
        Ok(Self {
            preset: preset.unwrap_or(&Preset::ANY),
            rules,
            bytes_max: size_rule(rules.and_then(|rules| rules.max_size), "maxSize")?.unwrap_or(u64::MAX),
            bytes_min: size_rule(rules.and_then(|rules| rules.min_size), "minSize")?.unwrap_or(0),
            blocks_dangerous: rules.and_then(|rules| rules.block_dangerous).unwrap_or(true),
            checks_magic: rules.and_then(|rules| rules.check_magic_bytes).unwrap_or(true),
        })
    }

    pub(super) fn check(&self, file: &File<'_>) -> Result<(), Error> {
        check_size_max(file, self.bytes_max)?;
        refuse_unless(file.bytes.is_none_or(|bytes| bytes >= self.bytes_min), || {
            failed("The file is smaller than `minSize`.")
        })?;
        self.rules.map_or(Ok(()), |rules| check_rules(file, rules))?;
        self.check_preset(file)
    }

    fn check_preset(&self, file: &File<'_>) -> Result<(), Error> {
        let preset = self.preset;
        check_size_max(file, preset.bytes_max)?;
        let extension = file_name::extension(file.name);
        let is_known_type = preset.types.is_empty()
            || preset.types.iter().any(|pattern| matches_type(pattern, file.content_type));
        let is_known_extension =
            preset.extensions.is_empty() || preset.extensions.contains(&extension.as_str());
        refuse_unless(is_known_type && is_known_extension, || {
            failed("The file's type and extension are not among those of the preset.")
                .options(preset.types.iter().copied())
        })?;
        let is_dangerous = DANGEROUS_EXTENSIONS.contains(&extension.as_str());
        refuse_unless(!(self.blocks_dangerous && is_dangerous), || {
            failed("Files with this extension can be run, so validation blocks them.")
        })?;
        match file.magic {
            Some(magic) if self.checks_magic => check_magic(file.content_type, magic, self.blocks_dangerous),
            Some(_) | None => Ok(()),
        }
    }
}

fn check_lists(rules: &Rules<'_>) -> Result<(), Error> {
    let lists = [
        ("allowedTypes", &rules.allowed_types),
        ("blockedTypes", &rules.blocked_types),
        ("allowedExtensions", &rules.allowed_extensions),
        ("blockedExtensions", &rules.blocked_extensions),
    ];
    let too_long =
        lists.iter().find(|(_, list)| list.as_ref().is_some_and(|list| list.len() > RULE_ENTRIES_MAX));
    too_long.map_or(Ok(()), |(field, _)| {
        let message = format!("`validation.{field}` must have at most {RULE_ENTRIES_MAX} entries.");
        Err(Error::new(Code::InvalidField, message))
    })
}

fn check_rules(file: &File<'_>, rules: &Rules<'_>) -> Result<(), Error> {
    let any_type = |patterns: &Vec<Text<'_>>| {
        patterns.iter().any(|pattern| matches_type(pattern.as_str(), file.content_type))
    };
    let extension = file_name::extension(file.name);
    let any_extension = |patterns: &Vec<Text<'_>>| {
        patterns.iter().any(|pattern| pattern.as_str().trim_start_matches('.').to_lowercase() == extension)
    };
    let is_given = |patterns: &&Vec<Text<'_>>| !patterns.is_empty();
    let is_allowed = rules.allowed_types.as_ref().filter(is_given).is_none_or(any_type)
        && rules.allowed_extensions.as_ref().filter(is_given).is_none_or(any_extension);
    refuse_unless(is_allowed, || failed("`allowedTypes` and `allowedExtensions` do not allow this file."))?;
    let is_blocked = rules.blocked_types.as_ref().is_some_and(any_type)
        || rules.blocked_extensions.as_ref().is_some_and(any_extension);
    refuse_unless(!is_blocked, || failed("`blockedTypes` or `blockedExtensions` block this file."))
}

fn size_rule(rule: Option<Number>, field: &str) -> Result<Option<u64>, Error> {
    let Some(number) = rule else { return Ok(None) };
    let bytes = number.whole();
    bytes.map(Some).ok_or_else(|| {
        Error::new(Code::InvalidField, format!("`validation.{field}` must be a whole number of bytes."))
    })
}

/// Compares the type that the client names with the one that the first bytes show.
fn check_magic(content_type: &str, magic: &MagicBytes, blocks_dangerous: bool) -> Result<(), Error> {
    refuse_unless(!magic.is_malformed, || {
        failed("`magicBytes` holds more than bytes, or too many of them.")
    })?;
    let declared = canonical_type(content_type);
    let Some(detected) = infer::get(&magic.bytes).map(|kind| canonical_type(kind.mime_type())) else {
        let is_absent = magic.bytes.len() >= SHORT_BYTES && SHORT_SIGNATURES.contains(&declared.as_str());
        return refuse_unless(!is_absent, || {
            failed(format!("The file does not begin as {declared} begins.")).options([declared.as_str()])
        });
    };
    refuse_unless(!(blocks_dangerous && EXECUTABLES.contains(&detected.as_str())), || {
        failed("The file begins as a program begins.")
    })?;
    refuse_unless(agrees(&declared, &detected), || {
        failed(format!("The file is declared as one type and begins as another, {detected}."))
    })
}

/// Whether a file declared as one type may begin as another: many types are containers of one kind.
fn agrees(declared: &str, detected: &str) -> bool {
    let is_family = |(outer, inner): &(&str, &[&str])| {
        *outer == detected && inner.iter().any(|start| declared.starts_with(start))
    };
    declared == detected || declared == "application/octet-stream" || CONTAINERS.iter().any(is_family)
}

/// What is detected, and what the declared type may begin with.
const CONTAINERS: &[(&str, &[&str])] = &[
    ("application/zip", &["application/"]),
    ("application/x-ole-storage", &["application/"]),
    ("application/gzip", &["application/"]),
    ("application/octet-stream", &["application/"]),
    ("text/xml", &["application/", "image/svg+xml", "text/"]),
    ("text/html", &["application/xhtml+xml", "text/"]),
    ("text/x-shellscript", &["application/", "text/"]),
    ("video/mp4", &["audio/mp4", "audio/x-m4a", "video/", "application/mp4"]),
    ("video/quicktime", &["video/", "audio/"]),
    ("video/x-matroska", &["video/webm", "audio/webm", "audio/x-matroska"]),
    ("video/webm", &["audio/webm", "video/x-matroska"]),
    ("audio/ogg", &["video/ogg", "application/ogg", "audio/"]),
    ("image/heif", &["image/heic", "image/avif"]),
    ("image/tiff", &["image/"]),
];

/// Types whose signature ends within [`SHORT_BYTES`]: a file of theirs that shows none of it is no such file.
const SHORT_SIGNATURES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/bmp",
    "application/pdf",
    "application/zip",
    "application/gzip",
];

/// Bytes that clients send at the least.
const SHORT_BYTES: usize = 8;

/// What the first bytes of programs are detected as.
const EXECUTABLES: &[&str] = &[
    "application/vnd.microsoft.portable-executable",
    "application/x-executable",
    "application/x-mach-binary",
    "application/java",
    "application/vnd.android.dex",
    "text/x-shellscript",
];

/// Extensions that an operating system or a web server runs.
const DANGEROUS_EXTENSIONS: &[&str] = &[
    "app", "asp", "aspx", "bash", "bat", "cgi", "cmd", "com", "cpl", "deb", "dll", "dmg", "exe", "hta",
    "htaccess", "jar", "js", "jsp", "lnk", "mjs", "msi", "php", "phtml", "pif", "pkg", "pl", "ps1", "psm1",
    "py", "rb", "reg", "rpm", "scr", "sh", "vbs", "wsf", "wsh",
];

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Rules under one name, as the published clients know them.
struct Preset {
    name: &'static str,
    types: &'static [&'static str],
    extensions: &'static [&'static str],
    bytes_max: u64,
}

impl Preset {
    const ANY: Self = Self { name: "any", types: &[], extensions: &[], bytes_max: u64::MAX };

    const ALL: &'static [Self] = &[
        Self {
            name: "images",
            types: &["image/*"],
            extensions: &[
                "jpg", "jpeg", "png", "gif", "webp", "bmp", "svg", "avif", "heic", "heif", "tif", "tiff",
            ],
            bytes_max: 50 * MIB,
        },
        Self {
            name: "documents",
            types: &[
                "application/pdf",
                "application/msword",
                "application/rtf",
                "application/vnd.ms-excel",
                "application/vnd.ms-powerpoint",
                "application/vnd.oasis.opendocument.*",
                "application/vnd.openxmlformats-officedocument.*",
                "application/zip",
                "text/*",
            ],
            extensions: &[
                "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "rtf", "txt", "csv",
                "md", "zip",
            ],
            bytes_max: 100 * MIB,
        },
        Self {
            name: "videos",
            types: &["video/*"],
            extensions: &["mp4", "webm", "avi", "mov", "mkv", "m4v", "ogv"],
            bytes_max: 2 * GIB,
        },
        Self {
            name: "audio",
            types: &["audio/*"],
            extensions: &["mp3", "wav", "ogg", "oga", "m4a", "aac", "flac", "opus"],
            bytes_max: 200 * MIB,
        },
        Self {
            name: "archives",
            types: &[
                "application/zip",
                "application/gzip",
                "application/x-tar",
                "application/zstd",
                "application/x-7z-compressed",
                "application/x-xz",
                "application/x-bzip2",
            ],
            extensions: &["zip", "gz", "tgz", "tar", "zst", "7z", "xz", "bz2"],
            bytes_max: 500 * MIB,
        },
        Self::ANY,
    ];

    fn find(name: &str) -> Result<&'static Self, Error> {
        Self::ALL.iter().find(|preset| preset.name == name).ok_or_else(|| {
            Error::new(Code::InvalidField, "`validation` names no preset.")
                .options(Self::ALL.iter().map(|preset| preset.name))
        })
    }
}

/// Whether `content_type`, without its parameters, is `pattern`: `image/png`, or `image/*` for all that begin so.
fn matches_type(pattern: &str, content_type: &str) -> bool {
    let (pattern, content_type) = (canonical_type(pattern), canonical_type(content_type));
    match pattern.strip_suffix('*') {
        Some("*/" | "") => true,
        Some(start) => content_type.starts_with(start),
        None => pattern == content_type,
    }
}

/// The type in lower case, without parameters, under the one of its names that is registered.
fn canonical_type(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let registered = match essence.as_str() {
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "image/x-png" => "image/png",
        "image/x-ms-bmp" | "image/x-bmp" => "image/bmp",
        "image/x-icon" => "image/vnd.microsoft.icon",
        "audio/mp3" | "audio/x-mpeg" => "audio/mpeg",
        "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "audio/wav",
        "audio/m4a" | "audio/x-m4a" => "audio/mp4",
        "audio/x-flac" => "audio/flac",
        "video/avi" | "video/msvideo" => "video/x-msvideo",
        "video/x-m4v" => "video/mp4",
        "application/x-zip-compressed" | "application/x-zip" => "application/zip",
        "application/x-gzip" => "application/gzip",
        "application/xml" => "text/xml",
        "application/x-sh" => "text/x-shellscript",
        "text/rtf" => "application/rtf",
        _ => return essence,
    };
    registered.to_owned()
}

fn check_size_max(file: &File<'_>, bytes_max: u64) -> Result<(), Error> {
    refuse_unless(file.bytes.is_none_or(|bytes| bytes <= bytes_max), || {
        Error::new(Code::FileTooLarge, format!("`fileSize` must be at most {bytes_max} bytes here."))
    })
}

fn failed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::ValidationFailed, message)
}

fn refuse_unless(is_good: bool, error: impl FnOnce() -> Error) -> Result<(), Error> {
    if is_good { Ok(()) } else { Err(error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let Ok(body) = super::super::body::Body::parse(body.as_bytes(), "s3") else { panic!("{json}") };
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
}
