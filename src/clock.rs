//! The only place that reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Wall-clock time, passed to whatever needs it.
///
/// Deadlines use tokio's monotonic clock instead; this one is for the timestamps of tokens, cookies and logs.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

/// Seconds since 1970-01-01T00:00:00Z without leap seconds: the `NumericDate` of RFC 7519, section 2, in whole seconds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, Default,
)]
#[serde(transparent)]
pub struct UnixSeconds(pub u64);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    pub fn manual(start: UnixSeconds) -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(start.0))))
    }

    /// Moves a manual clock, and every clone of it, forward. The system clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(seconds) = &self.0 {
            seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
        }
    }

    pub fn now(&self) -> UnixSeconds {
        UnixSeconds::of(self.now_system())
    }

    /// The same instant in the standard library's type, to the clock's own precision.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now_system(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Manual(seconds) => {
                SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst))
            }
        }
    }
}

impl UnixSeconds {
    /// Zero for times before 1970.
    pub fn of(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs()))
    }

    /// A `Date` header (RFC 9110, section 5.6.7).
    pub fn of_http_date(text: &str) -> Option<Self> {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(SystemTime::UNIX_EPOCH).ok().map(|elapsed| Self(elapsed.as_secs()))
    }

    /// As in `2026-01-31T12:00:00Z` (RFC 3339).
    pub fn rfc3339(self) -> String {
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.0));
        time.map_or_else(String::new, |time| humantime::format_rfc3339_seconds(time).to_string())
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}
