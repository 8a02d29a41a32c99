//! `PostObject`: a browser's form, whose file goes on as a `PutObject`.
//!
//! Not every provider takes forms, so none is passed on: what its policy allows becomes a request of Wharf's own.
//!
//! ```text
//! fields ── signature ── policy ── rights, limits ── headers by allow-list ── the file, streamed ──▶ PUT
//! ```
//!
//! The provider wants to know the file's length first, and no form says it: it follows from the length of the form where the
//! file is its last field. Where it is not, the file's last byte is held back for good, and nothing is stored. A form without
//! a length, or with a file that is too long for one request, goes on in parts (`parts`).

mod parts;

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use wharf_wire::{
    form::{Claim, FileReader, Form, FormError, FormReader, Progress, Success, policy::Policy},
    names::ObjectKey,
    s3::{
        Address, ErrorCode, Operation, Parameters, Request,
        headers::{self, Passage},
    },
    xml::{self, ObjectNames},
};

use super::{
    Call, Caller, Content, Place, S3Endpoint,
    body::{self, FileParts, Sent, Source},
    failover,
    forward::{Handling, Sending},
    list, rights, usage,
};
use crate::{error::S3Error, request::authenticate::Identity, transfer::tags_as_query};

/// Stores the file of a form.
pub(super) async fn post(
    endpoint: &S3Endpoint,
    call: &Call<'_>,
    incoming: Incoming,
    caller: Caller<'_>,
) -> Result<Response<Content>, S3Error> {
    if call.identity.is_some() {
        let message = "A form is signed in its fields, and not in the request's headers or query.";
        return Err(S3Error::new(ErrorCode::InvalidRequest, message));
    }
    let place = Place::find(&endpoint.config, &endpoint.origins, &call.request.address)?;
    let form_bytes = length(call.headers)?;
    let mut source = Source::new(incoming, &endpoint.config.server.limits);
    let (form, file) = read_fields(call, &mut source).await?;
    let (identity, policy) = prove(call, &form)?;
    caller.standing.tighten(endpoint.rate_limits.identity(&identity)?);
    *caller.identity = Some(identity.clone());
    policy.check(&form, &place.bucket.name, call.context.received)?;
    let file_bytes =
        form_bytes.map(|bytes| file.expected_bytes(bytes).ok_or_else(body::not_last)).transpose()?;
    file_bytes.map_or(Ok(()), |bytes| policy.check_length(bytes))?;

    let (request, headers) = (as_request(&form, &place)?, as_headers(&form)?);
    let put = Call { request: &request, headers: &headers, identity: Some(&identity), ..*call };
    rights::check(&put, &place)?;
    caller.standing.tighten(endpoint.rate_limits.provider(&place.bucket.provider, 1)?);
    let handling = Handling { endpoint, call: &put, place };
    let headers = handling.headers_of_new_object()?;
    failover::check(&handling, &headers).await?;
    let put_bytes_max = place.origin.account().profile().limits.put_bytes_max;
    let stored = match file_bytes {
        Some(bytes) if bytes <= put_bytes_max => whole(&handling, headers, source, (file, bytes)).await?,
        Some(_) | None => {
            let file = FileParts::new(&handling, (source, file), &policy)?;
            file.check_bytes(file_bytes.unwrap_or_default())?;
            parts::store(&handling, headers, file).await?
        }
    };
    Ok(answer(&handling, &form, &stored))
}

/// Bytes of the form, where the client says it before.
fn length(headers: &HeaderMap) -> Result<Option<u64>, S3Error> {
    let name = header::CONTENT_LENGTH;
    headers.contains_key(&name).then(|| body::declared_length(headers, &name)).transpose()
}

/// Stores the file, which has `bytes` if the form ends behind it, in one request. Gives what the provider says of it.
async fn whole(
    handling: &Handling<'_>,
    headers: HeaderMap,
    source: Source,
    (file, bytes): (FileReader, u64),
) -> Result<HeaderMap, S3Error> {
    let mut teeing = handling.teeing_object(&headers)?;
    let Sent { payload, body } = body::file(handling, source, (file, bytes), teeing.as_mut()).await?;
    let intents = handling.intend_object(teeing, payload).await?;
    let reply = failover::put(handling, intents, Sending { headers, payload, body }).await?;
    usage::count_bytes(handling, Operation::PostObject, bytes);
    Ok(reply.into_parts().0.headers)
}

/// Reads a form up to its file, whose beginning stays in `source`.
async fn read_fields(call: &Call<'_>, source: &mut Source) -> Result<(Form, FileReader), S3Error> {
    let content_type = call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut reader = FormReader::new(content_type.unwrap_or_default())?;
    while let Some(piece) = source.next().await {
        let mut piece = piece?;
        reader = match reader.push(&mut piece)? {
            Progress::Fields(reader) => reader,
            Progress::File(form, file) => {
                source.unread(piece);
                return Ok((form, file));
            }
        };
    }
    Err(FormError::Truncated.into())
}

/// Who signed the form, and what they allow.
fn prove(call: &Call<'_>, form: &Form) -> Result<(Identity, Policy), S3Error> {
    let Some(claim) = Claim::parse(form)? else {
        let message = "Forms without a signed policy are not taken here.";
        return Err(S3Error::new(ErrorCode::AccessDenied, message));
    };
    call.authenticator.prove_form(&claim, call.expected)
}

/// The request that a form stands for.
fn as_request(form: &Form, place: &Place<'_>) -> Result<Request, S3Error> {
    let key = form.field("key").filter(|key| !key.is_empty()).ok_or(ErrorCode::UserKeyMustBeSpecified)?;
    let key = ObjectKey::parse(key).map_err(|_| ErrorCode::KeyTooLongError)?;
    Ok(Request {
        address: Address::Object { bucket: place.bucket.name.clone(), key },
        operation: Operation::PutObject,
        parameters: Parameters::default(),
        query_headers: Vec::new(),
    })
}

/// The fields that are headers of a `PutObject`, under the headers' names. Fields that S3 does not know are passed over.
fn as_headers(form: &Form) -> Result<HeaderMap, S3Error> {
    let mut headers = HeaderMap::new();
    for (field, value) in form.fields().filter(|(field, _)| !SIGNATURE.contains(field)) {
        let (name, value) = match field {
            "acl" => ("x-amz-acl", Cow::Borrowed(value)),
            "tagging" => ("x-amz-tagging", Cow::Owned(as_query(value)?)),
            _ => (field, Cow::Borrowed(value)),
        };
        if headers::request(Operation::PutObject, name, value.as_bytes()) == Passage::Held {
            continue;
        }
        let invalid = || {
            let message = format!("The field {field} cannot be sent as a header, or stands there twice.");
            S3Error::new(ErrorCode::InvalidArgument, message)
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?;
        if headers.insert(name, value).is_some() {
            return Err(invalid());
        }
    }
    Ok(headers)
}

/// Fields of the signature, which has been verified.
const SIGNATURE: [&str; 3] = ["x-amz-algorithm", "x-amz-credential", "x-amz-signature"];

/// The document of tags that a form has, as the header has them: `a=b&c=d`.
fn as_query(tagging: &str) -> Result<String, S3Error> {
    let malformed = |error| S3Error::new(ErrorCode::MalformedXML, format!("The field tagging is {error}."));
    Ok(tags_as_query(&xml::read_tagging(tagging.as_bytes()).map_err(malformed)?))
}

/// The reply that the form wants. `stored` are the provider's headers.
fn answer(handling: &Handling<'_>, form: &Form, stored: &HeaderMap) -> Response<Content> {
    let key = handling.key().map_or("", ObjectKey::as_str);
    let bucket = &handling.place.bucket.name;
    let etag = stored.get(header::ETAG).map(|etag| String::from_utf8_lossy(etag.as_bytes()));
    let etag = etag.as_deref().unwrap_or_default();
    let mut location = handling.location_below(key);
    let mut document = None;
    let status = match form.success() {
        Success::NoContent => StatusCode::NO_CONTENT,
        Success::Ok => StatusCode::OK,
        Success::Created => {
            let names = ObjectNames { location: &location, bucket, key };
            document = Some(xml::write_post_response(&names, etag));
            StatusCode::CREATED
        }
        Success::Redirect(url) => {
            location = Success::location(&url, bucket, key, etag);
            StatusCode::SEE_OTHER
        }
    };
    let mut response = match document {
        Some(document) => list::document(document),
        None => Response::new(Content::Whole(Full::default())),
    };
    *response.status_mut() = status;
    let is_about_reply = |name: &HeaderName| [header::CONTENT_LENGTH, header::CONTENT_TYPE].contains(name);
    let stored = stored.iter().filter(|(name, _)| !is_about_reply(name));
    response.headers_mut().extend(stored.map(|(name, value)| (name.clone(), value.clone())));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_a_query() {
        let tag = |key, value| ["<Tag><Key>", key, "</Key><Value>", value, "</Value></Tag>"].concat();
        let tagging = |tags: &str| ["<Tagging><TagSet>", tags, "</TagSet></Tagging>"].concat();
        let two = tagging(&[tag("a b", "c&amp;d=e"), tag("f", "")].concat());
        assert_eq!(as_query(&two).unwrap(), "a%20b=c%26d%3De&f=");
        assert_eq!(as_query(&tagging("")).unwrap(), "");
        assert_eq!(as_query("a=b").unwrap_err().code, ErrorCode::MalformedXML);
    }
}
