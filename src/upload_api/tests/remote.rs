//! How far a connection on behalf of a caller may go.

use http::HeaderMap;
use wharf_wire::s3::{Operation as S3Operation, Parameters};

use super::{CONFIG, UploadApi, api};
use crate::{
    backend::upstream::Reach,
    error::{Code, Error},
    transfer::Sending,
    upload_api::{
        body::Body,
        remote::{Question, Remote},
        target::{Named, Target},
    },
};

/// The target of a caller who names `endpoint`, or none.
fn target<'a>(api: &'a UploadApi, endpoint: &str) -> Target<'a> {
    let own = r#""minioAccessKey":"id","minioSecretKey":"secret","minioBucket":"theirs","minioRegion":"x""#;
    let body = format!(r#"{{{own},"minioEndpoint":"{endpoint}"}}"#);
    let identity = api.key("everything");
    let body = Body::parse(body.as_bytes(), "minio").unwrap();
    let named = Named::find(&api.parts.config, &identity, "minio").unwrap();
    named.target(&identity, None, &body.brought).unwrap()
}

#[test]
fn what_the_operator_wrote_down_may_be_inside() {
    let api = api(CONFIG);
    assert_eq!(target(&api, "http://10.0.0.7:9000").reach, Reach::Anywhere);
    assert_eq!(target(&api, "https://store.example.com").reach, Reach::Anywhere);
    assert_eq!(target(&api, "https://any.stores.example.com").reach, Reach::Public);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_where_it_was_not_written_down() {
    let toml = CONFIG.replace("\"http://10.0.0.7:9000\"", "\"http://localhost:9\", \"http://127.0.0.1:9\"");
    let api = api(&toml);
    for (endpoint, reach, code) in [
        ("http://localhost:9", Reach::Public, Code::EndpointNotAllowed),
        ("http://127.0.0.1:9", Reach::Public, Code::EndpointNotAllowed),
        ("http://127.0.0.1:9", Reach::Anywhere, Code::UpstreamError),
    ] {
        let target = Target { reach, ..target(&api, endpoint) };
        let question = Question {
            operation: S3Operation::ListObjectsV2,
            key: None,
            parameters: &Parameters::default(),
            sending: Sending::without_body(HeaderMap::new()),
        };
        let remote = Remote::of(&target, &api.parts.origins).unwrap();
        let refused = Error::from(remote.ask(question).await.expect_err(endpoint));
        assert_eq!(refused.code, code, "{endpoint} {refused:?}");
    }
}
