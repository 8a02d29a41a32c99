//! What S3 says on the wire, and nothing else: no IO, no clock, no globals, no panic on input.
//!
//! Everything here is bytes and values in, values out. Names are checked once, when they are parsed
//! ([`names`]); one percent-encoder ([`encode`]) makes both what is signed and what is sent; URLs are
//! assembled from parts ([`endpoint`], [`sigv4::presign`]) and never normalised; streamed
//! bodies ([`chunked`]) are taken apart in whatever pieces they come.

pub mod checksum;
pub mod chunked;
pub mod cors;
pub mod date;
pub mod encode;
pub mod endpoint;
pub mod form;
pub mod names;
pub mod s3;
pub mod sigv4;
pub mod xml;
