//! What several tests share.

pub(crate) mod app;
pub(crate) mod copies;
pub(crate) mod database;
pub(crate) mod gateway;
pub(crate) mod json_schema;
pub(crate) mod memory_store;
pub(crate) mod mirrored;
pub(crate) mod mirroring;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod recorder;
pub(crate) mod s3_client;
pub(crate) mod s3_form;
pub(crate) mod shelf;
pub(crate) mod store;
pub(crate) mod tee;
pub(crate) mod troubled_store;
pub(crate) mod two_stores;
pub(crate) mod upload_client;
pub(crate) mod uppy;
pub(crate) mod webhooks;
pub(crate) mod witness;
