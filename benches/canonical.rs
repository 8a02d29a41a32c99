//! What the canonical forms of a request with signed headers cost: what whoever signs or verifies one pays at the least.
//! `cargo bench --bench canonical`

use divan::{Bencher, black_box};
use sha2::{Digest, Sha256};
use wharf_wire::{
    encode,
    sigv4::canonical::{self, CanonicalHeaders, CanonicalRequest, Header},
};

fn main() {
    divan::main();
}

/// What an SDK signs when it uploads.
const HEADERS: [Header<'_>; 6] = [
    ("x-amz-date", b"20130524T000000Z"),
    ("host", b"acme-photos-prod.s3.eu-west-1.amazonaws.com"),
    ("x-amz-content-sha256", b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("content-type", b"image/jpeg"),
    ("x-amz-meta-name", b"  summer   holiday \xfc "),
    ("x-amz-storage-class", b"STANDARD_IA"),
];
const PATH: &str = "/uploads/upl01JD8ZK3M4N5P6Q7R8S9T0V1W2_summer%20holiday-007.jpg";
const LIST_QUERY: &str =
    "list-type=2&prefix=uploads%2F2026&delimiter=/&max-keys=1000&encoding-type=url&start-after=a+b";

fn request<'a>(query: &'a str, headers: &'a mut [Header<'_>]) -> CanonicalRequest<'a> {
    CanonicalRequest {
        method: "PUT",
        path: PATH,
        query,
        headers: CanonicalHeaders::sort(headers),
        payload_sha256: "UNSIGNED-PAYLOAD",
    }
}

#[divan::bench]
fn request_to_digest(bencher: Bencher<'_, '_>) {
    bencher.bench(|| request("", &mut black_box(HEADERS)).sha256());
}

#[divan::bench]
fn request_to_bytes(bencher: Bencher<'_, '_>) {
    bencher.bench(|| request("", &mut black_box(HEADERS)).to_bytes());
}

/// The digest of the same bytes in one piece: the part of `request_to_digest` that is hashing.
#[divan::bench]
fn hashing_alone(bencher: Bencher<'_, '_>) {
    let bytes = request("", &mut HEADERS.clone()).to_bytes();
    bencher.bench(|| Sha256::digest(black_box(&bytes)));
}

#[divan::bench(args = ["", "acl", LIST_QUERY])]
fn query(bencher: Bencher<'_, '_>, received: &str) {
    bencher.bench(|| canonical::query(black_box(received)));
}

#[divan::bench(args = ["uploads/upl01JD8ZK3M4N5P6Q7R8S9T0V1W2_summer-holiday-0007.jpg", "фотографии/лето 2026/море.jpg"])]
fn encode_path(bencher: Bencher<'_, '_>, path: &str) {
    bencher.with_inputs(|| String::with_capacity(256)).bench_refs(|out| encode::path(black_box(path), out));
}
