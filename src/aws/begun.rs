//! The targets that this gateway started or created lately, told to all replicas. AWS's Describe lags behind such a
//! call, and tells the earlier state for some seconds.

use super::state::TargetState;
use super::states::StateKey;
use crate::clock::{Clock, UnixSeconds};
use crate::state::{Key, Namespace, State, Unavailable};
use crate::target::Kind;
use moka::sync::Cache;
use std::time::Duration;

/// The earlier state does not count for so long after the call.
const LAG: Duration = Duration::from_secs(90);
/// Longer than any start takes, so that a page can tell since when one is under way.
const REMEMBERED: Duration = Duration::from_secs(2 * 3600);
const MOST: u64 = 10_000;

#[derive(Debug)]
pub(super) struct Begun {
    state: State,
    /// For the time while the shared state is away.
    here: Cache<Key, Beginning>,
    clock: Clock,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Beginning {
    at: UnixSeconds,
    /// The state before, in a word.
    from: String,
}

impl Begun {
    pub(super) fn new(state: State, clock: Clock) -> Self {
        let here = Cache::builder().max_capacity(MOST).time_to_live(REMEMBERED).build();
        Self { state, here, clock }
    }

    /// Whether the caller is the one to make the call: of several at the same time, only one gets `true`. `from` is the
    /// state that the call is to change.
    pub(super) async fn claim(&self, target: &StateKey, from: &TargetState) -> bool {
        let now = self.clock.now();
        // A start that failed soon may be tried again at once.
        match self.state.put_new(&turn(target, from), b"", LAG).await {
            Ok(false) => return false,
            Ok(true) => {}
            Err(Unavailable) => {
                let is_lag = |earlier: Beginning| now.since(earlier.at) < LAG && earlier.from == word(from);
                if self.here.get(&key("since", target)).is_some_and(is_lag) {
                    return false;
                }
            }
        }
        let (since, beginning) = (key("since", target), Beginning { at: now, from: word(from).to_owned() });
        // If the state is away, the other replicas ask AWS, which refuses a second call.
        _ = self.state.put(&since, beginning.to_text().as_bytes(), REMEMBERED).await;
        self.here.insert(since, beginning);
        true
    }

    /// The call failed: another may be made at once.
    pub(super) async fn forget(&self, target: &StateKey, from: &TargetState) {
        let since = key("since", target);
        self.here.invalidate(&since);
        _ = self.state.remove(&since).await;
        _ = self.state.remove(&turn(target, from)).await;
    }

    /// The state that counts, if AWS has told this one.
    pub(super) async fn seen_through(&self, target: &StateKey, told: TargetState) -> TargetState {
        let kind = target.resource.kind();
        let is_starting = matches!(told, TargetState::Starting { .. });
        if !is_starting && !told.can_be_started(kind) && told != TargetState::Missing {
            return told;
        }
        let since = key("since", target);
        // The replica that has the turn may not have noted the time yet, nor called AWS.
        let (since, is_lag) = match self.state.values(&[since.clone(), turn(target, &told)]).await {
            Ok(values) => {
                let (since, turn) = (values.first(), values.get(1));
                let begun = since.and_then(|text| Beginning::parse(text.as_deref()?));
                (begun.map(|begun| begun.at), turn.is_some_and(Option::is_some))
            }
            Err(Unavailable) => match self.here.get(&since) {
                Some(Beginning { at, from }) => {
                    (Some(at), self.clock.now().since(at) < LAG && word(&told) == from)
                }
                None => (None, false),
            },
        };
        match kind {
            Kind::StudioDomain if is_lag => TargetState::Pending("Pending".to_owned()),
            _ if is_lag || is_starting && since.is_some() => TargetState::Starting { since },
            _ => told,
        }
    }
}

impl Beginning {
    fn to_text(&self) -> String {
        format!("{} {}", self.at.0, self.from)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (at, from) = str::from_utf8(text).ok()?.split_once(' ')?;
        Some(Self { at: UnixSeconds(at.parse().ok()?), from: from.to_owned() })
    }
}

/// A word for the states that a call of ours changes.
fn word(state: &TargetState) -> &str {
    match state {
        TargetState::Missing => "missing",
        TargetState::Stopped => "stopped",
        TargetState::Failed { status, .. } => status,
        _ => "other",
    }
}

/// The right to change the target from this state: there for as long as AWS may still tell it afterwards.
fn turn(target: &StateKey, from: &TargetState) -> Key {
    key(&format!("turn from {}", word(from)), target)
}

/// Roles of one account see the same target.
fn key(what: &str, target: &StateKey) -> Key {
    let StateKey { resource, region, role_arn, endpoint_url } = target;
    let arns = role_arn.as_ref().map(|role| resource.arns(role, region)).unwrap_or_default();
    let name = arns.into_iter().next().unwrap_or_else(|| resource.to_string());
    Key::new(Namespace::Begun, &[what, &name, region.as_str(), endpoint_url.as_deref().unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Mint, Region, RoleArn, Target};

    fn archive() -> StateKey {
        let target =
            Target::for_tests(Kind::MlflowTrackingServer, &[("tracking_server_name", "archive")], &[]);
        StateKey::of(&Mint {
            target,
            region: Region::parse("eu-west-1").unwrap(),
            role_arn: RoleArn::parse("arn:aws:iam::111122223333:role/postern").ok(),
            endpoint_url: None,
            fragment: None,
            access: None,
        })
    }

    #[tokio::test]
    async fn one_replica_starts_and_all_know() {
        let clock = Clock::manual(UnixSeconds(1_000_000));
        let state = State::in_memory(clock.clone());
        let [one, other] = [(); 2].map(|()| Begun::new(state.clone(), clock.clone()));
        let archive = &archive();
        assert_eq!(one.seen_through(archive, TargetState::Stopped).await, TargetState::Stopped);
        assert!(one.claim(archive, &TargetState::Stopped).await);
        assert!(!other.claim(archive, &TargetState::Stopped).await);
        let starting = TargetState::Starting { since: Some(UnixSeconds(1_000_000)) };
        for begun in [&one, &other] {
            assert_eq!(begun.seen_through(archive, TargetState::Stopped).await, starting);
            assert_eq!(begun.seen_through(archive, TargetState::Starting { since: None }).await, starting);
            let failed = TargetState::Failed { status: "StartFailed".to_owned(), reason: None };
            assert_eq!(begun.seen_through(archive, failed.clone()).await, failed, "no lag: it has changed");
            assert_eq!(begun.seen_through(archive, TargetState::Ready).await, TargetState::Ready);
        }
        // The turn alone tells that somebody is about to call.
        state.remove(&key("since", archive)).await.unwrap();
        let unknown = TargetState::Starting { since: None };
        assert_eq!(other.seen_through(archive, TargetState::Stopped).await, unknown);
        clock.advance(LAG);
        assert_eq!(other.seen_through(archive, TargetState::Stopped).await, TargetState::Stopped);
        assert!(other.claim(archive, &TargetState::Stopped).await, "the first call had no effect");
        other.forget(archive, &TargetState::Stopped).await;
        assert_eq!(other.seen_through(archive, TargetState::Stopped).await, TargetState::Stopped);
        assert!(one.claim(archive, &TargetState::Stopped).await);
    }
}
