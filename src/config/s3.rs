//! `[s3]`: how apps that speak S3 see Wharf.

use wharf_wire::{
    endpoint::{Endpoint, Host},
    names::Region,
};

use super::{checked::S3, raw::Table, upload};

const DOMAIN_HINT: &str = "write a domain without scheme and port: `s3.example.com`";
const ENDPOINT_HINT: &str = "write how browsers reach it: `https://s3.example.com`";
const REGION_HINT: &str = "write the region that the apps' SDKs are set to: `us-east-1`";

/// Reads `[s3]`.
pub(super) fn read(table: &mut Table<'_>) -> S3 {
    let region = table.parsed("region", REGION_HINT, Region::parse);
    S3 {
        region: region.unwrap_or_else(Region::us_east_1),
        domains: table.list("domains", |entry| entry.parsed(DOMAIN_HINT, domain)),
        public_endpoint: table.parsed("public_endpoint", ENDPOINT_HINT, Endpoint::parse),
        cors: table.section("cors", upload::cors),
    }
}

/// A domain whose first label can be a bucket: a name, not an address.
fn domain(text: &str) -> Result<String, String> {
    match Host::parse(text).map_err(|error| error.to_string())? {
        Host::Name(name) => Ok(name),
        Host::Address(_) => Err("is an address, and buckets cannot stand before one".to_owned()),
    }
}
