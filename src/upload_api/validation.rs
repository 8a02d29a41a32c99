//! What a file must be: within the provider's and the bucket's bounds always, and by the caller's own rules where the
//! request asks for them.
//!
//! Wharf never sees the file, only what the client says of it. So this refuses honest mistakes early and cheap lies
//! (an executable with an image's name); it is no virus scanner.

mod magic;
mod preset;

use crate::{
    config::checked::Accept,
    error::{Code, Error},
    request::{
        accept::{NotAccepted, check_extension, check_type, extension, file_bytes_max},
        media_type::matches_type,
    },
};

use super::body::{MagicBytes, Number, Rules, Text, Validation};
use magic::check_magic;
use preset::Preset;

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

/// What holds whether or not validation is asked for: the size, and what the bucket accepts.
pub(super) fn check_accepted(
    file: &File<'_>,
    put_bytes_max: u64,
    accept: Option<&Accept>,
) -> Result<(), Error> {
    check_size_max(file, file_bytes_max(put_bytes_max, accept))?;
    if file.bytes.is_none() && accept.is_some_and(|accept| accept.file_bytes_max.is_some()) {
        return Err(Error::new(
            Code::MissingFields,
            "Missing: `fileSize`; the bucket bounds the size of files.",
        ));
    }
    check_kind(file, accept)
}

/// What the bucket accepts, but for the size.
pub(super) fn check_kind(file: &File<'_>, accept: Option<&Accept>) -> Result<(), Error> {
    let Some(accept) = accept else { return Ok(()) };
    check_type(accept, file.content_type)
        .and_then(|()| check_extension(accept, file.name))
        .map_err(not_accepted)
}

fn not_accepted(refusal: NotAccepted<'_>) -> Error {
    failed(refusal.to_string()).options(refusal.options().iter().cloned())
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

    /// Bytes of the smallest and of the largest file.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.bytes_min, self.bytes_max.min(self.preset.bytes_max))
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
        let extension = extension(file.name);
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
    let extension = extension(file.name);
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

/// Extensions that an operating system or a web server runs.
const DANGEROUS_EXTENSIONS: &[&str] = &[
    "app", "asp", "aspx", "bash", "bat", "cgi", "cmd", "com", "cpl", "deb", "dll", "dmg", "exe", "hta",
    "htaccess", "jar", "js", "jsp", "lnk", "mjs", "msi", "php", "phtml", "pif", "pkg", "pl", "ps1", "psm1",
    "py", "rb", "reg", "rpm", "scr", "sh", "vbs", "wsf", "wsh",
];

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
mod tests;
