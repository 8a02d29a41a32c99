use proptest::{
    prelude::{ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, proptest},
    sample::Index,
};

use super::*;

fn names() -> Names {
    Names {
        bucket: String::from("photos"),
        provider_bucket: String::from("acme-photos-prod"),
        key_prefix: String::from("tenant-a/"),
        keys_are_url_encoded: false,
        resource: String::from("/photos/a&b"),
        request_id: String::from("WHARF1"),
        location: String::from("https://s3.wharf.example/photos/a&b"),
        asked: Asked {
            prefix: String::from("2026/"),
            marker: String::from("2026/a"),
            start_after: String::from("2026/b"),
            key_marker: String::from("2026/c"),
        },
    }
}

/// The outcome and all that was written, for an input in pieces.
fn rewrite<'a>(
    names: Names,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Result<(), RewriteError>, BytesMut) {
    let mut rewriter = Rewriter::new(names);
    let mut out = BytesMut::new();
    let pushed = pieces.into_iter().try_for_each(|piece| rewriter.push(piece, &mut out));
    (pushed.and_then(|()| rewriter.finish()), out)
}

fn rewritten(names: Names, document: &str) -> Result<String, RewriteError> {
    let (outcome, out) = rewrite(names, [document.as_bytes()]);
    outcome.map(|()| String::from_utf8(out.to_vec()).unwrap())
}

/// A document at the provider and what the caller must see of it.
const LIST_V1: [&str; 2] = [
    r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
    <Name>acme-photos-prod</Name>
    <Prefix>tenant-a/2026/</Prefix>
    <Marker></Marker>
    <NextMarker>tenant-a/2026/z</NextMarker>
    <MaxKeys>1000</MaxKeys>
    <Delimiter>/</Delimiter>
    <IsTruncated>true</IsTruncated>
    <Contents>
        <Key>tenant-a/2026/tenant-a/my-image.jpg</Key>
        <LastModified>2009-10-12T17:50:30.000Z</LastModified>
        <ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag>
        <Size>434234</Size>
        <StorageClass>STANDARD</StorageClass>
        <Owner>
            <ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID>
            <DisplayName>acme-photos-prod</DisplayName>
        </Owner>
    </Contents>
    <CommonPrefixes>
        <Prefix>tenant-a/2026/&lt;a&amp;b&gt;/</Prefix>
    </CommonPrefixes>
</ListBucketResult>
"#,
    r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
    <Name>photos</Name>
    <Prefix>2026/</Prefix>
    <Marker>2026/a</Marker>
    <NextMarker>2026/z</NextMarker>
    <MaxKeys>1000</MaxKeys>
    <Delimiter>/</Delimiter>
    <IsTruncated>true</IsTruncated>
    <Contents>
        <Key>2026/tenant-a/my-image.jpg</Key>
        <LastModified>2009-10-12T17:50:30.000Z</LastModified>
        <ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag>
        <Size>434234</Size>
        <StorageClass>STANDARD</StorageClass>
        <Owner>
            <ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID>
            <DisplayName>acme-photos-prod</DisplayName>
        </Owner>
    </Contents>
    <CommonPrefixes>
        <Prefix>2026/&lt;a&amp;b&gt;/</Prefix>
    </CommonPrefixes>
</ListBucketResult>
"#,
];

const LIST_V2: [&str; 2] = [
    "<s3:ListBucketResult xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\"><s3:Name>acme-photos-prod</s3:Name>\
     <s3:Prefix/><s3:StartAfter>tenant-a/</s3:StartAfter><s3:KeyCount>1</s3:KeyCount>\
     <s3:NextContinuationToken>tenant-a/x</s3:NextContinuationToken><s3:Contents><s3:Key><![CDATA[tenant-a/<&>]]></s3:Key>\
     <s3:Size>1</s3:Size></s3:Contents><!-- <Key> --></s3:ListBucketResult>",
    "<s3:ListBucketResult xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\"><s3:Name>photos</s3:Name>\
     <s3:Prefix>2026/</s3:Prefix><s3:StartAfter></s3:StartAfter><s3:KeyCount>1</s3:KeyCount>\
     <s3:NextContinuationToken>tenant-a/x</s3:NextContinuationToken><s3:Contents><s3:Key>&lt;&amp;&gt;</s3:Key>\
     <s3:Size>1</s3:Size></s3:Contents><!-- <Key> --></s3:ListBucketResult>",
];

const VERSIONS: [&str; 2] = [
    "<ListVersionsResult><Name>acme-photos-prod</Name><Prefix>tenant-a/2026/</Prefix><KeyMarker/><VersionIdMarker/>\
     <NextKeyMarker>tenant-a/k</NextKeyMarker><Version><Key>tenant-a/k</Key><VersionId>null</VersionId></Version>\
     <DeleteMarker><Key>tenant-a/&#107;</Key></DeleteMarker><CommonPrefixes><Prefix>tenant-a/v/</Prefix></CommonPrefixes>\
     </ListVersionsResult>",
    "<ListVersionsResult><Name>photos</Name><Prefix>2026/</Prefix><KeyMarker>2026/c</KeyMarker><VersionIdMarker/>\
     <NextKeyMarker>k</NextKeyMarker><Version><Key>k</Key><VersionId>null</VersionId></Version>\
     <DeleteMarker><Key>&#107;</Key></DeleteMarker><CommonPrefixes><Prefix>v/</Prefix></CommonPrefixes>\
     </ListVersionsResult>",
];

const UPLOADS: [&str; 2] = [
    "<ListMultipartUploadsResult><Bucket>acme-photos-prod</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker>\
     <NextKeyMarker/><Upload><Key>tenant-a/k</Key><UploadId>acme-photos-prod</UploadId></Upload>\
     <CommonPrefixes><Prefix>tenant-a/p/</Prefix></CommonPrefixes></ListMultipartUploadsResult>",
    "<ListMultipartUploadsResult><Bucket>photos</Bucket><KeyMarker>2026/c</KeyMarker><UploadIdMarker></UploadIdMarker>\
     <NextKeyMarker/><Upload><Key>k</Key><UploadId>acme-photos-prod</UploadId></Upload>\
     <CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListMultipartUploadsResult>",
];

const COMPLETED: [&str; 2] = [
    "<?xml version=\"1.0\"?>\n   \n <CompleteMultipartUploadResult><Location>http://acme-photos-prod.s3.example/tenant-a/k\
     </Location><Bucket>acme-photos-prod</Bucket><Key>tenant-a/k</Key><ETag>&quot;a-2&quot;</ETag>\
     </CompleteMultipartUploadResult>",
    "<?xml version=\"1.0\"?>\n   \n <CompleteMultipartUploadResult><Location>https://s3.wharf.example/photos/a&amp;b\
     </Location><Bucket>photos</Bucket><Key>k</Key><ETag>&quot;a-2&quot;</ETag>\
     </CompleteMultipartUploadResult>",
];

const DELETED: [&str; 2] = [
    "<DeleteResult><Deleted><Key>tenant-a/sample1.txt</Key></Deleted><Error><Key>tenant-a/sample2.txt</Key>\
     <Code>AccessDenied</Code><Message>acme-photos-prod/tenant-a/sample2.txt: Access Denied</Message></Error></DeleteResult>",
    "<DeleteResult><Deleted><Key>sample1.txt</Key></Deleted><Error><Key>sample2.txt</Key>\
     <Code>AccessDenied</Code><Message>photos/sample2.txt: Access Denied</Message></Error></DeleteResult>",
];

const ERROR: [&str; 2] = [
    "<Error><Code>NoSuchKey</Code><Message>The resource you requested does not exist</Message><Key>tenant-a/mykey</Key>\
     <BucketName>acme-photos-prod</BucketName><Resource>/acme-photos-prod/tenant-a/mykey</Resource>\
     <RequestId>4442587FB7D0A2F9</RequestId><HostId>acme</HostId><Endpoint>acme-photos-prod.s3.example</Endpoint>\
     <Region>eu-west-1</Region><AWSAccessKeyId>AKID</AWSAccessKeyId><StringToSign><a>deep</a><b/></StringToSign>\
     <Condition>If-Match</Condition></Error>",
    "<Error><Code>NoSuchKey</Code><Message>The resource you requested does not exist</Message><Key>mykey</Key>\
     <BucketName>photos</BucketName><Resource>/photos/a&amp;b</Resource>\
     <RequestId>WHARF1</RequestId>\
     <Condition>If-Match</Condition></Error>",
];

const ENCODED: [&str; 2] = [
    "<ListBucketResult><Name>acme-photos-prod</Name><Prefix>other</Prefix><EncodingType>url</EncodingType>\
     <Contents><Key>tenant-a%2F2026/a+b%20c%2f</Key></Contents><Contents><Key>tenant%2Da/%C3%BC</Key></Contents>\
     </ListBucketResult>",
    "<ListBucketResult><Name>photos</Name><Prefix>%C3%BC/%20%26</Prefix><EncodingType>url</EncodingType>\
     <Contents><Key>2026/a+b%20c%2f</Key></Contents><Contents><Key>%C3%BC</Key></Contents>\
     </ListBucketResult>",
];

fn encoding_names() -> Names {
    let asked = Asked { prefix: String::from("ü/ &"), ..Asked::default() };
    Names { keys_are_url_encoded: true, asked, ..names() }
}

/// Every kind of document with the names that it is rewritten by.
fn examples() -> Vec<(Names, [&'static str; 2])> {
    let v1 = ["<Marker></Marker>", "<Marker>2026/a</Marker>"];
    assert!(LIST_V1.iter().zip(v1).all(|(document, marker)| document.contains(marker)));
    let plain = [LIST_V1, LIST_V2, VERSIONS, UPLOADS, COMPLETED, DELETED, ERROR].map(|pair| (names(), pair));
    plain.into_iter().chain([(encoding_names(), ENCODED)]).collect()
}

#[test]
fn the_callers_names_stand_in_every_document() {
    for (names, [provider, caller]) in examples() {
        assert_eq!(rewritten(names, provider).as_deref(), Ok(caller));
    }
}

#[test]
fn without_a_prefix_only_the_bucket_changes() {
    let names = Names { key_prefix: String::new(), ..names() };
    let expected = ERROR[0]
        .split_once("<HostId>")
        .unwrap()
        .0
        .replace("/acme-photos-prod/tenant-a/mykey", "/photos/a&amp;b")
        .replace("acme-photos-prod", "photos")
        .replace("4442587FB7D0A2F9", "WHARF1");
    assert_eq!(
        rewritten(names, ERROR[0]),
        Ok([&expected, "<Condition>If-Match</Condition></Error>"].concat())
    );
}

#[test]
fn the_root_is_known_from_its_tag_on() {
    let mut rewriter = Rewriter::new(names());
    let mut out = BytesMut::new();
    rewriter.push(b"<?xml version=\"1.0\"?>   <Err", &mut out).unwrap();
    assert_eq!(rewriter.root(), None);
    assert_eq!(out, "<?xml version=\"1.0\"?>   ");
    rewriter.push(b"or>", &mut out).unwrap();
    assert_eq!(rewriter.root(), Some("Error"));
}

#[test]
fn a_key_outside_of_the_prefix_never_leaves() {
    for document in [
        "<ListBucketResult><Contents><Key>tenant-b/secret</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>tenant-a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key/></Contents></ListBucketResult>",
        "<ListBucketResult><CommonPrefixes><Prefix>secret/</Prefix></CommonPrefixes></ListBucketResult>",
        "<ListBucketResult><NextMarker>secret</NextMarker></ListBucketResult>",
        "<ListPartsResult><Key>secret</Key></ListPartsResult>",
        "<DeleteResult><Error><Key>secret</Key></Error></DeleteResult>",
    ] {
        let (outcome, out) = rewrite(names(), [document.as_bytes()]);
        assert_eq!(outcome, Err(RewriteError::ForeignKey), "{document}");
        assert!(!String::from_utf8_lossy(&out).contains("secret"), "{document}");
    }
    // A copy's error may name its source, which has another prefix.
    let error = "<Error><Code>NoSuchKey</Code><Key>secret</Key></Error>";
    assert_eq!(rewritten(names(), error).as_deref(), Ok("<Error><Code>NoSuchKey</Code><Key></Key></Error>"));
}

#[test]
fn a_configuration_passes_only_where_the_whole_bucket_is_the_callers() {
    let document = "<LifecycleConfiguration><Rule><Prefix>secret/</Prefix></Rule></LifecycleConfiguration>";
    assert_eq!(rewritten(names(), document), Err(RewriteError::WholeBucket));
    let whole = Names { key_prefix: String::new(), ..names() };
    assert_eq!(rewritten(whole, document).as_deref(), Ok(document));
}

#[test]
fn a_document_that_ends_early_is_not_whole() {
    for (names, [document, _]) in examples() {
        for cut in 0..document.trim_end().len() {
            let (outcome, _) = rewrite(names.clone(), [&document.as_bytes()[..cut]]);
            assert_eq!(outcome, Err(RewriteError::Truncated), "{}", &document[..cut]);
        }
    }
}

#[test]
fn refuses_what_s3_never_sends() {
    let deep = ["<Tagging>", &"<a>".repeat(16)].concat();
    let long_text = ["<ListPartsResult><Key>", &"k".repeat(TEXT_BYTES_MAX + 1)].concat();
    let long_tag = ["<Tagging a=\"", &">".repeat(MARKUP_BYTES_MAX)].concat();
    for (document, error) in [
        ("<!DOCTYPE Error><Error/>", RewriteError::Doctype),
        ("<Tagging><!DOCTYPE a></Tagging>", RewriteError::Doctype),
        ("<html><body>502</body></html>", RewriteError::UnknownDocument),
        ("502 Bad Gateway", RewriteError::Malformed),
        ("<Tagging/><Tagging/>", RewriteError::Malformed),
        ("<Tagging/>text", RewriteError::Malformed),
        ("<Tagging/><![CDATA[ ]]>", RewriteError::Malformed),
        ("<Tagging></Error>", RewriteError::Malformed),
        ("</Tagging>", RewriteError::Malformed),
        ("<Tagging><a></Tagging></a>", RewriteError::Malformed),
        ("<ListPartsResult><Key>tenant-a/<b/></Key></ListPartsResult>", RewriteError::Malformed),
        ("<ListPartsResult><Key>tenant-a/<b>c</b></Key></ListPartsResult>", RewriteError::Malformed),
        ("<T\0a\0g\0>", RewriteError::Malformed),
        (deep.as_str(), RewriteError::TooDeep),
        (long_text.as_str(), RewriteError::TooLong),
        (long_tag.as_str(), RewriteError::TooLong),
    ] {
        let start: String = document.chars().take(60).collect();
        assert_eq!(rewritten(names(), document), Err(error), "{start}");
    }
}

#[test]
fn the_longest_key_passes_in_its_longest_spelling() {
    let key = "&quot;".repeat(1024 - "tenant-a/".len());
    let document = ["<ListPartsResult><Key>tenant-a/", &key, "</Key></ListPartsResult>"].concat();
    assert_eq!(rewritten(names(), &document), Ok(document.replace("tenant-a/", "")));
}

#[test]
fn memory_does_not_grow_with_the_document() {
    let mut rewriter = Rewriter::new(names());
    let mut out = BytesMut::new();
    rewriter.push(b"<ListBucketResult>", &mut out).unwrap();
    for _ in 0..1000 {
        rewriter.push(b"<Contents><Key>tenant-a/k</Key><x>", &mut out).unwrap();
        rewriter.push(&[b'x'; 10_000], &mut out).unwrap();
        rewriter.push(b"</x></Contents>", &mut out).unwrap();
        out.clear();
    }
    assert!(rewriter.markup.capacity() + rewriter.text.capacity() <= 2 * (MARKUP_BYTES_MAX + TEXT_BYTES_MAX));
}

/// The pieces of `bytes` between the given places.
fn cut<'a>(bytes: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let starts = [0].into_iter().chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| &bytes[start..*end]).collect()
}

/// Scraps of which some make documents and most do not.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop::sample::select(vec![
        "<ListBucketResult>",
        "</ListBucketResult>",
        "<Error>",
        "</Error>",
        "<Contents>",
        "</Contents>",
        "<Key>",
        "</Key>",
        "tenant-a/",
        "<Prefix/>",
        "<Name>",
        "</Name>",
        "<s3:Key >",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        "<HostId>",
        "</HostId>",
        "&amp;",
        "&#116;",
        "%2F",
        "\"",
        "'",
        "<",
        ">",
        "/",
        " ",
        "x",
        "<a b='>'/>",
        "<Message>",
        "</Message>",
    ]);
    prop::collection::vec(scrap, 0..24).prop_map(|scraps| scraps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_of_an_answer_gives_the_same(example in any::<Index>(), places in any::<[Index; 5]>()) {
        let examples = examples();
        let (names, [provider, caller]) = example.get(&examples);
        let (outcome, out) = rewrite(names.clone(), cut(provider.as_bytes(), &places));
        prop_assert_eq!(outcome, Ok(()));
        prop_assert_eq!(out, caller);
    }

    #[test]
    fn every_cut_of_anything_gives_the_same(text in scraps(), inside in any::<bool>(), places in any::<[Index; 5]>()) {
        let document = if inside { ["<ListBucketResult><Contents><Key>", &text].concat() } else { text };
        let (whole, at_once) = rewrite(names(), [document.as_bytes()]);
        for pieces in [cut(document.as_bytes(), &places), document.as_bytes().chunks(1).collect()] {
            let (outcome, out) = rewrite(names(), pieces);
            prop_assert_eq!(outcome, whole);
            // What was written before an error found in the input depends on when it was seen.
            if matches!(whole, Ok(()) | Err(RewriteError::Truncated)) {
                prop_assert_eq!(&out, &at_once);
            }
        }
    }

    #[test]
    fn any_key_comes_out_as_the_caller_knows_it(key in "\\PC{1,40}", prefix in "\\PC{0,10}", encoded in any::<bool>()) {
        let spell = |text: &str| {
            let mut out = String::new();
            if encoded { crate::encode::query(text, &mut out) } else { out = text::escape(text) }
            out
        };
        let names = Names { key_prefix: prefix.clone(), keys_are_url_encoded: encoded, ..names() };
        let document = |key: &str| ["<ListPartsResult><Key>", &spell(key), "</Key></ListPartsResult>"].concat();
        prop_assert_eq!(rewritten(names, &document(&(prefix + &key))), Ok(document(&key)));
    }

    #[test]
    fn nothing_makes_it_panic(pieces in any::<Vec<Vec<u8>>>()) {
        let (outcome, _) = rewrite(names(), pieces.iter().map(Vec::as_slice));
        prop_assert!(outcome.is_err());
    }
}
