//! `validate-key`: the caller got here, so its key is good; this says whose it is, in the words that clients read.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Serialize;
use wharf_wire::date::Timestamp;

use crate::{config::checked::KeyConfig, error::Error, request::authenticate::Identity};

use super::reply;

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 512;

/// The published clients' shape. What Wharf does not keep (names, mail addresses, plans) is `null`, not made up.
#[derive(JsonSchema, Serialize)]
pub(super) struct Reply<'a> {
    success: bool,
    valid: bool,
    message: &'static str,
    data: Data<'a>,
}

#[derive(JsonSchema, Serialize)]
struct Data<'a> {
    api_key: Option<ApiKey<'a>>,
    user: User<'a>,
    plan: (),
}

#[derive(JsonSchema, Serialize)]
struct ApiKey<'a> {
    id: &'a str,
    name: &'a str,
    status: &'static str,
    expires_at: Option<String>,
    created_at: (),
    last_used_at: (),
}

#[derive(JsonSchema, Serialize)]
struct User<'a> {
    id: Option<&'a str>,
    email: (),
}

/// Answers the route.
pub(super) fn handle(identity: &Identity) -> Result<Response<Full<Bytes>>, Error> {
    let (message, api_key, user_id) = match identity {
        Identity::Key(key) => ("The API key is valid.", Some(api_key(key)), None),
        // The key behind it is not its bearer's: a key without a secret is one to whoever knows its id.
        Identity::Session(_) => ("The access token is valid.", None, None),
        Identity::User { subject, .. } => ("The token is valid.", None, Some(subject.as_str())),
        Identity::Loopback => ("No keys are configured: this machine may do everything.", None, None),
    };
    let user = User { id: user_id, email: () };
    let reply = Reply { success: true, valid: true, message, data: Data { api_key, user, plan: () } };
    reply::ok(&reply, REPLY_BYTES)
}

fn api_key(key: &KeyConfig) -> ApiKey<'_> {
    ApiKey {
        id: &key.id,
        name: &key.id,
        status: "active",
        expires_at: key.expires_at.map(Timestamp::rfc3339),
        created_at: (),
        last_used_at: (),
    }
}
