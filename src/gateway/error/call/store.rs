//! Files that the artifact store has refused, or that it does not have.

use crate::aws::s3::answer::StoreErrorKind;
use crate::gateway::failure::Failure;
use hyper::StatusCode;
use std::time::Duration;

const ASK: &str = "Ask your platform team if you need it.";
const TELL: &str = "Send the request number to your platform team; the cause is in their log.";

pub(super) fn failure(kind: StoreErrorKind, reason: &'static str) -> Failure {
    use StatusCode as S;
    use StoreErrorKind as K;
    let (status, title, detail, advice) = match kind {
        K::NoSuchArtifact | K::NoSuchUpload => (
            S::NOT_FOUND,
            "No such artifact",
            "The artifact store has no file of this name.",
            "Check its name; `list_artifacts` shows those that are there.",
        ),
        K::NoSuchRange => (
            S::RANGE_NOT_SATISFIABLE,
            "No such bytes",
            "The file has no bytes in this range.",
            "Ask for bytes that it has.",
        ),
        K::Denied => (
            S::FORBIDDEN,
            "The artifact store refuses this",
            "AWS does not let you do this in the artifact store.",
            ASK,
        ),
        K::KeyDenied => (
            S::FORBIDDEN,
            "The artifact store's key refuses this",
            "The artifact store is encrypted, and AWS does not let you use its KMS key.",
            ASK,
        ),
        K::NoSuchBucket => (
            S::BAD_GATEWAY,
            "The artifact store is gone",
            "The artifact store's bucket does not exist.",
            TELL,
        ),
        K::Elsewhere => (
            S::BAD_GATEWAY,
            "The artifact store is elsewhere",
            "The artifact store's bucket is in another region than its tracking server.",
            TELL,
        ),
        K::TooLarge => (
            S::PAYLOAD_TOO_LARGE,
            "The file is too large",
            "The file is larger than the artifact store takes. Nothing was stored.",
            "Send it in smaller files.",
        ),
        K::BodyBroken => {
            (S::BAD_REQUEST, "Malformed request", "The body broke off. Nothing was stored.", "Send it again.")
        }
        K::Throttled => (
            S::TOO_MANY_REQUESTS,
            "The artifact store is busy",
            "The artifact store has asked for fewer requests.",
            "Try again in a moment.",
        ),
        K::Unavailable | K::Unreachable => (
            S::SERVICE_UNAVAILABLE,
            "The artifact store is not available",
            "The artifact store is not available at the moment.",
            "Try again in a moment.",
        ),
        K::Credentials | K::Signature | K::Refused | K::BadAnswer => (
            S::BAD_GATEWAY,
            "The artifact store gave no usable answer",
            "The artifact store gave no usable answer.",
            TELL,
        ),
    };
    let failure = Failure::new(status, reason, title, detail).advise(advice);
    match status {
        S::TOO_MANY_REQUESTS | S::SERVICE_UNAVAILABLE => failure.retry(Duration::from_secs(3)),
        _ => failure,
    }
}
