//! The documents that Wharf writes.

pub(super) use quick_xml::escape::escape;

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
        let (number, etag) = (number.to_string(), escape(*etag));
        out.extend(["<Part><PartNumber>", &number, "</PartNumber><ETag>", &etag, "</ETag></Part>"]);
    }
    out.push_str("</CompleteMultipartUpload>");
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
}
