//! Multipart uploads at a provider that takes no trailers: nothing is promised to it that Wharf does not pass on.

use http::Method;
use wharf_wire::xml::write_complete_multipart;

use crate::support::{
    gateway::TestGateway,
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
};

const COMPLETE: &[u8] = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag>\
    <ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>";

fn answer(request: &Recorded) -> Answer {
    let is_begin = request.target().contains("uploads");
    let root = if is_begin { "InitiateMultipartUploadResult" } else { "CompleteMultipartUploadResult" };
    let document = format!("<{root}><Bucket>stored-photos</Bucket><Key>a</Key></{root}>");
    Answer::new(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{document}", document.len()))
}

/// Begins and completes an upload as SDKs do by default, and shows what the provider gets.
async fn checksums_and_document(settings: &str) -> (Vec<Option<String>>, Vec<u8>) {
    let recorder = Recorder::answering(|request| request.is_complete.then(|| answer(request))).await;
    let config = in_front_of(&recorder.endpoint(), S3_KEYS);
    let gateway = TestGateway::start(&config.replace("plugin = ", settings)).await;
    let create = Ask::new(Method::POST, "/photos/a?uploads").header("x-amz-checksum-algorithm", "CRC32");
    let create = create.header("x-amz-checksum-type", "FULL_OBJECT");
    assert_eq!(create.sign().status(&gateway).await, 200);
    let complete = Ask::new(Method::POST, "/photos/a?uploadId=u").body(Mode::Hash, COMPLETE);
    let complete = complete.header("x-amz-checksum-type", "FULL_OBJECT");
    assert_eq!(complete.sign().status(&gateway).await, 200);
    let [create, complete] = recorder.requests().try_into().expect("two requests");
    let headers = [
        create.header("x-amz-checksum-algorithm"),
        create.header("x-amz-checksum-type"),
        complete.header("x-amz-checksum-type"),
    ];
    (headers.map(|value| value.map(str::to_owned)).to_vec(), complete.body)
}

#[tokio::test]
async fn checksums_are_promised_to_a_provider_that_gets_them() {
    let (headers, document) = checksums_and_document("trailers = true\nplugin = ").await;
    let promised = ["CRC32", "FULL_OBJECT", "FULL_OBJECT"].map(|value| Some(value.to_owned()));
    assert_eq!((headers, document), (promised.to_vec(), COMPLETE.to_vec()));
    let (headers, document) = checksums_and_document("plugin = ").await;
    assert_eq!(headers, vec![None; 3]);
    assert_eq!(document, write_complete_multipart(&[(1, "\"a\"")]).into_bytes());
}

#[tokio::test]
async fn a_restore_writes_into_no_other_bucket() {
    let recorder = Recorder::start().await;
    let gateway = TestGateway::start(&in_front_of(&recorder.endpoint(), S3_KEYS)).await;
    let restore = |body| Ask::new(Method::POST, "/photos/a?restore").body(Mode::Hash, body).sign();
    let elsewhere =
        b"<RestoreRequest><Type>SELECT</Type><OutputLocation><S3><BucketName>films</BucketName></S3>\
        </OutputLocation></RestoreRequest>";
    let reply = restore(elsewhere).send(&gateway).await;
    assert_eq!((reply.status, reply.s3_code()), (501, "NotImplemented"), "{reply:?}");
    assert_eq!(recorder.requests().len(), 0);
    assert_eq!(restore(b"<RestoreRequest><Days>1</Days></RestoreRequest>").status(&gateway).await, 200);
}
