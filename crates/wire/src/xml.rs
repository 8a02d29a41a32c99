//! S3's XML, read with bounds: no DOCTYPE, no attributes but `xmlns`, bounded depth and size.
//!
//! A document comes from a peer, and becomes a small tree before anything looks at it. Reading is strict about what
//! could do harm (entities, depth, size) and forgiving about what cannot: unknown elements, prefixes and order.

use quick_xml::{
    Reader,
    escape::{escape, resolve_xml_entity},
    events::{BytesRef, BytesStart, Event},
};
use thiserror::Error;

/// Above any answer that Wharf asks for: 10,000 buckets take about 2 MB. A larger document would be held in memory.
pub const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// S3 nests five deep. Each level is a stack entry.
const DEPTH_MAX: usize = 16;
/// 10,000 buckets are 50,000 elements; an empty element of four bytes costs a hundred in memory.
const ELEMENTS_MAX: usize = 60_000;

/// Why a document was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum XmlError {
    /// More than [`DOCUMENT_BYTES_MAX`].
    #[error("an XML document above {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
    /// Elements inside elements, too many times.
    #[error("XML elements more than {DEPTH_MAX} deep")]
    TooDeep,
    /// Too many elements altogether.
    #[error("more than {ELEMENTS_MAX} XML elements")]
    TooManyElements,
    /// A document type could define entities that grow without bound or read files.
    #[error("an XML document type, which S3 never sends")]
    Doctype,
    /// An attribute other than a namespace.
    #[error("an XML attribute other than xmlns")]
    Attribute,
    /// An entity that XML itself does not define.
    #[error("an XML entity other than amp, lt, gt, apos, quot and character references")]
    Entity,
    /// Not well-formed, or not UTF-8, or more than one root.
    #[error("malformed XML")]
    Malformed,
    /// Another kind of document.
    #[error("an XML document that is no {0}")]
    Root(&'static str),
    /// A document that lacks what it is for.
    #[error("an XML document without a sound {0}")]
    Missing(&'static str),
}

/// `<Error>` as a provider sends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct S3Error {
    /// S3's code, `AccessDenied`.
    pub code: String,
    /// The provider's words.
    pub message: String,
    /// The region to use instead, which a wrong region's answer carries.
    pub region: Option<String>,
}

/// Reads an `<Error>` document.
pub fn read_error(document: &[u8]) -> Result<S3Error, XmlError> {
    let mut root = parse(document, "Error")?;
    Ok(S3Error {
        code: root.take_text("Code").ok_or(XmlError::Missing("Code"))?,
        message: root.take_text("Message").unwrap_or_default(),
        region: root.take_text("Region").filter(|region| !region.is_empty()),
    })
}

/// Reads the names in a `ListAllMyBucketsResult`.
pub fn read_bucket_names(document: &[u8]) -> Result<Vec<String>, XmlError> {
    let root = parse(document, "ListAllMyBucketsResult")?;
    let buckets = root.into_children("Buckets").flat_map(|buckets| buckets.into_children("Bucket"));
    buckets.map(|mut bucket| bucket.take_text("Name").ok_or(XmlError::Missing("Name"))).collect()
}

/// One rule of a bucket's CORS configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorsRule {
    /// `AllowedOrigin`s.
    pub allowed_origins: Vec<String>,
    /// `AllowedMethod`s.
    pub allowed_methods: Vec<String>,
    /// `AllowedHeader`s.
    pub allowed_headers: Vec<String>,
    /// `ExposeHeader`s.
    pub expose_headers: Vec<String>,
    /// `MaxAgeSeconds`.
    pub max_age_seconds: Option<u32>,
}

/// Reads a `CORSConfiguration`.
pub fn read_cors(document: &[u8]) -> Result<Vec<CorsRule>, XmlError> {
    parse(document, "CORSConfiguration")?.into_children("CORSRule").map(cors_rule).collect()
}

fn cors_rule(mut rule: Element) -> Result<CorsRule, XmlError> {
    let max_age = rule.take_text("MaxAgeSeconds").map(|seconds| seconds.trim().parse());
    Ok(CorsRule {
        allowed_origins: rule.texts("AllowedOrigin"),
        allowed_methods: rule.texts("AllowedMethod"),
        allowed_headers: rule.texts("AllowedHeader"),
        expose_headers: rule.texts("ExposeHeader"),
        max_age_seconds: max_age.transpose().map_err(|_| XmlError::Missing("MaxAgeSeconds"))?,
    })
}

/// Reads the upload id of an `InitiateMultipartUploadResult`.
pub fn read_upload_id(document: &[u8]) -> Result<String, XmlError> {
    parse(document, "InitiateMultipartUploadResult")?
        .take_text("UploadId")
        .filter(|id| !id.is_empty())
        .ok_or(XmlError::Missing("UploadId"))
}

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

/// An element without its attributes and namespace, with all of its text run together.
#[derive(Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn into_children(self, name: &str) -> impl Iterator<Item = Self> {
        self.children.into_iter().filter(move |child| child.name == name)
    }

    fn take_text(&mut self, name: &str) -> Option<String> {
        self.children.iter_mut().find(|child| child.name == name).map(|child| std::mem::take(&mut child.text))
    }

    fn texts(&self, name: &str) -> Vec<String> {
        self.children.iter().filter(|child| child.name == name).map(|child| child.text.clone()).collect()
    }
}

/// Reads a whole document, whose root must be called `root`.
fn parse(document: &[u8], root: &'static str) -> Result<Element, XmlError> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(XmlError::TooLarge);
    }
    // S3 sends white space to keep a slow answer's connection open.
    let mut reader = Reader::from_reader(document.trim_ascii_start());
    reader.config_mut().expand_empty_elements = true;
    let mut tree = Tree::default();
    loop {
        match reader.read_event().map_err(|_| XmlError::Malformed)? {
            Event::Start(start) => tree.open(&start)?,
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.text(&text.decode().map_err(|_| XmlError::Malformed)?)?,
            Event::CData(data) => tree.text(&data.decode().map_err(|_| XmlError::Malformed)?)?,
            Event::GeneralRef(entity) => tree.text(&resolve(&entity)?)?,
            Event::DocType(_) => return Err(XmlError::Doctype),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Empty(_) => {}
            Event::Eof => break,
        }
    }
    let element = tree.finish()?;
    if element.name == root { Ok(element) } else { Err(XmlError::Root(root)) }
}

/// What was read so far: the elements that are still open, outermost first, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.root.is_some() {
            return Err(XmlError::Malformed);
        }
        if self.open.len() == DEPTH_MAX {
            return Err(XmlError::TooDeep);
        }
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(XmlError::TooManyElements);
        }
        check_attributes(start)?;
        let name =
            str::from_utf8(start.local_name().into_inner()).map_err(|_| XmlError::Malformed)?.to_owned();
        self.open.push(Element { name, ..Element::default() });
        Ok(())
    }

    /// Text outside of the root can only be white space.
    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_ascii().is_empty() => {}
            None => return Err(XmlError::Malformed),
        }
        Ok(())
    }

    /// The reader has checked that the names of the tags are the same.
    fn close(&mut self) -> Result<(), XmlError> {
        let element = self.open.pop().ok_or(XmlError::Malformed)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, XmlError> {
        self.root.ok_or(XmlError::Malformed)
    }
}

/// The check for duplicates is off: it compares each attribute with all others, and these are not used.
fn check_attributes(start: &BytesStart<'_>) -> Result<(), XmlError> {
    for attribute in start.attributes().with_checks(false) {
        let name = attribute.map_err(|_| XmlError::Malformed)?.key.into_inner();
        if name != b"xmlns" && !name.starts_with(b"xmlns:") {
            return Err(XmlError::Attribute);
        }
    }
    Ok(())
}

fn resolve(entity: &BytesRef<'_>) -> Result<String, XmlError> {
    let character = entity.resolve_char_ref().map_err(|_| XmlError::Entity)?;
    if let Some(character) = character {
        return Ok(character.to_string());
    }
    let name = entity.decode().map_err(|_| XmlError::Malformed)?;
    resolve_xml_entity(&name).map(str::to_owned).ok_or(XmlError::Entity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn reads_an_error() {
        let document = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>\
            <Message>expecting &apos;eu-west-1&apos; &#38; no &lt;other&gt;</Message><Region>eu-west-1</Region>\
            <RequestId>4442587FB7D0A2F9</RequestId></Error>\n";
        let error = read_error(document).unwrap();
        assert_eq!(error.code, "AuthorizationHeaderMalformed");
        assert_eq!(error.message, "expecting 'eu-west-1' & no <other>");
        assert_eq!(error.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn an_error_needs_a_code_and_little_else() {
        for document in [
            "  \n<Error><Code>SlowDown</Code><Region/></Error>",
            "\u{feff}<?xml version=\"1.0\"?><!-- busy --><Error><Code>SlowDown</Code></Error>",
        ] {
            let expected = S3Error { code: String::from("SlowDown"), ..S3Error::default() };
            assert_eq!(read_error(document.as_bytes()), Ok(expected));
        }
        assert_eq!(read_error(b"<Error><Message>m</Message></Error>"), Err(XmlError::Missing("Code")));
        assert_eq!(read_error(b"<html><body>502</body></html>"), Err(XmlError::Root("Error")));
    }

    #[test]
    fn reads_bucket_names() {
        let document = br#"<s3:ListAllMyBucketsResult xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/">
            <s3:Owner><s3:ID>x</s3:ID></s3:Owner><s3:Buckets>
            <s3:Bucket><s3:Name>a</s3:Name><s3:CreationDate>2006-02-03T16:45:09.000Z</s3:CreationDate></s3:Bucket>
            <s3:Bucket><s3:CreationDate/><s3:Name>b</s3:Name></s3:Bucket></s3:Buckets></s3:ListAllMyBucketsResult>"#;
        assert_eq!(read_bucket_names(document).unwrap(), ["a", "b"]);
        let none = b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>";
        assert_eq!(read_bucket_names(none), Ok(Vec::new()));
    }

    #[test]
    fn reads_cors_rules() {
        let document = b"<CORSConfiguration><CORSRule><AllowedOrigin>https://a.example</AllowedOrigin>\
            <AllowedOrigin>https://b.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>\
            <AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds> 3000 </MaxAgeSeconds>\
            </CORSRule><CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
        let rules = read_cors(document).unwrap();
        assert_eq!(rules[0].allowed_origins, ["https://a.example", "https://b.example"]);
        assert_eq!(rules[0].expose_headers, ["ETag"]);
        assert_eq!(rules[0].max_age_seconds, Some(3000));
        let second = CorsRule { allowed_methods: vec![String::from("GET")], ..CorsRule::default() };
        assert_eq!(rules[1..], [second]);
        let odd =
            b"<CORSConfiguration><CORSRule><MaxAgeSeconds>-1</MaxAgeSeconds></CORSRule></CORSConfiguration>";
        assert_eq!(read_cors(odd), Err(XmlError::Missing("MaxAgeSeconds")));
    }

    #[test]
    fn reads_an_upload_id() {
        let document = b"<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Bucket>b</Bucket><Key>k</Key><UploadId><![CDATA[VXBsb2Fk<&]]></UploadId></InitiateMultipartUploadResult>";
        assert_eq!(read_upload_id(document).as_deref(), Ok("VXBsb2Fk<&"));
        let empty = b"<InitiateMultipartUploadResult><UploadId/></InitiateMultipartUploadResult>";
        assert_eq!(read_upload_id(empty), Err(XmlError::Missing("UploadId")));
    }

    #[test]
    fn refuses_what_s3_never_sends() {
        let deep = [vec!["<Error>"; DEPTH_MAX], vec!["<a>"], vec!["</a>"], vec!["</Error>"; DEPTH_MAX]]
            .concat()
            .concat();
        let many = ["<Error>", &"<a/>".repeat(ELEMENTS_MAX), "</Error>"].concat();
        let large = ["<Error>", &" ".repeat(DOCUMENT_BYTES_MAX), "</Error>"].concat();
        for (document, error) in [
            ("<!DOCTYPE Error><Error><Code>a</Code></Error>", XmlError::Doctype),
            ("<!DOCTYPE lolz [<!ENTITY lol \"lol\">]><Error><Code>&lol;</Code></Error>", XmlError::Doctype),
            ("<Error><Code>&lol;</Code></Error>", XmlError::Entity),
            ("<Error><Code>&#0;</Code></Error>", XmlError::Entity),
            ("<Error><Code>&#x110000;</Code></Error>", XmlError::Entity),
            ("<Error a=\"b\"><Code>a</Code></Error>", XmlError::Attribute),
            ("<Error xmlnsa=\"b\"><Code>a</Code></Error>", XmlError::Attribute),
            ("<Error xmlns=a><Code>a</Code></Error>", XmlError::Malformed),
            ("", XmlError::Malformed),
            ("text", XmlError::Malformed),
            ("<Error>", XmlError::Malformed),
            ("<Error><Code>a</Error></Code>", XmlError::Malformed),
            ("</Error>", XmlError::Malformed),
            ("<Error/><Error/>", XmlError::Malformed),
            ("<Error/>text", XmlError::Malformed),
            ("<Error><Code>a & b</Code></Error>", XmlError::Malformed),
            (deep.as_str(), XmlError::TooDeep),
            (many.as_str(), XmlError::TooManyElements),
            (large.as_str(), XmlError::TooLarge),
        ] {
            let start: String = document.chars().take(80).collect();
            assert_eq!(read_error(document.as_bytes()), Err(error), "{start}");
        }
        assert_eq!(read_error(b"<Error><Code>\xff</Code></Error>"), Err(XmlError::Malformed));
    }

    #[test]
    fn etags_are_escaped() {
        let written = write_complete_multipart(&[(1, "\"a\""), (10_000, "<&>")]);
        assert!(written.contains("<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>"));
        assert!(written.contains("<Part><PartNumber>10000</PartNumber><ETag>&lt;&amp;&gt;</ETag></Part>"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_escaped_is_read_again(text in "[^\\p{Cc}]+") {
            let document = ["<Error><Code>", &escape(text.as_str()), "</Code></Error>"].concat();
            prop_assert_eq!(read_error(document.as_bytes()).unwrap().code, text);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in any::<Vec<u8>>(), text in "(</?[a-zA-Z:]{1,3}( x?mlns=\"a\")?/?>|&[a-z#0-9]{1,4};|<!\\[CDATA\\[|\\]\\]>|<!--|-->|<\\?|[a-z<>&\"]){0,20}") {
            for document in [bytes.as_slice(), text.as_bytes()] {
                let _ = read_error(document);
                let _ = read_bucket_names(document);
                let _ = read_cors(document);
                let _ = read_upload_id(document);
            }
        }
    }
}
