//! The gateway. A request walks one way: `server` (accept, TLS, limits) → `pipeline` (the steps in order, each a file in
//! `request`: id, framing, admission, rate limits, authenticate) → `upload_api` (target, authorize, sign) → response; at
//! the S3 door → `s3_endpoint` (place, rights, body) → `backend` (sign, send) → response; or, where an app stands behind
//! Wharf and the path is not Wharf's, → `app_proxy` → response.
//! `gateway` is the composition root.

pub mod admin;
pub mod app_proxy;
pub mod backend;
pub mod cli;
pub mod clock;
pub mod companion;
pub mod config;
pub mod error;
pub mod events;
pub mod gateway;
pub mod key_set;
pub mod mirror;
pub mod pipeline;
pub mod request;
pub mod s3_endpoint;
pub mod seal;
pub mod sealing_key;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tenure;
pub mod transfer;
pub mod upload_api;
pub mod usage;
pub mod webhooks;
