//! The documents that clients send. Most are only checked and passed on as they are.

use crate::names::ObjectKey;

use super::{
    XmlError,
    tree::{Attributes, Element, parse, parse_with},
};

/// A thousand objects, each with a key of 1,024 bytes of which some are escaped, and its conditions. It is held whole.
pub const DELETE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// S3's limit for `DeleteObjects`.
const OBJECTS_MAX: usize = 1000;
/// S3's limit for `CompleteMultipartUpload`, and the highest number of a part.
const PARTS_MAX: usize = 10_000;

/// A `Delete`: what `DeleteObjects` is asked to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// One to a thousand objects.
    pub objects: Vec<ObjectToDelete>,
    /// Whether to answer with errors alone.
    pub quiet: bool,
}

/// An `Object` in a [`Delete`]. The conditions are the provider's to check, and kept as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectToDelete {
    /// Its key.
    pub key: ObjectKey,
    /// `VersionId`
    pub version_id: Option<String>,
    /// `ETag`: delete it only if it still has this.
    pub etag: Option<String>,
    /// `LastModifiedTime`: delete it only if it is from then.
    pub last_modified_time: Option<String>,
    /// `Size`: delete it only if it is so large.
    pub size: Option<String>,
}

/// Reads a `Delete`.
pub fn read_delete(document: &[u8]) -> Result<Delete, XmlError> {
    let mut root = parse(document, "Delete")?;
    let quiet = match root.take_text("Quiet").as_deref().map(str::trim) {
        Some("true") => true,
        Some("false" | "") | None => false,
        Some(_) => return Err(XmlError::Missing("Quiet")),
    };
    let objects: Vec<_> = root.into_children("Object").map(object_to_delete).collect::<Result<_, _>>()?;
    match objects.len() {
        0 => Err(XmlError::Missing("Object")),
        1..=OBJECTS_MAX => Ok(Delete { objects, quiet }),
        _ => Err(XmlError::TooMany("Object")),
    }
}

fn object_to_delete(mut object: Element) -> Result<ObjectToDelete, XmlError> {
    let key = object.take_text("Key").ok_or(XmlError::Missing("Key"))?;
    Ok(ObjectToDelete {
        key: ObjectKey::parse(&key).map_err(|_| XmlError::Missing("Key"))?,
        version_id: object.take_text("VersionId").filter(|id| !id.is_empty()),
        etag: object.take_text("ETag"),
        last_modified_time: object.take_text("LastModifiedTime"),
        size: object.take_text("Size"),
    })
}

/// Reads a `CompleteMultipartUpload`: the numbers and `ETag`s of its 1 to 10,000 parts. Their order and checksums are the
/// provider's to check.
pub fn read_complete_multipart(document: &[u8]) -> Result<Vec<(u16, String)>, XmlError> {
    let parts = parse(document, "CompleteMultipartUpload")?.into_children("Part");
    let parts: Vec<_> = parts.map(part).collect::<Result<_, _>>()?;
    match parts.len() {
        0 => Err(XmlError::Missing("Part")),
        1..=PARTS_MAX => Ok(parts),
        _ => Err(XmlError::TooMany("Part")),
    }
}

fn part(mut part: Element) -> Result<(u16, String), XmlError> {
    let number = part.take_text("PartNumber").and_then(|number| number.trim().parse().ok());
    let number = number.filter(|number| (1..=PARTS_MAX).contains(&usize::from(*number)));
    let etag = part.take_text("ETag").filter(|etag| !etag.is_empty());
    Ok((number.ok_or(XmlError::Missing("PartNumber"))?, etag.ok_or(XmlError::Missing("ETag"))?))
}

/// A `CreateBucketConfiguration`: what a bucket is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBucket {
    /// `LocationConstraint`: its region. S3's first one has no name here.
    pub region: Option<String>,
    /// Whether the document says more: tags, or another kind of bucket.
    pub has_more: bool,
}

/// Reads a `CreateBucketConfiguration`.
pub fn read_create_bucket(document: &[u8]) -> Result<NewBucket, XmlError> {
    const REGION: &str = "LocationConstraint";
    let mut root = parse(document, "CreateBucketConfiguration")?;
    let region = root.take_text(REGION).map(|region| region.trim().to_owned());
    let has_more = root.children.iter().any(|child| child.name != REGION);
    Ok(NewBucket { region: region.filter(|region| !region.is_empty()), has_more })
}

/// Reads a `Tagging`: keys and values.
pub fn read_tagging(document: &[u8]) -> Result<Vec<(String, String)>, XmlError> {
    let sets = parse(document, "Tagging")?.into_children("TagSet");
    let tags = sets.flat_map(|set| set.into_children("Tag"));
    tags.map(|mut tag| {
        let key = tag.take_text("Key").ok_or(XmlError::Missing("Key"))?;
        Ok((key, tag.take_text("Value").ok_or(XmlError::Missing("Value"))?))
    })
    .collect()
}

/// Checks a document that is passed on as it is (`Tagging`, `Retention`, `AccessControlPolicy`, …): that it is
/// well-formed XML of this kind, within the bounds. What it says is the provider's to judge.
pub fn check(document: &[u8], root: &'static str) -> Result<(), XmlError> {
    parse_with(document, root, Attributes::NamespaceAndType).map(|_| ())
}

/// Checks a `RestoreRequest`, and says whether it asks for no more than a restored copy in its place. A query over the
/// object (`Type`, `SelectParameters`, `OutputLocation`) writes its results into a bucket of its own.
pub fn restores_in_place(document: &[u8]) -> Result<bool, XmlError> {
    let root = parse_with(document, "RestoreRequest", Attributes::NamespaceAndType)?;
    let known = ["Days", "GlacierJobParameters", "Tier", "Description"];
    Ok(root.children.iter().all(|child| known.contains(&child.name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_delete() {
        let document = br#"<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Object><Key>a &amp; b</Key></Object>
            <Object><Key> c </Key><VersionId>v1</VersionId><ETag>"e"</ETag><Size>7</Size></Object>
            <Quiet>true</Quiet></Delete>"#;
        let delete = read_delete(document).unwrap();
        assert!(delete.quiet);
        let keys: Vec<_> = delete.objects.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(keys, ["a & b", " c "]);
        let second = &delete.objects[1];
        assert_eq!((second.version_id.as_deref(), second.etag.as_deref()), (Some("v1"), Some("\"e\"")));
        assert_eq!((second.size.as_deref(), second.last_modified_time.as_deref()), (Some("7"), None));
    }

    #[test]
    fn a_delete_has_one_to_a_thousand_objects() {
        let delete =
            |count| ["<Delete>", &"<Object><Key>k</Key></Object>".repeat(count), "</Delete>"].concat();
        assert_eq!(read_delete(delete(1000).as_bytes()).unwrap().objects.len(), 1000);
        assert_eq!(read_delete(delete(1001).as_bytes()), Err(XmlError::TooMany("Object")));
        assert_eq!(read_delete(delete(0).as_bytes()), Err(XmlError::Missing("Object")));
    }

    #[test]
    fn a_delete_has_sound_keys() {
        let long = "k".repeat(1025);
        for key in ["", "<Key/>", &["<Key>", &long, "</Key>"].concat()] {
            let document = ["<Delete><Object>", key, "</Object></Delete>"].concat();
            assert_eq!(read_delete(document.as_bytes()), Err(XmlError::Missing("Key")), "{key}");
        }
        let quiet = b"<Delete><Quiet>maybe</Quiet><Object><Key>k</Key></Object></Delete>";
        assert_eq!(read_delete(quiet), Err(XmlError::Missing("Quiet")));
    }

    #[test]
    fn checks_the_parts_of_an_upload() {
        let document = |number: &str, etag: &str, count| {
            let part = [
                "<Part><PartNumber>",
                number,
                "</PartNumber><ETag>",
                etag,
                "</ETag><ChecksumSHA256/></Part>",
            ];
            ["<CompleteMultipartUpload>", &part.concat().repeat(count), "</CompleteMultipartUpload>"].concat()
        };
        let check = |number, etag, count| read_complete_multipart(document(number, etag, count).as_bytes());
        assert_eq!(check("1", "e", 1), Ok(vec![(1, String::from("e"))]));
        let highest = (10_000, String::from("\"e\""));
        assert_eq!(check(" 10000 ", "\"e\"", 10_000), Ok(vec![highest; 10_000]));
        assert_eq!(check("1", "e", 10_001), Err(XmlError::TooMany("Part")));
        assert_eq!(check("1", "e", 0), Err(XmlError::Missing("Part")));
        for number in ["0", "10001", "-1", "", "x"] {
            assert_eq!(check(number, "e", 1), Err(XmlError::Missing("PartNumber")), "{number}");
        }
        assert_eq!(check("1", "", 1), Err(XmlError::Missing("ETag")));
    }

    #[test]
    fn reads_what_a_bucket_is_to_be() {
        let read = |content: &str| {
            let document = ["<CreateBucketConfiguration>", content, "</CreateBucketConfiguration>"].concat();
            read_create_bucket(document.as_bytes()).map(|bucket| (bucket.region, bucket.has_more))
        };
        assert_eq!(read(""), Ok((None, false)));
        assert_eq!(read("<LocationConstraint/>"), Ok((None, false)));
        let region = Some(String::from("eu-west-1"));
        assert_eq!(read("<LocationConstraint> eu-west-1 </LocationConstraint>"), Ok((region, false)));
        assert_eq!(read("<Tags><Tag/></Tags>"), Ok((None, true)));
        assert_eq!(read_create_bucket(b"<Tagging/>"), Err(XmlError::Root("CreateBucketConfiguration")));
    }

    #[test]
    fn a_restore_names_no_other_bucket() {
        let read = |content: &str| {
            let document = ["<RestoreRequest>", content, "</RestoreRequest>"].concat();
            restores_in_place(document.as_bytes())
        };
        let tier = "<Days>1</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters>";
        assert_eq!(read(tier), Ok(true));
        for name in ["Type", "SelectParameters", "OutputLocation", "s:OutputLocation"] {
            assert_eq!(read(&format!("<Days>1</Days><{name}></{name}>")), Ok(false), "{name}");
        }
        assert_eq!(restores_in_place(b"<Tagging/>"), Err(XmlError::Root("RestoreRequest")));
    }

    #[test]
    fn reads_tags() {
        let read = |tag: &str| {
            let document = ["<Tagging><TagSet><Tag>", tag, "</Tag></TagSet></Tagging>"].concat();
            read_tagging(document.as_bytes())
        };
        let tag = (String::from("a&b"), String::new());
        assert_eq!(read("<Key>a&amp;b</Key><Value/>"), Ok(vec![tag]));
        assert_eq!(read("<Value>v</Value>"), Err(XmlError::Missing("Key")));
        assert_eq!(read("<Key>k</Key>"), Err(XmlError::Missing("Value")));
        assert_eq!(read_tagging(b"<Tagging><TagSet/></Tagging>"), Ok(Vec::new()));
    }

    #[test]
    fn checks_what_is_passed_on() {
        let acl = br#"<AccessControlPolicy><AccessControlList><Grant>
            <Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>x</ID></Grantee>
            <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"#;
        assert_eq!(check(acl, "AccessControlPolicy"), Ok(()));
        assert_eq!(check(acl, "Tagging"), Err(XmlError::Root("Tagging")));
        assert_eq!(check(b"<Tagging a=\"b\"/>", "Tagging"), Err(XmlError::Attribute));
        assert_eq!(check(b"<!DOCTYPE a><Tagging/>", "Tagging"), Err(XmlError::Doctype));
        assert_eq!(check(b"<Tagging>", "Tagging"), Err(XmlError::Malformed));
        // Only there: what Wharf itself looks into has no use for types.
        assert_eq!(read_delete(b"<Delete xsi:type=\"a\"/>"), Err(XmlError::Attribute));
    }
}
