//! What a transfer's error means for a row.

use std::time::Duration;

use http::StatusCode;

use crate::{
    backend::upstream::UpstreamError,
    mirror::state::{Class, Failure},
    transfer::{self, Side, TransferError},
};

/// `Retry-After` is believed up to this. A store that says more is asked once a quarter of an hour all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(15);

/// What `error` means.
pub(super) fn failure(error: &TransferError) -> Failure {
    let retry_after = error.retry_after().map(|after| after.min(RETRY_AFTER_MAX));
    Failure { class: class(error.class()), retry_after, is_unsure: is_unsure(error) }
}

fn class(class: transfer::Class) -> Class {
    match class {
        transfer::Class::Auth => Class::Auth,
        transfer::Class::Config => Class::Config,
        transfer::Class::Unreachable => Class::Unreachable,
        transfer::Class::Throttled => Class::Throttled,
        // Whoever looks at a source sees that it is absent. Whoever copies it finds another one than was looked at.
        transfer::Class::Transient | transfer::Class::Absent => Class::Transient,
        transfer::Class::Permanent => Class::Permanent,
        transfer::Class::CustomerKey => Class::CustomerKey,
        transfer::Class::Archived => Class::Archived,
    }
}

/// Whether the target may do what it was asked after all: it may have got the whole request, and has not said no.
fn is_unsure(error: &TransferError) -> bool {
    match error {
        TransferError::Unanswered { side: Side::Target, error } => match error {
            UpstreamError::Timeout(_) | UpstreamError::Http(_) | UpstreamError::TooLarge(_) => true,
            UpstreamError::Resolve(_)
            | UpstreamError::Forbidden(_)
            | UpstreamError::Connect(_)
            | UpstreamError::Tls(_)
            | UpstreamError::Request(_)
            | UpstreamError::Body(_)
            | UpstreamError::Open(_)
            | UpstreamError::Busy(_) => false,
        },
        // To be told to slow down is to be told that nothing was done.
        TransferError::Refused { side: Side::Target, answer } => {
            answer.status.is_server_error()
                && answer.status != StatusCode::NOT_IMPLEMENTED
                && error.class() != transfer::Class::Throttled
        }
        TransferError::Senseless { side: Side::Target, .. } => true,
        TransferError::Unanswered { side: Side::Source, .. }
        | TransferError::Refused { side: Side::Source, .. }
        | TransferError::Senseless { side: Side::Source, .. }
        | TransferError::Damaged { .. }
        | TransferError::Changed
        | TransferError::Range(_)
        | TransferError::Key { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use wharf_wire::xml;

    use super::*;
    use crate::transfer::Answer;

    fn refused(side: Side, status: u16, code: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        let document = Some(xml::S3Error { code: code.to_owned(), ..xml::S3Error::default() });
        let answer = Box::new(Answer { status, document, headers: HeaderMap::new() });
        failure(&TransferError::Refused { side, answer })
    }

    #[test]
    fn only_a_target_that_may_have_obeyed_leaves_it_unsure() {
        for (side, status, code, is_unsure) in [
            (Side::Target, 500, "InternalError", true),
            (Side::Target, 503, "ServiceUnavailable", true),
            (Side::Target, 503, "SlowDown", false),
            (Side::Target, 501, "NotImplemented", false),
            (Side::Target, 403, "AccessDenied", false),
            (Side::Source, 500, "InternalError", false),
        ] {
            assert_eq!(refused(side, status, code).is_unsure, is_unsure, "{side} {status} {code}");
        }
        for (error, is_unsure) in [
            (UpstreamError::Timeout(Duration::from_secs(1)), true),
            (UpstreamError::Http("cut".to_owned()), true),
            (UpstreamError::Connect("refused".to_owned()), false),
            (UpstreamError::Open(Duration::from_secs(1)), false),
        ] {
            let error = TransferError::Unanswered { side: Side::Target, error };
            assert_eq!(failure(&error).is_unsure, is_unsure, "{error}");
        }
    }

    #[test]
    fn nobody_waits_for_hours_because_a_store_says_so() {
        let error = UpstreamError::Open(Duration::from_hours(9));
        let failure = failure(&TransferError::Unanswered { side: Side::Target, error });
        assert_eq!(failure.retry_after, Some(RETRY_AFTER_MAX));
    }
}
