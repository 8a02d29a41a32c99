//! What the upload API does: one table, from which the routes, the names in logs and the rights follow.

use http::HeaderValue;

use crate::config::checked::Action;

/// What an operation is about, and so where its path has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// A bucket, named before the operation: `{provider}/signed-url`.
    Bucket,
    /// A bucket, named after `download/`: `download/{provider}/signed-url`.
    Download,
    /// No bucket that the path names.
    Nothing,
    /// Webhooks, which stand below a path of their own; `{id}` is one of them.
    Webhooks,
}

/// A path, without the API's own and the name in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) scope: Scope,
    pub(super) path: &'static str,
}

macro_rules! operations {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal [$($method:literal)|+] $action:ident
        [$($scope:ident $path:literal),+];)*) => {
        /// What a route does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Operation {
            /// Every operation, for documents and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What it does, for people.
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*),)* }
            }

            /// For logs and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The methods that ask for it, as `Allow` lists them.
            pub(super) const fn methods(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($method),+],)* }
            }

            /// The right that it takes in its bucket. One without a bucket takes none.
            pub(super) const fn action(self) -> Action {
                match self { $(Self::$variant => Action::$action,)* }
            }

            /// Its paths: the first is the one that documents name.
            pub(super) const fn paths(self) -> &'static [Path] {
                match self {
                    $(Self::$variant => &[$(Path { scope: Scope::$scope, path: $path }),+],)*
                }
            }

            /// The operation at `path`.
            pub(super) fn at(scope: Scope, path: &str) -> Option<Self> {
                match (scope, path) {
                    $($((Scope::$scope, $path) => Some(Self::$variant),)+)*
                    _ => None,
                }
            }
        }
    };
}

// An operation, its name in logs, its methods, the right that it takes, and its paths.
operations! {
    /// Sign the upload of one file.
    SignedUrl "signed_url" ["POST"] Write [Bucket "signed-url"];
    /// Sign the uploads of up to 100 files.
    BatchSignedUrl "batch_signed_url" ["POST"] Write [Bucket "batch-signed-url", Bucket "batch/signed-urls"];
    /// Sign a form.
    Form "form" ["POST"] Write [Bucket "form"];
    /// Sign a download.
    DownloadSignedUrl "download_signed_url" ["POST"] Read
        [Download "signed-url", Bucket "download-url", Bucket "download"];
    /// Sign cookies with which a browser reads from a bucket's private CDN.
    CdnCookies "cdn_cookies" ["POST"] Read [Bucket "cdn/cookies"];
    /// Let pages use a bucket, by the CORS rules that its provider keeps.
    CorsSetUp "cors_set_up" ["POST"] Configure [Bucket "cors/setup", Bucket "cors/configure"];
    /// Say whether pages can use a bucket.
    CorsVerify "cors_verify" ["POST"] Configure [Bucket "cors/verify"];
    /// Find out whether a bucket can be used, and if not, what to change.
    TestConnection "test_connection" ["POST"] Write [Bucket "test-connection"];
    /// Begin an upload in parts, and sign all of them.
    InitiateMultipart "initiate_multipart" ["POST"] Write [Bucket "multipart/initiate"];
    /// Say which parts of an upload are stored, and sign the others.
    MultipartParts "multipart_parts" ["POST"] Write [Bucket "multipart/parts"];
    /// Make an object of its parts.
    CompleteMultipart "complete_multipart" ["POST"] Write [Bucket "multipart/complete"];
    /// Forget an upload and its parts.
    AbortMultipart "abort_multipart" ["POST"] Write [Bucket "multipart/abort"];
    /// Delete one object.
    Delete "delete" ["DELETE"|"POST"] Delete [Bucket "delete"];
    /// Delete up to 1000 objects.
    BatchDelete "batch_delete" ["POST"] Delete [Bucket "batch-delete", Bucket "batch/delete"];
    /// List objects, page by page.
    List "list" ["POST"] List [Bucket "list"];
    /// Tell what the provider says of one object.
    Metadata "metadata" ["POST"] Read [Bucket "metadata"];
    /// List versions of objects, page by page.
    Versions "versions" ["POST"] List [Bucket "versions"];
    /// Take note of an object that was sent straight to the provider.
    Complete "complete" ["POST"] Write [Nothing "complete"];
    /// Show what the caller's requests came to, or take note of what a client tells.
    Analytics "analytics" ["GET"|"POST"] Read [Nothing "analytics"];
    /// The same by day.
    AnalyticsDaily "analytics_daily" ["GET"] Read [Nothing "analytics/daily"];
    /// The same by provider.
    AnalyticsProviders "analytics_providers" ["GET"] Read [Nothing "analytics/providers"];
    /// Take note of what a client tells of an upload.
    Track "track" ["POST"] Read [Nothing "track"];
    /// What clients ask of stores that are not S3's, so that they learn who is served.
    Foreign "foreign" ["POST"] Read
        [Bucket "buckets", Bucket "scan-malware", Bucket "scan-status", Bucket "scan-results"];
    /// Make a token for a page.
    UppyToken "uppy_token" ["POST"] Write [Nothing "uppy-token"];
    /// Make a token that does a part of what the caller may, in one bucket.
    AccessToken "access_token" ["POST"] Read [Bucket "access-token"];
    /// Take an access token back.
    RevokeAccessToken "revoke_access_token" ["DELETE"|"POST"] Read [Bucket "access-token/revoke"];
    /// Tell the caller about the key that it came with.
    ValidateKey "validate_key" ["POST"] Read [Nothing "validate-key"];
    /// Say that the upload of a webhook is there.
    WebhookConfirm "webhook_confirm" ["POST"] Write [Webhooks "confirm"];
    /// Make a webhook for what happens in a bucket.
    WebhookCreate "webhook_create" ["POST"] List [Webhooks "create"];
    /// List the caller's webhooks.
    WebhookList "webhook_list" ["GET" | "POST"] List [Webhooks "list"];
    /// Tell how a webhook, or a delivery to one, stands.
    WebhookStatus "webhook_status" ["GET" | "POST"] List [Webhooks "status/{id}"];
    /// Make what was given up due again.
    WebhookRetry "webhook_retry" ["POST"] List [Webhooks "{id}/retry"];
    /// Delete a webhook.
    WebhookDelete "webhook_delete" ["DELETE"] List [Webhooks "{id}"];
}

impl Operation {
    /// `Allow`.
    pub(super) fn allow(self) -> HeaderValue {
        // The table's own words: all of them can stand in a header.
        HeaderValue::from_str(&self.methods().join(", ")).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Environment, from_toml_text};

    use super::*;

    #[test]
    fn no_bucket_is_called_like_a_route() {
        let paths = Operation::ALL.iter().flat_map(|operation| operation.paths());
        let without_bucket = paths.filter(|path| path.scope == Scope::Nothing);
        let words = without_bucket.filter_map(|path| path.path.split('/').next());
        for word in words.chain(["download"]) {
            let text = format!("[buckets.{word}]\nprovider = 'store'\nbucket = 'photos'\n");
            let problems = from_toml_text(&text, &Environment::default()).unwrap_err().0;
            let path = format!("buckets.{word}");
            assert!(
                problems.iter().any(|problem| problem.path == path && problem.message.contains("routes")),
                "{word}: {problems:?}"
            );
        }
    }
}
