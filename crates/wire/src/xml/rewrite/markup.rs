//! Where a piece of markup ends, and what it is.

use bytes::BytesMut;
use memchr::{memchr, memchr3, memmem};

use super::{MARKUP_BYTES_MAX, RewriteError};

const COMMENT: (&[u8], &[u8]) = (b"<!--", b"-->");
const CHARACTER_DATA: (&[u8], &[u8]) = (b"<![CDATA[", b"]]>");
const INSTRUCTION: (&[u8], &[u8]) = (b"<?", b"?>");

/// Markup with the local names of its element, which is the name without a namespace's prefix.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Markup<'a> {
    Start(&'a [u8]),
    Empty(&'a [u8]),
    End(&'a [u8]),
    CharacterData(&'a [u8]),
    /// A comment or an instruction, the XML declaration among them.
    Silent,
}

impl<'a> Markup<'a> {
    /// Tells what a complete token is.
    pub(super) fn parse(token: &'a [u8]) -> Result<Self, RewriteError> {
        if !is_tag(token) {
            return Self::other(token);
        }
        Self::tag(between(token, (b"<", b">")).ok_or(RewriteError::Malformed)?)
    }

    fn other(token: &'a [u8]) -> Result<Self, RewriteError> {
        if let Some(data) = between(token, CHARACTER_DATA) {
            return Ok(Self::CharacterData(data));
        }
        let is_silent = between(token, COMMENT).is_some() || between(token, INSTRUCTION).is_some();
        if is_silent { Ok(Self::Silent) } else { Err(RewriteError::Doctype) }
    }

    fn tag(tag: &'a [u8]) -> Result<Self, RewriteError> {
        if memchr(b'<', tag).is_some() {
            return Err(RewriteError::Malformed);
        }
        match tag {
            [b'/', tag @ ..] => Ok(Self::End(local_name(tag.trim_ascii_end())?)),
            [tag @ .., b'/'] => Ok(Self::Empty(local_name(qualified_name(tag))?)),
            tag => Ok(Self::Start(local_name(qualified_name(tag))?)),
        }
    }
}

/// How many bytes the markup at the start of `bytes` has, if it ends within them and within the bound.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.get(..MARKUP_BYTES_MAX).unwrap_or(bytes);
    if is_tag(bytes) {
        return tag_end(bytes);
    }
    match [COMMENT, CHARACTER_DATA, INSTRUCTION].into_iter().find(|(start, _)| bytes.starts_with(start)) {
        Some((start, end)) => {
            let at = memmem::find(bytes.get(start.len()..)?, end)?;
            Some(start.len() + at + end.len())
        }
        None => memchr(b'>', bytes).map(|at| at + 1),
    }
}

/// An attribute's value may hold `>`.
fn tag_end(tag: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr3(b'>', b'"', b'\'', tag.get(from..)?)?;
        let quote = *tag.get(at)?;
        if quote == b'>' {
            return Some(at + 1);
        }
        from = at + 1 + memchr(quote, tag.get(at + 1..)?)? + 1;
    }
}

/// All but comments, CDATA sections, instructions and document types.
fn is_tag(markup: &[u8]) -> bool {
    !matches!(markup, [_, b'!' | b'?', ..])
}

/// Writes `text` into the empty element `token`: `<Prefix/>` becomes `<Prefix>text</Prefix>`.
pub(super) fn fill(token: &[u8], text: &[u8], out: &mut BytesMut) {
    let tag = between(token, (b"<", b"/>")).unwrap_or_default();
    for part in [b"<", tag.trim_ascii_end(), b">", text, b"</", qualified_name(tag), b">"] {
        out.extend_from_slice(part);
    }
}

/// `<!-->` is not yet a comment: start and end do not overlap.
fn between<'a>(token: &'a [u8], (start, end): (&[u8], &[u8])) -> Option<&'a [u8]> {
    token.strip_prefix(start)?.strip_suffix(end)
}

/// What stands before a tag's attributes.
fn qualified_name(tag: &[u8]) -> &[u8] {
    tag.split(u8::is_ascii_whitespace).next().unwrap_or_default()
}

fn local_name(name: &[u8]) -> Result<&[u8], RewriteError> {
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii();
    let is_further = |byte: u8| is_first(byte) || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let is_sound = local.first().copied().is_some_and(is_first) && local.iter().copied().all(is_further);
    if is_sound { Ok(local) } else { Err(RewriteError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_every_kind() {
        for whole in [
            "<a>",
            "</a >",
            "<a b=\">\" c='\">'>",
            "<a/>",
            "<!-- > -- -->",
            "<![CDATA[ > ]] ]]>",
            "<?xml version=\"1.0\"?>",
            "<?a > ?>",
            "<!DOCTYPE a>",
        ] {
            let followed = [whole, "x>"].concat();
            assert_eq!(end(followed.as_bytes()), Some(whole.len()), "{whole}");
            for cut in 0..whole.len() {
                assert_eq!(end(&whole.as_bytes()[..cut]), None, "{whole} cut at {cut}");
            }
        }
        for short in ["<!-->", "<!--->", "<![CDATA[]>", "<?>"] {
            assert_eq!(end(short.as_bytes()), None, "{short}");
        }
    }

    #[test]
    fn tells_what_it_is() {
        for (token, markup) in [
            ("<s3:Key>", Markup::Start(b"Key")),
            ("<Key xmlns=\"a:b\">", Markup::Start(b"Key")),
            ("<Key\n/>", Markup::Empty(b"Key")),
            ("<a b='c'/>", Markup::Empty(b"a")),
            ("</s3:Key >", Markup::End(b"Key")),
            ("<![CDATA[<a>]]>", Markup::CharacterData(b"<a>")),
            ("<!---->", Markup::Silent),
            ("<?xml?>", Markup::Silent),
        ] {
            assert_eq!(Markup::parse(token.as_bytes()), Ok(markup), "{token}");
        }
        for token in ["<>", "</>", "< a>", "<a<b>", "<1>", "<a&b>", "<\0K>", "<:>", "</ a>", "<a:>"] {
            assert_eq!(Markup::parse(token.as_bytes()), Err(RewriteError::Malformed), "{token}");
        }
        for token in ["<!DOCTYPE a>", "<!ENTITY a \"b\">", "<!>"] {
            assert_eq!(Markup::parse(token.as_bytes()), Err(RewriteError::Doctype), "{token}");
        }
    }
}
