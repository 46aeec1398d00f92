//! Compares the machine's clock with the clocks of issuers and AWS.

use super::report::{Asking, Check};
use crate::clock::UnixSeconds;
use crate::tokens::claims::LEEWAY;

/// A `Date` header has whole seconds, and an answer takes some time.
const NOTICED: u64 = 5;
/// Signatures may be five minutes off.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
const AWS_REFUSES_AT: u64 = 5 * 60;

const REMEDY: &str = "set the machine's clock by NTP (chrony, or Amazon Time Sync at 169.254.169.123)";

/// Against an issuer, whose tokens are judged by our clock.
pub(super) fn compared(asking: &Asking, whose: &str, theirs: UnixSeconds, ours: UnixSeconds) -> Check {
    judged(asking, whose, theirs, ours, LEEWAY.as_secs())
}

/// Against AWS, which judges our signatures by its clock.
pub(super) fn compared_with_aws(asking: &Asking, theirs: UnixSeconds, ours: UnixSeconds) -> Check {
    judged(asking, "AWS's", theirs, ours, AWS_REFUSES_AT)
}

fn judged(asking: &Asking, whose: &str, theirs: UnixSeconds, ours: UnixSeconds, fails_at: u64) -> Check {
    let seconds = theirs.0.abs_diff(ours.0);
    let side = if theirs < ours { "ahead of" } else { "behind" };
    let found = format!("this machine's is {seconds} s {side} {whose}");
    match seconds {
        0..NOTICED => asking.ok("clock", format!("this machine's and {whose} agree")),
        seconds if seconds >= fails_at => asking.failed("clock", found, REMEDY),
        _ => asking.warning("clock", found, REMEDY),
    }
}
