//! A request as S3 understands it: what it is about, which operation it asks for, and with which parameters.
//!
//! The operation follows from the method, the address and at most one sub-resource, by the table in
//! [`super::operation`]. Whatever is not in the table is refused, never guessed.

use std::{borrow::Cow, fmt};

use http::Method;

use crate::encode;

use super::{Address, ErrorCode, Operation, Parameters, Refusal, Verb, operation::is_sub_resource, uri};

/// Harm of more: names are compared with each other.
const PARAMETERS_MAX: usize = 64;

/// What of a request's head decides the operation, apart from the address.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// `GET`
    pub method: &'a Method,
    /// The query as received, without its `?`.
    pub query: &'a str,
    /// Whether there is a header `x-amz-copy-source`.
    pub has_copy_source: bool,
}

/// A request that is one of S3's.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What it is about; its level is the operation's.
    pub address: Address,
    /// What it asks for.
    pub operation: Operation,
    /// Its query parameters, those of the operation and no others.
    pub parameters: Parameters,
    /// Headers that came in the query, as presigning SDKs put them there: lower-case names of `x-amz-*` headers, each
    /// once. They are subject to all that headers are subject to, and must not be sent as a header besides.
    pub query_headers: Vec<(String, String)>,
}

/// Without the values of headers: one may be a customer's key.
impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.query_headers.iter().map(|(name, _)| name.as_str()).collect();
        out.debug_struct("Request")
            .field("address", &self.address)
            .field("operation", &self.operation)
            .field("parameters", &self.parameters)
            .field("query_headers", &names)
            .finish()
    }
}

/// Reads a request's head.
pub fn parse(address: Address, head: Head<'_>) -> Result<Request, Refusal> {
    let mut pairs = decode(head.query)?;
    let query_headers = take_query_headers(&mut pairs);
    let has_copy_source = head.has_copy_source || query_headers.iter().any(|(name, _)| name == COPY_SOURCE);
    let sub_resource = sub_resource(&pairs)?;
    let operation = find(&address, head.method, sub_resource, has_copy_source)?;
    let flag = operation.flag();
    let mut parameters = Parameters::default();
    for (name, value) in pairs {
        match flag {
            Some(flag) if flag.0 == name => check_flag(flag, &value)?,
            _ => parameters.add(operation, &name, value.into_owned())?,
        }
    }
    let is_part = matches!(operation, Operation::UploadPart | Operation::UploadPartCopy);
    if is_part && parameters.part_number().is_none() {
        return Err(Refusal::new(ErrorCode::InvalidArgument, "An upload of a part needs a partNumber."));
    }
    Ok(Request { address, operation, parameters, query_headers })
}

/// The header that makes a copy of a `PUT`.
const COPY_SOURCE: &str = "x-amz-copy-source";

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The names and values of a query, without what signs it and without an SDK's hint which operation it has in mind.
fn decode(query: &str) -> Result<Vec<Pair<'_>>, Refusal> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for (name, value) in encode::query_pairs(query).filter(|(name, _)| !is_of_signature(name)) {
        let (name, value) = (uri::decode_query(name)?, uri::decode_query(value)?);
        // Names of headers are the same in any case, and other names that differ in case alone are wrong in any case.
        if pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::about(ErrorCode::InvalidArgument, "This query parameter came twice", &name));
        }
        if pairs.len() == PARAMETERS_MAX {
            return Err(Refusal::new(ErrorCode::InvalidArgument, "There are too many query parameters."));
        }
        pairs.push((name, value));
    }
    pairs.retain(|(name, _)| name != "x-id");
    Ok(pairs)
}

/// The parameters that sign a request. Whoever verifies it reads them, and sees that each is there once.
const SIGNATURE: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

fn is_of_signature(name: &str) -> bool {
    SIGNATURE.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Takes all `x-amz-*` out of `pairs`, and forgets those of a signature whose names were escaped, and checksums.
fn take_query_headers(pairs: &mut Vec<Pair<'_>>) -> Vec<(String, String)> {
    pairs
        .extract_if(.., |(name, _)| is_amz(name))
        .filter(|(name, _)| !is_of_signature(name))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
        .filter(|(name, _)| !is_checksum(name))
        .collect()
}

/// Whether a header holds the checksum of a body. SDKs that presign an upload put that of the empty body into the URL, for
/// want of the one that will be sent, and S3 does not look at it. As a header that is signed, it counts.
fn is_checksum(name: &str) -> bool {
    let what = name.strip_prefix("x-amz-checksum-");
    what.is_some_and(|what| !matches!(what, "algorithm" | "mode" | "type"))
}

fn is_amz(name: &str) -> bool {
    name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
}

/// The one sub-resource that a query names, or nothing.
fn sub_resource<'a>(pairs: &'a [Pair<'_>]) -> Result<&'a str, Refusal> {
    let mut named = pairs.iter().map(|(name, _)| name.as_ref()).filter(|name| is_sub_resource(name));
    match (named.next(), named.next()) {
        (None, _) => Ok(""),
        (Some(name), None) => Ok(name),
        (Some(name), Some(other)) => Err(Refusal::new(
            ErrorCode::InvalidArgument,
            format!("Conflicting query parameters: {name}, {other}"),
        )),
    }
}

fn find(
    address: &Address,
    method: &Method,
    sub_resource: &str,
    has_copy_source: bool,
) -> Result<Operation, Refusal> {
    let level = address.level();
    let verb = Verb::of(method, has_copy_source);
    if let Some(operation) = verb.and_then(|verb| Operation::find(level, verb, sub_resource)) {
        if has_copy_source && verb != Some(Verb::Copy) {
            return Err(no_copy());
        }
        return Ok(operation);
    }
    let allow = Operation::methods(level, sub_resource);
    if allow.is_empty() {
        let message = "This sub-resource is not implemented here";
        return Err(Refusal::about(ErrorCode::NotImplemented, message, sub_resource));
    }
    if allow.contains(&method.as_str()) {
        return Err(no_copy());
    }
    Err(Refusal { allow, ..ErrorCode::MethodNotAllowed.into() })
}

fn no_copy() -> Refusal {
    Refusal::new(ErrorCode::InvalidArgument, "Only a copy takes the header x-amz-copy-source.")
}

/// A flag's value means nothing to S3, but there is only one version of a versioned list.
fn check_flag((name, expected): (&str, &str), value: &str) -> Result<(), Refusal> {
    if expected.is_empty() || value == expected {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::InvalidArgument, format!("{name} is {expected}")))
}
