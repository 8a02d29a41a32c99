//! S3's error codes: those that Wharf answers itself, and those that it must know when a provider answers them.
//!
//! Names and statuses: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList>. Clients act
//! on the name, so it is S3's to the letter; the message is for people.

use http::StatusCode;

macro_rules! codes {
    ($($variant:ident $status:ident $message:literal;)*) => {
        /// What went wrong, by S3's own name. Each has one status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $message] $variant,)*
        }

        impl ErrorCode {
            /// Every code, for documents and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that clients see in `<Code>`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// The code that a provider's `<Code>` names, if it is one of these.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $(stringify!($variant) => Some(Self::$variant),)* _ => None }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The standard message, for when nothing better is known.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

codes! {
    AccessDenied FORBIDDEN "Access denied.";
    AuthorizationHeaderMalformed BAD_REQUEST "The Authorization header is malformed.";
    AuthorizationQueryParametersError BAD_REQUEST "The authorization query parameters are malformed.";
    BadDigest BAD_REQUEST "The digest or checksum that was declared is not that of the body.";
    BucketAlreadyExists CONFLICT "The bucket name is taken.";
    BucketAlreadyOwnedByYou CONFLICT "The bucket exists, and is yours.";
    BucketNotEmpty CONFLICT "The bucket is not empty.";
    ConditionalRequestConflict CONFLICT "Another request changed the object at the same time.";
    EntityTooLarge BAD_REQUEST "The upload is larger than allowed.";
    EntityTooSmall BAD_REQUEST "The upload is smaller than allowed.";
    ExpiredToken BAD_REQUEST "The session token has expired.";
    IllegalLocationConstraintException BAD_REQUEST "The bucket's region is not the one that was asked.";
    IncompleteBody BAD_REQUEST "The body ended before the declared number of bytes.";
    InternalError INTERNAL_SERVER_ERROR "An internal error. Try again.";
    InvalidAccessKeyId FORBIDDEN "The access key id is not known.";
    InvalidArgument BAD_REQUEST "An argument is invalid.";
    InvalidBucketName BAD_REQUEST "The bucket name is invalid.";
    InvalidBucketState CONFLICT "The bucket's state does not allow the request.";
    InvalidChunkSizeError FORBIDDEN "Only the last chunk of the body may have less than 8,192 bytes.";
    InvalidDigest BAD_REQUEST "The digest that was declared is none.";
    InvalidEncryptionAlgorithmError BAD_REQUEST "The encryption algorithm is not known.";
    InvalidLocationConstraint BAD_REQUEST "The location constraint is invalid.";
    InvalidObjectState FORBIDDEN "The object's storage class does not allow the request.";
    InvalidPart BAD_REQUEST "A part was not found, or is not the one that is listed.";
    InvalidPartOrder BAD_REQUEST "The parts are not listed in ascending order.";
    InvalidPolicyDocument BAD_REQUEST "The policy of the form is invalid.";
    InvalidRange RANGE_NOT_SATISFIABLE "The range cannot be satisfied.";
    InvalidRequest BAD_REQUEST "The request is invalid.";
    InvalidStorageClass BAD_REQUEST "The storage class is not known.";
    InvalidTag BAD_REQUEST "A tag is invalid.";
    InvalidToken BAD_REQUEST "The session token is malformed or not known.";
    InvalidURI BAD_REQUEST "The URI cannot be parsed.";
    KeyTooLongError BAD_REQUEST "The key is longer than 1,024 bytes.";
    MalformedACLError BAD_REQUEST "The ACL is not well-formed.";
    MalformedPOSTRequest BAD_REQUEST "The body is not well-formed multipart/form-data.";
    MalformedPolicy BAD_REQUEST "The bucket policy is malformed.";
    MalformedTrailerError BAD_REQUEST "The trailer is malformed, or not the one that was announced.";
    MalformedXML BAD_REQUEST "The XML is not well-formed, or not the document that is expected here.";
    MaxMessageLengthExceeded BAD_REQUEST "The request is too big.";
    MaxPostPreDataLengthExceededError BAD_REQUEST "The form's fields before the file are too large.";
    MetadataTooLarge BAD_REQUEST "The metadata headers are larger than allowed.";
    MethodNotAllowed METHOD_NOT_ALLOWED "The method is not allowed on this resource.";
    MissingContentLength LENGTH_REQUIRED "The header Content-Length is missing.";
    MissingRequestBodyError BAD_REQUEST "The request has no body.";
    MissingSecurityHeader BAD_REQUEST "A header that the request must have is missing.";
    NoSuchBucket NOT_FOUND "The bucket does not exist.";
    NoSuchBucketPolicy NOT_FOUND "The bucket has no policy.";
    NoSuchCORSConfiguration NOT_FOUND "The bucket has no CORS configuration.";
    NoSuchKey NOT_FOUND "The key does not exist.";
    NoSuchLifecycleConfiguration NOT_FOUND "The bucket has no lifecycle configuration.";
    NoSuchTagSet NOT_FOUND "The bucket has no tags.";
    NoSuchUpload NOT_FOUND "The multipart upload does not exist.";
    NoSuchVersion NOT_FOUND "The version does not exist.";
    NotImplemented NOT_IMPLEMENTED "The request asks for something that is not implemented.";
    OperationAborted CONFLICT "Another operation on the resource is in progress. Try again.";
    PermanentRedirect MOVED_PERMANENTLY "The bucket is served at another endpoint.";
    PreconditionFailed PRECONDITION_FAILED "A precondition does not hold.";
    RequestHeaderSectionTooLarge BAD_REQUEST "The headers are larger than allowed.";
    RequestTimeTooSkewed FORBIDDEN "The request's time is too far from the server's.";
    RequestTimeout BAD_REQUEST "The request did not arrive in time.";
    ServiceUnavailable SERVICE_UNAVAILABLE "The service is unavailable. Try again.";
    SignatureDoesNotMatch FORBIDDEN "The signature is not that of the request. Check the key and how it is signed.";
    SlowDown SERVICE_UNAVAILABLE "Too many requests. Send fewer.";
    TooManyBuckets BAD_REQUEST "There are more buckets than allowed.";
    UserKeyMustBeSpecified BAD_REQUEST "The form has no key, or an empty one.";
    XAmzContentSHA256Mismatch BAD_REQUEST "The declared x-amz-content-sha256 is not that of the body.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_is_one_code_and_an_error() {
        let names: HashSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.as_str()), Some(*code));
            assert!(code.status().as_u16() > 300, "{code:?}");
        }
        assert_eq!(ErrorCode::from_name("nosuchkey"), None);
    }

    #[test]
    fn the_statuses_that_clients_act_on_are_s3s() {
        for (code, status) in [
            (ErrorCode::AccessDenied, 403),
            (ErrorCode::ExpiredToken, 400),
            (ErrorCode::InvalidRange, 416),
            (ErrorCode::MissingContentLength, 411),
            (ErrorCode::NoSuchUpload, 404),
            (ErrorCode::NotImplemented, 501),
            (ErrorCode::PreconditionFailed, 412),
            (ErrorCode::RequestTimeout, 400),
            (ErrorCode::SlowDown, 503),
        ] {
            assert_eq!(code.status().as_u16(), status, "{code:?}");
        }
    }
}
