//! The integration tests: one binary, one module per subject.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is not as expected fails the test; clippy knows that of test functions, not of their helpers"
)]

mod app_proxy;
mod app_proxy_streams;
mod app_proxy_upgrade;
mod auth;
mod cdn;
mod companion_multipart;
mod companion_params;
mod companion_sign;
mod companion_token;
mod config;
mod config_check;
mod config_watch;
mod embedded_store;
mod mirror_backfill;
mod mirror_commands;
mod mirror_config;
mod mirror_doors;
mod mirror_doors_copied;
mod mirror_doors_refused;
mod mirror_events;
mod mirror_failover;
mod mirror_failover_resumed;
mod mirror_failover_writes;
mod mirror_moved;
mod mirror_restore;
mod mirror_simulation;
mod mirror_sync;
mod mirror_tee;
mod mirror_tee_locked;
mod mirror_tee_uploads;
mod mirror_worker;
mod mirror_worker_faults;
mod mirror_worker_stalls;
mod provider_probe;
mod rate_limit;
mod s3_attacks;
mod s3_buckets;
mod s3_chunks;
mod s3_copy;
mod s3_copy_streamed;
mod s3_cors;
mod s3_delete;
mod s3_digests;
mod s3_form;
mod s3_keys;
mod s3_multipart;
mod s3_public;
mod s3_replies;
mod s3_trailers;
mod s3_truncated;
mod server_admin;
mod server_drain;
mod server_framing;
mod server_http2;
mod server_limits;
mod server_log;
mod server_process;
mod server_refusals;
mod server_reload;
mod server_tls;
mod store_backfill;
mod store_equal;
mod store_faults;
mod store_journal;
mod store_model;
mod store_tenure;
mod support;
mod upload_complete;
mod upload_cookies;
mod upload_cors;
mod upload_form;
mod upload_hostile;
mod upload_multipart;
mod upload_multipart_refused;
mod upload_objects;
mod upload_own_door;
mod upload_sdk;
mod upload_store;
mod upload_test_connection;
mod upstream_origin;
