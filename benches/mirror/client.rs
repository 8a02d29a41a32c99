//! A plain S3 client: Wharf's own way to providers, with nothing to note down.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use wharf::{
    admin::Metrics,
    backend::{Origins, Shared, SigningKeys},
    clock::Clock,
    config::Config,
    transfer::{Object, Sending},
};
use wharf_wire::{
    names::{BucketName, ObjectKey},
    s3::{Operation, Parameters},
};

/// The client.
pub(crate) struct Client {
    pub(crate) origins: Arc<Origins>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Client {
    /// For the providers of `config`.
    pub(crate) fn new(config: &Config) -> Self {
        let metrics = Arc::new(Metrics::default());
        let signing_keys = Arc::new(SigningKeys::new(10));
        let shared = Shared { signing_keys, clock: Clock::System, metrics: Arc::clone(&metrics) };
        Self { origins: Arc::new(Origins::new(config, &shared, None).unwrap()), metrics }
    }

    /// Has `provider` do something with the object `key` of `bucket`; what it answers, if that is a success.
    pub(crate) async fn try_ask(
        &self,
        operation: Operation,
        (provider, bucket): (&str, &str),
        key: &str,
        body: Bytes,
    ) -> Option<Bytes> {
        let origin = Arc::clone(self.origins.get(provider).unwrap());
        let object = Object::new(origin, BucketName::parse(bucket).unwrap(), ObjectKey::parse(key).unwrap());
        let sending = if body.is_empty() {
            Sending::without_body(HeaderMap::new())
        } else {
            Sending::document(HeaderMap::new(), body)
        };
        let reply = object.send(operation, &Parameters::default(), sending).await.unwrap();
        if !reply.status().is_success() {
            return None;
        }
        Some(reply.into_body().read(usize::MAX).await.unwrap())
    }

    /// The same of what must succeed.
    pub(crate) async fn ask(
        &self,
        operation: Operation,
        place: (&str, &str),
        key: &str,
        body: Bytes,
    ) -> Bytes {
        self.try_ask(operation, place, key, body).await.expect("a success")
    }
}
