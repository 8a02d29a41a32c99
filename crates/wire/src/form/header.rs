//! The headers of a form and of its parts.

use std::borrow::Cow;

use super::FormError;

const FORM_DATA: &str = "multipart/form-data";
/// RFC 2046
const BOUNDARY_BYTES_MAX: usize = 70;

/// What a part's headers say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartHead<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) file_name: Option<Cow<'a, str>>,
    pub(super) content_type: Option<&'a str>,
}

/// The boundary that a request's `Content-Type` names.
pub(super) fn boundary(content_type: &str) -> Result<Cow<'_, str>, FormError> {
    let (media_type, rest) = content_type.split_once(';').ok_or(FormError::ContentType)?;
    if !media_type.trim().eq_ignore_ascii_case(FORM_DATA) {
        return Err(FormError::ContentType);
    }
    let boundary = parameters(rest)
        .ok_or(FormError::ContentType)?
        .into_iter()
        .find_map(|(name, value)| name.eq_ignore_ascii_case("boundary").then_some(value))
        .ok_or(FormError::ContentType)?;
    let is_sound = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())
        && boundary.bytes().all(is_in_boundary)
        && !boundary.ends_with(' ');
    if is_sound { Ok(boundary) } else { Err(FormError::ContentType) }
}

/// RFC 2046's `bchars`. No line break among them: the reader of the file relies on it.
fn is_in_boundary(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte)
}

/// Reads the lines of a part's headers.
pub(super) fn part_head(lines: &str) -> Result<PartHead<'_>, FormError> {
    let mut head = None;
    let mut content_type = None;
    for line in lines.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(FormError::Malformed)?;
        let is_twice = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => head.replace(disposition(value)?).is_some(),
            "content-type" => content_type.replace(value.trim()).is_some(),
            _ => false,
        };
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_twice || !is_name {
            return Err(FormError::Malformed);
        }
    }
    let head = head.ok_or(FormError::Malformed)?;
    Ok(PartHead { content_type, ..head })
}

/// `form-data; name="file"; filename="cat.jpg"`
fn disposition(value: &str) -> Result<PartHead<'_>, FormError> {
    let (kind, rest) = value.split_once(';').ok_or(FormError::Malformed)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(FormError::Malformed);
    }
    let (mut name, mut file_name) = (None, None);
    for (parameter, value) in parameters(rest).ok_or(FormError::Malformed)? {
        let slot = match parameter.to_ascii_lowercase().as_str() {
            "name" => &mut name,
            "filename" => &mut file_name,
            // RFC 7578 forbids `filename*`; clients that send it send `filename` too.
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(FormError::Malformed);
        }
    }
    Ok(PartHead { name: name.ok_or(FormError::Malformed)?, file_name, content_type: None })
}

/// `a=b; c="d;e"`
fn parameters(mut text: &str) -> Option<Vec<(&str, Cow<'_, str>)>> {
    let mut parameters = Vec::new();
    while !text.trim().is_empty() {
        let (name, rest) = text.split_once('=')?;
        let (value, rest) = parameter_value(rest)?;
        let rest = rest.trim_start();
        text = if rest.is_empty() { rest } else { rest.strip_prefix(';')? };
        parameters.push((name.trim(), value));
    }
    Some(parameters)
}

/// A value, quoted or not, and what follows it.
fn parameter_value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at_checked(text.find(';').unwrap_or(text.len()))?;
        return Some((Cow::Borrowed(value.trim_end()), rest));
    };
    // A backslash escapes a quote and nothing else: browsers send the folders of a file with bare ones.
    let end = quoted.match_indices('"').map(|(at, _)| at).find(|at| !ends_with_backslash(quoted, *at))?;
    let (value, rest) = quoted.split_at_checked(end)?;
    let value =
        if value.contains('\\') { Cow::Owned(value.replace("\\\"", "\"")) } else { Cow::Borrowed(value) };
    Some((value, rest.get(1..)?))
}

fn ends_with_backslash(text: &str, end: usize) -> bool {
    text.get(..end).is_some_and(|before| before.ends_with('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_boundary() {
        let longest = "b".repeat(70);
        for (content_type, expected) in [
            (
                "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
                "----WebKitFormBoundary7MA4YWxkTrZu0gW",
            ),
            ("Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b:c\"", "a b:c"),
            (&["multipart/form-data; boundary=", &longest].concat(), &longest),
        ] {
            assert_eq!(boundary(content_type).as_deref(), Ok(expected));
        }
        let too_long = ["multipart/form-data; boundary=b", &longest].concat();
        for content_type in [
            "",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=\"a ",
            "multipart/form-data; boundary=\"a \"",
            "multipart/form-data; boundary=\"a\r\"",
            "multipart/form-data; boundary=a\"b",
            "multipart/form-data; charset",
            "multipart/mixed; boundary=a",
            "application/x-www-form-urlencoded; boundary=a",
            &too_long,
        ] {
            assert_eq!(boundary(content_type), Err(FormError::ContentType), "{content_type}");
        }
    }

    #[test]
    fn reads_what_browsers_send() {
        for (lines, name, file_name, content_type) in [
            ("Content-Disposition: form-data; name=\"key\"", "key", None, None),
            ("content-disposition:form-data;name=key", "key", None, None),
            (
                "Content-Type: image/png\r\nX-Other: a\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;b=\\\"c\\\".png\"",
                "file",
                Some("a;b=\"c\".png"),
                Some("image/png"),
            ),
            (
                "Content-Disposition: form-data; filename=\"C:\\dir\\ü.png\"; name=file; filename*=utf-8''x",
                "file",
                Some("C:\\dir\\ü.png"),
                None,
            ),
        ] {
            let head = part_head(lines).unwrap();
            assert_eq!(
                (head.name.as_ref(), head.file_name.as_deref(), head.content_type),
                (name, file_name, content_type)
            );
        }
    }

    #[test]
    fn refuses_other_parts() {
        for lines in [
            "",
            "Content-Type: text/plain",
            "Content-Disposition: form-data",
            "Content-Disposition: attachment; name=\"a\"",
            "Content-Disposition: form-data; filename=\"a\"",
            "Content-Disposition: form-data; name=\"a",
            "Content-Disposition: form-data; name=\"a\"b",
            "Content-Disposition: form-data; name=\"a\"; name=\"b\"",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
            "Content-Disposition: form-data;\r\n name=\"a\"",
            "Content-Disposition: form-data; name=\"a\"\r\n: b",
            "Content-Disposition: form-data; name=\"a\"\r\nb",
        ] {
            assert_eq!(part_head(lines), Err(FormError::Malformed), "{lines}");
        }
    }
}
