//! One page of a bucket's listing, as `ListObjectsV2` and the older `ListObjects` answer it.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use crate::date::Timestamp;

use super::{
    XmlError,
    listed_key::{ListedKey, Written, written},
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

impl ListPage {
    /// How its keys are written, as far as it tells.
    pub fn written(&self) -> Written<'_> {
        written(self.is_said_to_be_encoded, self.objects.iter().map(|object| &object.key))
    }
}

/// An object of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: ListedKey,
    /// Its `ETag`, if the store lists it.
    pub etag: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// When it was written, if the store says so.
    pub last_modified: Option<Timestamp>,
    /// Its class, if the store says so.
    pub storage_class: Option<String>,
}

/// Reads a `ListBucketResult`.
pub fn read_list(document: &[u8]) -> Result<ListPage, XmlError> {
    let mut root = parse(document, "ListBucketResult")?;
    Ok(ListPage {
        is_said_to_be_encoded: is_said_to_be_encoded(&mut root),
        is_truncated: is_truncated(&mut root),
        next_token: root.take_text("NextContinuationToken").filter(|token| !token.is_empty()),
        objects: root
            .into_children("Contents")
            .map(|mut contents| object(&mut contents))
            .collect::<Result<_, _>>()?,
    })
}

/// Reads a `Contents`, or a `Version`, which has the same and more.
pub(super) fn object(contents: &mut Element) -> Result<ListedObject, XmlError> {
    let bytes = contents.take_text("Size").and_then(|size| size.trim().parse().ok());
    Ok(ListedObject {
        key: ListedKey::take(contents)?,
        etag: contents.take_text("ETag").filter(|etag| !etag.is_empty()),
        bytes: bytes.ok_or(XmlError::Missing("Size"))?,
        last_modified: last_modified(contents),
        storage_class: contents.take_text("StorageClass").filter(|class| !class.is_empty()),
    })
}

pub(super) fn last_modified(contents: &mut Element) -> Option<Timestamp> {
    let date = contents.take_text("LastModified")?;
    Timestamp::from_rfc3339(date.trim())
}

/// Whether the store says of a listing that its keys are URL-encoded.
pub(super) fn is_said_to_be_encoded(root: &mut Element) -> bool {
    root.take_text("EncodingType").is_some_and(|text| text.trim().eq_ignore_ascii_case("url"))
}

/// Whether the store says that there is more.
pub(super) fn is_truncated(root: &mut Element) -> bool {
    root.take_text("IsTruncated").is_some_and(|text| text.trim() == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(page.objects[0].key.meant(true).as_deref(), Some("a +/\u{fc}"));
        assert_eq!(page.objects[0].storage_class.as_deref(), Some("STANDARD"));
        assert_eq!(page.objects[0].etag.as_deref(), Some("\"fba9dede5f27731c9771645a39863328\""));
        assert_eq!(page.objects[0].bytes, 434_234);
        assert_eq!(page.objects[0].last_modified, Some(Timestamp::from_unix_millis(1_255_369_830_000)));
        let second = ListedObject {
            key: ListedKey::from("b"),
            etag: None,
            bytes: 0,
            last_modified: None,
            storage_class: None,
        };
        assert_eq!(page.objects[1..], [second]);
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
}
