//! One page of a bucket's listing, as `ListObjectsV2` and the older `ListObjects` answer it.
//!
//! Whether the keys are URL-encoded is not decided here: there are stores that say so of keys that they wrote as they are.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use crate::{date::Timestamp, encode};

use super::{
    XmlError,
    tree::{Element, parse},
};

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// Its objects, in the store's order.
    pub objects: Vec<ListedObject>,
    /// Whether the store says that keys are URL-encoded.
    pub is_said_to_be_encoded: bool,
    /// Whether there is more.
    pub is_truncated: bool,
    /// How `ListObjectsV2` goes on.
    pub next_token: Option<String>,
}

/// An object of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key, as it is written.
    pub key: String,
    /// Its `ETag`, if the store lists it.
    pub etag: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// When it was written, if the store says so.
    pub last_modified: Option<Timestamp>,
}

impl ListedObject {
    /// The key that is meant, if it is URL-encoded. A `+` is a space, as S3 writes one.
    pub fn decoded_key(&self) -> Option<String> {
        String::from_utf8(encode::decode_query(&self.key).into_owned()).ok()
    }

    /// What the key itself says of how it is written.
    pub fn coding(&self) -> Coding {
        let mut rest = self.key.as_bytes();
        let mut coding = Coding::Either;
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            match first {
                b'%' if tail.iter().take(2).filter(|digit| digit.is_ascii_hexdigit()).count() < 2 => {
                    return Coding::Plain;
                }
                b'%' | b'+' => coding = Coding::Ambiguous,
                b'!'..=b'~' => {}
                _ => return Coding::Plain,
            }
        }
        coding
    }
}

/// How a listed key may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// It means the same, encoded or not.
    Either,
    /// It means one key if it is encoded, and another one if it is not.
    Ambiguous,
    /// No encoder leaves such bytes: it is not encoded.
    Plain,
}

/// Reads a `ListBucketResult`.
pub fn read_list(document: &[u8]) -> Result<ListPage, XmlError> {
    let mut root = parse(document, "ListBucketResult")?;
    let is_truncated = root.take_text("IsTruncated").is_some_and(|text| text.trim() == "true");
    let next_token = root.take_text("NextContinuationToken").filter(|token| !token.is_empty());
    let is_said_to_be_encoded =
        root.take_text("EncodingType").is_some_and(|text| text.trim().eq_ignore_ascii_case("url"));
    let objects = root.into_children("Contents").map(object).collect::<Result<_, _>>()?;
    Ok(ListPage { objects, is_said_to_be_encoded, is_truncated, next_token })
}

fn object(mut contents: Element) -> Result<ListedObject, XmlError> {
    let bytes = contents.take_text("Size").and_then(|size| size.trim().parse().ok());
    Ok(ListedObject {
        key: contents.take_text("Key").filter(|key| !key.is_empty()).ok_or(XmlError::Missing("Key"))?,
        etag: contents.take_text("ETag").filter(|etag| !etag.is_empty()),
        bytes: bytes.ok_or(XmlError::Missing("Size"))?,
        last_modified: contents
            .take_text("LastModified")
            .and_then(|date| Timestamp::from_rfc3339(date.trim())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(key: &str) -> ListedObject {
        ListedObject { key: key.to_owned(), etag: None, bytes: 0, last_modified: None }
    }

    #[test]
    fn reads_a_page() {
        let document = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>photos</Name><Prefix/>\
            <KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>1ueGcx/+ =</NextContinuationToken>\
            <Contents><Key>a+%2B/%C3%BC</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>\
            <ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size>\
            <StorageClass>STANDARD</StorageClass><Owner><ID>x</ID></Owner></Contents>\
            <Contents><Size> 0 </Size><Key>b</Key></Contents></ListBucketResult>";
        let page = read_list(document).unwrap();
        assert_eq!(page.next_token.as_deref(), Some("1ueGcx/+ ="));
        assert!(page.is_truncated && page.is_said_to_be_encoded);
        assert_eq!(page.objects[0].decoded_key().as_deref(), Some("a +/\u{fc}"));
        assert_eq!(page.objects[0].etag.as_deref(), Some("\"fba9dede5f27731c9771645a39863328\""));
        assert_eq!(page.objects[0].bytes, 434_234);
        assert_eq!(page.objects[0].last_modified, Some(Timestamp::from_unix_millis(1_255_369_830_000)));
        assert_eq!(page.objects[1..], [listed("b")]);
    }

    #[test]
    fn an_empty_bucket_has_an_empty_page() {
        let document = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(read_list(document), Ok(ListPage::default()));
    }

    #[test]
    fn an_object_has_a_key_and_a_size() {
        for (contents, missing) in [
            ("<Size>1</Size>", "Key"),
            ("<Key/><Size>1</Size>", "Key"),
            ("<Key>a</Key>", "Size"),
            ("<Key>a</Key><Size>-1</Size>", "Size"),
        ] {
            let document = format!("<ListBucketResult><Contents>{contents}</Contents></ListBucketResult>");
            assert_eq!(read_list(document.as_bytes()), Err(XmlError::Missing(missing)), "{contents}");
        }
    }

    #[test]
    fn a_key_can_tell_that_it_is_not_encoded() {
        for (key, coding) in [
            ("a/b-c_d.e~f!'()*", Coding::Either),
            ("a+b", Coding::Ambiguous),
            ("a%20b", Coding::Ambiguous),
            ("a b", Coding::Plain),
            ("\u{fc}", Coding::Plain),
            ("50%", Coding::Plain),
            ("50%off", Coding::Plain),
            ("%4", Coding::Plain),
            ("a+\u{1}", Coding::Plain),
        ] {
            assert_eq!(listed(key).coding(), coding, "{key}");
        }
    }

    #[test]
    fn a_key_that_is_no_text_has_no_name_here() {
        assert_eq!(listed("%FF").decoded_key(), None);
    }
}
