//! A bucket of the caller's own: credentials that came in a body, checked and bound for this request alone.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use wharf_provider::{SettingProblem, Settings};
use wharf_wire::{
    endpoint::Endpoint,
    names::BucketName,
    sigv4::{AccessKeyId, Credentials},
};

use crate::{
    backend::upstream::Reach,
    config::checked::Callers,
    error::{Code, Error},
};

use super::{
    super::{
        body::{BroughtFields, Name, Text, non_empty},
        endpoint_guard,
    },
    Named, Target,
};

/// Bytes of a session token. It stands in every URL of a batch; a longer one would fit into no request line.
const SESSION_TOKEN_BYTES_MAX: usize = 8192;

/// Bytes of the address in front of public objects, which stands in every result of a batch.
const PUBLIC_URL_BYTES_MAX: usize = 2048;

impl<'a> Named<'a> {
    /// The caller's own bucket. The credentials live in the target and end with it.
    pub(super) fn brought(&self, fields: &BroughtFields<'_>) -> Result<Target<'a>, Error> {
        let callers = &self.config.upload.callers;
        if !callers.allowed {
            return Err(Error::new(
                Code::CallerCredentialsNotAllowed,
                "Credentials in the body are not taken here.",
            )
            .hint("Leave them out and name a configured bucket, or set `upload.callers.allowed`."));
        }
        let (bucket, mut settings) = self.settings(fields)?;
        let asked = settings.endpoint.take();
        let default = callers.default_endpoints.get(self.plugin.profile().kind);
        let given_or_default = match &asked {
            Some(asked) => self.allowed_endpoint(callers, asked, &settings)?,
            None => default.map(|default| (default.clone(), Reach::Anywhere)),
        };
        // The provider's own endpoints are never inside.
        let reach = given_or_default.as_ref().map_or(Reach::Public, |(_, reach)| *reach);
        settings.endpoint = given_or_default.map(|(endpoint, _)| endpoint.origin());
        let given = Given { account_id: settings.account_id.is_some() };
        let account =
            self.plugin.bind(settings).map_err(|problems| self.refused_setting(&problems, given))?;
        Ok(Target {
            plugin: self.plugin,
            account: Cow::Owned(account),
            bucket: Cow::Owned(bucket),
            configured: None,
            own_door: None,
            reach,
        })
    }

    fn settings(&self, fields: &BroughtFields<'_>) -> Result<(BucketName, Settings), Error> {
        let (Some(id), Some(secret), Some(bucket)) =
            (&fields.access_key_id, &fields.secret_access_key, &fields.bucket)
        else {
            return Err(self.missing(fields));
        };
        let bucket = BucketName::parse(bucket.as_str()).map_err(|problem| {
            let message = format!("`{}`: {problem}.", self.shown(Name::BroughtBucket));
            Error::new(Code::InvalidBucketName, message)
        })?;
        let session_token = fields.session_token.as_ref().filter(|token| !token.expose_secret().is_empty());
        let credentials = self.credentials(id, secret, session_token)?;
        if fields.public_url.as_ref().is_some_and(|url| url.as_str().len() > PUBLIC_URL_BYTES_MAX) {
            let field = self.shown(Name::PublicUrl);
            let message = format!("`{field}` must be at most {PUBLIC_URL_BYTES_MAX} bytes.");
            return Err(Error::new(Code::InvalidField, message));
        }
        let owned = |text: &Option<Text<'_>>| non_empty(text.as_ref()).map(str::to_owned);
        let settings = Settings {
            region: owned(&fields.region),
            endpoint: owned(&fields.endpoint),
            account_id: owned(&fields.account_id),
            public_url: owned(&fields.public_url),
            ..Settings::new(credentials)
        };
        Ok((bucket, settings))
    }

    fn credentials(
        &self,
        id: &Text<'_>,
        secret: &SecretString,
        session_token: Option<&SecretString>,
    ) -> Result<Credentials, Error> {
        let access_key_id = AccessKeyId::parse(id.as_str())
            .map_err(|problem| self.invalid_credential(Name::AccessKey, &problem.to_string()))?;
        if session_token.is_some_and(|token| token.expose_secret().len() > SESSION_TOKEN_BYTES_MAX) {
            let problem = format!("it must be at most {SESSION_TOKEN_BYTES_MAX} bytes");
            return Err(self.invalid_credential(Name::SessionToken, &problem));
        }
        for (name, secret) in [(Name::SecretKey, Some(secret)), (Name::SessionToken, session_token)] {
            if secret.is_some_and(|secret| !is_printable(secret)) {
                return Err(self.invalid_credential(name, "it must be printable ASCII without spaces"));
            }
        }
        let (secret_access_key, session_token) = (secret.clone(), session_token.cloned());
        Ok(Credentials { access_key_id, secret_access_key, session_token })
    }

    /// The endpoint that the caller asked for and how far it may lead, if it is on the list; `None` if it is the provider's
    /// own.
    fn allowed_endpoint(
        &self,
        callers: &Callers,
        asked: &str,
        settings: &Settings,
    ) -> Result<Option<(Endpoint, Reach)>, Error> {
        let field = self.shown(Name::Endpoint);
        let endpoint = Endpoint::parse(asked)
            .map_err(|problem| Error::new(Code::EndpointNotAllowed, format!("`{field}`: {problem}.")))?;
        if let Some(reach) = endpoint_guard::reach(&endpoint, &callers.endpoints) {
            return Ok(Some((endpoint, reach)));
        }
        let own = self.plugin.bind(settings.clone());
        if own.is_ok_and(|own| *own.endpoint() == endpoint) {
            return Ok(None);
        }
        Err(Error::new(
            Code::EndpointNotAllowed,
            format!("`{field}` is not an endpoint that callers may name."),
        )
        .hint("The operator lists such endpoints in `upload.callers.endpoints`."))
    }

    fn shown(&self, name: Name) -> String {
        name.shown(self.field_prefix())
    }

    pub(super) fn missing(&self, fields: &BroughtFields<'_>) -> Error {
        let required = [
            (Name::AccessKey, fields.access_key_id.is_none()),
            (Name::SecretKey, fields.secret_access_key.is_none()),
            (Name::BroughtBucket, fields.bucket.is_none()),
        ];
        let missing: Vec<String> = required
            .into_iter()
            .filter(|(_, is_missing)| *is_missing)
            .map(|(name, _)| format!("`{}`", self.shown(name)))
            .collect();
        Error::new(Code::MissingCredentials, format!("Missing: {}.", missing.join(", ")))
    }

    fn invalid_credential(&self, name: Name, problem: &str) -> Error {
        Error::new(Code::InvalidCredentials, format!("`{}`: {problem}.", self.shown(name)))
    }

    /// The first setting that the plugin refused, as an error of the field that it came from.
    fn refused_setting(&self, problems: &[SettingProblem], given: Given) -> Error {
        let Some(problem) = problems.first() else {
            return Error::new(Code::InvalidCredentials, "The provider's settings cannot be used.");
        };
        let (name, code) = match problem.setting {
            "region" => (Name::Region, Code::InvalidRegion),
            "endpoint" => (Name::Endpoint, Code::MissingCredentials),
            "account_id" if given.account_id => (Name::AccountId, Code::InvalidCredentials),
            "account_id" => (Name::AccountId, Code::MissingCredentials),
            "access_key_id" => (Name::AccessKey, Code::InvalidCredentials),
            "public_url" => (Name::PublicUrl, Code::InvalidField),
            _ => (Name::SecretKey, Code::InvalidCredentials),
        };
        Error::new(code, format!("`{}`: {}.", self.shown(name), problem.message))
            .options(problem.valid_options.iter().cloned())
    }
}

/// Which settings the caller gave: a missing one and a wrong one are different errors.
#[derive(Clone, Copy)]
struct Given {
    account_id: bool,
}

fn is_printable(secret: &SecretString) -> bool {
    let bytes = secret.expose_secret().as_bytes();
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
}
