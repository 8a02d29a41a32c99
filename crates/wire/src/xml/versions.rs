//! One page of the versions in a bucket, as `ListObjectVersions` answers it.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>

use crate::date::Timestamp;

use super::{
    XmlError,
    list::{self, ListedObject},
    listed_key::{ListedKey, Written, written},
    tree::{Element, parse},
};

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionPage {
    /// Its versions of objects, in the store's order: by key, the newest first.
    pub versions: Vec<ListedVersion>,
    /// Its delete markers, in the same order.
    pub delete_markers: Vec<DeleteMarker>,
    /// Whether the store says that keys are URL-encoded.
    pub is_said_to_be_encoded: bool,
    /// Whether there is more.
    pub is_truncated: bool,
    /// The key behind which it goes on.
    pub next_key_marker: Option<ListedKey>,
    /// The version of that key behind which it goes on.
    pub next_version_id_marker: Option<String>,
}

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// The object as it was.
    pub object: ListedObject,
    /// Its version. It is `null` where the bucket kept none.
    pub version_id: String,
    /// Whether it is the newest of its key.
    pub is_latest: bool,
}

/// What a delete has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteMarker {
    /// The deleted key.
    pub key: ListedKey,
    /// The marker's version.
    pub version_id: String,
    /// Whether it is the newest of its key, which is then not there.
    pub is_latest: bool,
    /// When it was deleted, if the store says so.
    pub last_modified: Option<Timestamp>,
}

impl VersionPage {
    /// How its keys are written, as far as it tells.
    pub fn written(&self) -> Written<'_> {
        let versions = self.versions.iter().map(|version| &version.object.key);
        let markers = self.delete_markers.iter().map(|marker| &marker.key);
        written(self.is_said_to_be_encoded, versions.chain(markers))
    }
}

/// Reads a `ListVersionsResult`.
pub fn read_versions(document: &[u8]) -> Result<VersionPage, XmlError> {
    let mut root = parse(document, "ListVersionsResult")?;
    let mut page = VersionPage {
        is_said_to_be_encoded: list::is_said_to_be_encoded(&mut root),
        is_truncated: list::is_truncated(&mut root),
        next_key_marker: ListedKey::some(root.take_text("NextKeyMarker")),
        next_version_id_marker: root.take_text("NextVersionIdMarker").filter(|id| !id.is_empty()),
        ..VersionPage::default()
    };
    for child in root.children {
        match child.name.as_str() {
            "Version" => page.versions.push(version(child)?),
            "DeleteMarker" => page.delete_markers.push(delete_marker(child)?),
            _ => {}
        }
    }
    Ok(page)
}

fn version(mut version: Element) -> Result<ListedVersion, XmlError> {
    Ok(ListedVersion {
        version_id: version_id(&mut version)?,
        is_latest: is_latest(&mut version),
        object: list::object(&mut version)?,
    })
}

fn delete_marker(mut marker: Element) -> Result<DeleteMarker, XmlError> {
    Ok(DeleteMarker {
        key: ListedKey::take(&mut marker)?,
        version_id: version_id(&mut marker)?,
        is_latest: is_latest(&mut marker),
        last_modified: list::last_modified(&mut marker),
    })
}

fn version_id(listed: &mut Element) -> Result<String, XmlError> {
    listed.take_text("VersionId").filter(|id| !id.is_empty()).ok_or(XmlError::Missing("VersionId"))
}

fn is_latest(listed: &mut Element) -> bool {
    listed.take_text("IsLatest").is_some_and(|text| text.trim() == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>photos</Name><Prefix>a</Prefix>\
        <KeyMarker/><VersionIdMarker/><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType>\
        <IsTruncated>true</IsTruncated><NextKeyMarker>a%26b</NextKeyMarker>\
        <NextVersionIdMarker>v/1+</NextVersionIdMarker>\
        <DeleteMarker><Key>a%26b</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest>\
        <LastModified>2009-11-12T17:50:30.000Z</LastModified><Owner><ID>x</ID></Owner></DeleteMarker>\
        <Version><Key>a%26b</Key><VersionId>v/1+</VersionId><IsLatest>false</IsLatest>\
        <LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;fba9dede&quot;</ETag><Size>434234</Size>\
        <StorageClass>STANDARD</StorageClass></Version></ListVersionsResult>";

    #[test]
    fn reads_versions_and_delete_markers() {
        let page = read_versions(PAGE).unwrap();
        let marker = DeleteMarker {
            key: ListedKey::from("a%26b"),
            version_id: String::from("v2"),
            is_latest: true,
            last_modified: Some(Timestamp::from_unix_millis(1_258_048_230_000)),
        };
        assert_eq!(page.delete_markers, [marker]);
        let [version] = page.versions.as_slice() else { panic!("{:?}", page.versions) };
        assert_eq!((version.version_id.as_str(), version.is_latest), ("v/1+", false));
        assert_eq!((version.object.bytes, version.object.etag.as_deref()), (434_234, Some("\"fba9dede\"")));
        assert_eq!(version.object.storage_class.as_deref(), Some("STANDARD"));
        assert!(page.is_truncated && page.is_said_to_be_encoded);
        assert_eq!(page.next_key_marker, Some(ListedKey::from("a%26b")));
        assert_eq!(page.next_version_id_marker.as_deref(), Some("v/1+"));
        let in_doubt = vec![&version.object.key, &page.delete_markers[0].key];
        assert_eq!(page.written(), Written::Encoded { in_doubt });
    }

    #[test]
    fn a_bucket_without_versions_has_an_empty_page() {
        let document =
            b"<ListVersionsResult><IsTruncated>false</IsTruncated><NextKeyMarker/></ListVersionsResult>";
        assert_eq!(read_versions(document), Ok(VersionPage::default()));
        assert_eq!(read_versions(b"<ListBucketResult/>"), Err(XmlError::Root("ListVersionsResult")));
    }

    #[test]
    fn each_has_a_key_and_a_version() {
        for (listed, missing) in [
            ("<Version><VersionId>v</VersionId><Size>1</Size></Version>", "Key"),
            ("<Version><Key>k</Key><Size>1</Size></Version>", "VersionId"),
            ("<Version><Key>k</Key><VersionId>v</VersionId></Version>", "Size"),
            ("<DeleteMarker><VersionId>v</VersionId></DeleteMarker>", "Key"),
            ("<DeleteMarker><Key>k</Key><VersionId/></DeleteMarker>", "VersionId"),
        ] {
            let document = format!("<ListVersionsResult>{listed}</ListVersionsResult>");
            assert_eq!(read_versions(document.as_bytes()), Err(XmlError::Missing(missing)), "{listed}");
        }
    }
}
