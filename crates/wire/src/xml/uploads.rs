//! Multipart uploads as stores list them: the parts of one, and those of a bucket.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>

use crate::date::Timestamp;

use super::{
    XmlError,
    tree::{Element, parse},
};

/// S3's highest part number.
const PART_NUMBER_MAX: u16 = 10_000;

/// A page of an upload's parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartsPage {
    /// The parts, in the store's order, which is not always that of their numbers.
    pub parts: Vec<ListedPart>,
    /// Whether there is more.
    pub is_truncated: bool,
    /// After which number it goes on.
    pub next_marker: Option<u16>,
}

/// A part that a store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPart {
    /// 1 to 10,000
    pub number: u16,
    /// Its `ETag`, with its quotes, if the store lists it.
    pub etag: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// When it was stored, if the store says so.
    pub last_modified: Option<Timestamp>,
}

/// A page of a bucket's uploads that have begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadsPage {
    /// The uploads, in the store's order.
    pub uploads: Vec<ListedUpload>,
    /// Whether there is more.
    pub is_truncated: bool,
    /// After which key it goes on.
    pub next_key: Option<String>,
    /// After which of that key's uploads.
    pub next_upload_id: Option<String>,
}

/// An upload that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUpload {
    /// The key that the object will have.
    pub key: String,
    /// The store's id of the upload.
    pub upload_id: String,
    /// When it began, if the store says so.
    pub initiated: Option<Timestamp>,
}

/// Reads a `ListPartsResult`.
pub fn read_parts(document: &[u8]) -> Result<PartsPage, XmlError> {
    let mut root = parse(document, "ListPartsResult")?;
    let is_truncated = is_true(root.take_text("IsTruncated"));
    let next_marker = number(root.take_text("NextPartNumberMarker"));
    let parts = root.into_children("Part").map(part).collect::<Result<_, _>>()?;
    Ok(PartsPage { parts, is_truncated, next_marker })
}

/// Reads a `ListMultipartUploadsResult`.
pub fn read_uploads(document: &[u8]) -> Result<UploadsPage, XmlError> {
    let mut root = parse(document, "ListMultipartUploadsResult")?;
    let is_truncated = is_true(root.take_text("IsTruncated"));
    let next_key = non_empty(root.take_text("NextKeyMarker"));
    let next_upload_id = non_empty(root.take_text("NextUploadIdMarker"));
    let uploads = root.into_children("Upload").map(upload).collect::<Result<_, _>>()?;
    Ok(UploadsPage { uploads, is_truncated, next_key, next_upload_id })
}

fn part(mut part: Element) -> Result<ListedPart, XmlError> {
    let bytes = part.take_text("Size").and_then(|size| size.trim().parse().ok());
    let number = number(part.take_text("PartNumber")).filter(|number| *number > 0);
    Ok(ListedPart {
        number: number.ok_or(XmlError::Missing("PartNumber"))?,
        etag: non_empty(part.take_text("ETag")),
        bytes: bytes.ok_or(XmlError::Missing("Size"))?,
        last_modified: date(part.take_text("LastModified")),
    })
}

fn upload(mut upload: Element) -> Result<ListedUpload, XmlError> {
    Ok(ListedUpload {
        key: non_empty(upload.take_text("Key")).ok_or(XmlError::Missing("Key"))?,
        upload_id: non_empty(upload.take_text("UploadId")).ok_or(XmlError::Missing("UploadId"))?,
        initiated: date(upload.take_text("Initiated")),
    })
}

fn is_true(text: Option<String>) -> bool {
    text.is_some_and(|text| text.trim() == "true")
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// 0 to 10,000
fn number(text: Option<String>) -> Option<u16> {
    text?.trim().parse().ok().filter(|number| *number <= PART_NUMBER_MAX)
}

fn date(text: Option<String>) -> Option<Timestamp> {
    Timestamp::from_rfc3339(text?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: Timestamp = Timestamp::from_unix_millis(1_289_410_128_000);

    #[test]
    fn reads_a_page_of_parts() {
        let document = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <ListPartsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>b</Bucket><Key>k</Key>\
            <UploadId>XXBsb2FkIElEIGZvciBlbHZp</UploadId><PartNumberMarker>1</PartNumberMarker>\
            <NextPartNumberMarker>3</NextPartNumberMarker><MaxParts>2</MaxParts><IsTruncated>true</IsTruncated>\
            <Part><PartNumber>3</PartNumber><LastModified>2010-11-10T17:28:48.000Z</LastModified>\
            <ETag>&quot;aaaa18db4cc2f85cedef654fccc4a4x8&quot;</ETag><Size>10485760</Size></Part>\
            <Part><Size> 0 </Size><PartNumber> 10000 </PartNumber></Part></ListPartsResult>";
        let page = read_parts(document).unwrap();
        assert_eq!((page.is_truncated, page.next_marker), (true, Some(3)));
        let first = ListedPart {
            number: 3,
            etag: Some(String::from("\"aaaa18db4cc2f85cedef654fccc4a4x8\"")),
            bytes: 10_485_760,
            last_modified: Some(MODIFIED),
        };
        let last = ListedPart { number: 10_000, etag: None, bytes: 0, last_modified: None };
        assert_eq!(page.parts, [first, last]);
    }

    #[test]
    fn an_upload_without_parts_has_an_empty_page() {
        let document = b"<ListPartsResult><NextPartNumberMarker>0</NextPartNumberMarker></ListPartsResult>";
        assert_eq!(read_parts(document), Ok(PartsPage { next_marker: Some(0), ..PartsPage::default() }));
        assert_eq!(read_parts(b"<Error/>"), Err(XmlError::Root("ListPartsResult")));
    }

    #[test]
    fn a_part_has_a_number_and_a_size() {
        for (part, missing) in [
            ("<Size>1</Size>", "PartNumber"),
            ("<PartNumber>0</PartNumber><Size>1</Size>", "PartNumber"),
            ("<PartNumber>10001</PartNumber><Size>1</Size>", "PartNumber"),
            ("<PartNumber>-1</PartNumber><Size>1</Size>", "PartNumber"),
            ("<PartNumber>1</PartNumber>", "Size"),
            ("<PartNumber>1</PartNumber><Size>x</Size>", "Size"),
        ] {
            let document = format!("<ListPartsResult><Part>{part}</Part></ListPartsResult>");
            assert_eq!(read_parts(document.as_bytes()), Err(XmlError::Missing(missing)), "{part}");
        }
    }

    #[test]
    fn reads_a_page_of_uploads() {
        let document = b"<ListMultipartUploadsResult><Bucket>b</Bucket><KeyMarker/><UploadIdMarker/>\
            <NextKeyMarker>site/a &amp; b</NextKeyMarker><NextUploadIdMarker>YW55</NextUploadIdMarker>\
            <MaxUploads>1</MaxUploads><IsTruncated>true</IsTruncated>\
            <Upload><Key>site/a &amp; b</Key><UploadId>YW55</UploadId><Initiator><ID>x</ID></Initiator>\
            <StorageClass>STANDARD</StorageClass><Initiated>2010-11-10T17:28:48.000Z</Initiated></Upload>\
            <CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes></ListMultipartUploadsResult>";
        let (key, upload_id) = (String::from("site/a & b"), String::from("YW55"));
        let upload =
            ListedUpload { key: key.clone(), upload_id: upload_id.clone(), initiated: Some(MODIFIED) };
        let page = UploadsPage {
            uploads: vec![upload],
            is_truncated: true,
            next_key: Some(key),
            next_upload_id: Some(upload_id),
        };
        assert_eq!(read_uploads(document), Ok(page));
        let none =
            b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
        assert_eq!(read_uploads(none), Ok(UploadsPage::default()));
    }

    #[test]
    fn an_upload_has_a_key_and_an_id() {
        for (upload, missing) in [
            ("<UploadId>i</UploadId>", "Key"),
            ("<Key/><UploadId>i</UploadId>", "Key"),
            ("<Key>k</Key>", "UploadId"),
            ("<Key>k</Key><UploadId/>", "UploadId"),
        ] {
            let document =
                format!("<ListMultipartUploadsResult><Upload>{upload}</Upload></ListMultipartUploadsResult>");
            assert_eq!(read_uploads(document.as_bytes()), Err(XmlError::Missing(missing)), "{upload}");
        }
    }

    #[test]
    fn what_could_do_harm_is_refused() {
        let many = ["<ListPartsResult>", &"<a/>".repeat(60_000), "</ListPartsResult>"].concat();
        for (document, error) in [
            (
                "<!DOCTYPE l [<!ENTITY a \"aaaa\">]><ListPartsResult><Part>&a;</Part></ListPartsResult>",
                XmlError::Doctype,
            ),
            (
                "<ListPartsResult><NextPartNumberMarker>&a;</NextPartNumberMarker></ListPartsResult>",
                XmlError::Entity,
            ),
            (many.as_str(), XmlError::TooManyElements),
        ] {
            assert_eq!(read_parts(document.as_bytes()), Err(error));
        }
    }
}
