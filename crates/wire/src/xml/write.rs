//! The documents that Wharf writes.

/// Writes a `CompleteMultipartUpload` from part numbers and `ETag`s, in the order given.
///
/// ```
/// assert_eq!(
///     wharf_wire::xml::write_complete_multipart(&[(1, "\"a\"")]),
///     "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
///      <Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part></CompleteMultipartUpload>"
/// );
/// ```
pub fn write_complete_multipart(parts: &[(u16, &str)]) -> String {
    let mut out =
        String::from(r#"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
    for (number, etag) in parts {
        let (number, etag) = (number.to_string(), escape(etag));
        out.extend(["<Part><PartNumber>", &number, "</PartNumber><ETag>", &etag, "</ETag></Part>"]);
    }
    out.push_str("</CompleteMultipartUpload>");
    out
}

/// `text` for an element or an attribute. Control characters become references, as S3 writes them: a bare carriage
/// return would be read as a line feed.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(character),
            character if character.is_ascii_control() => {
                out.extend(["&#", &u32::from(character).to_string(), ";"]);
            }
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_escaped() {
        let written = write_complete_multipart(&[(1, "\"a\""), (10_000, "<&>")]);
        assert!(written.contains("<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>"));
        assert!(written.contains("<Part><PartNumber>10000</PartNumber><ETag>&lt;&amp;&gt;</ETag></Part>"));
    }

    #[test]
    fn control_characters_are_references() {
        assert_eq!(escape("a\r\n\t\u{1}<&>\"'ü\u{7f}"), "a&#13;\n\t&#1;&lt;&amp;&gt;&quot;&apos;ü&#127;");
    }
}
