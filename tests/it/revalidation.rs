//! Sessions about which the provider is asked again: what it says takes effect, its refusal ends them, its silence does not.

mod answers;
mod groups;
mod served;
mod unchecked;

use crate::support::browser::Browser;
use crate::support::provider::{CLIENT_SECRET, Provider, TokenAnswer};
use crate::support::sign_in::{Shared, Stack, issuer};
use postern::audit::Audit;
use postern::clock::{Clock, UnixSeconds};
use postern::config::{ClientAuthentication, IssuerConfig, RevalidationConfig, SecretSource};
use postern::metrics::Exposition;
use postern::provider::policy_inputs::PolicyInputs;
use postern::provider::principal::Groups;
use postern::sessions::{Opened, Session, Unusable};
use postern::sign_in::return_to::ReturnTo;
use postern::sign_in::{Finished, Prompt};
use postern::state::{Key, Namespace, State};
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;
use url::Url;

/// How long the provider's word counts here.
pub(crate) const INTERVAL: Duration = Duration::from_secs(15 * 60);

/// How long it is done without where our client is refused.
pub(crate) const UNCONFIRMED: Duration = Duration::from_secs(60 * 60);

pub(crate) struct World {
    pub(crate) provider: Provider,
    pub(crate) clock: Clock,
    pub(crate) browser: Browser,
    replica: Stack,
    issuer: IssuerConfig,
    shared: Shared,
    audit: Written,
    secret: NamedTempFile,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl World {
    /// Ada has signed in, and the provider gave a refresh token.
    pub(crate) async fn new() -> Self {
        Self::with(|provider| provider.now_says().refresh_tokens = true).await
    }

    async fn with(change: impl FnOnce(&Provider)) -> Self {
        Self::made(|provider, _, _| change(provider)).await
    }

    /// With another provider, another configuration of it, and rules that read other things.
    async fn made(change: impl FnOnce(&Provider, &mut IssuerConfig, &mut PolicyInputs)) -> Self {
        let clock = Clock::manual(UnixSeconds(1_800_000_000));
        let provider = Provider::start(clock.clone()).await;
        let mut issuer = issuer(&provider.issuer);
        let audit = Written::default();
        let mut shared = Shared::new(&provider.issuer, &clock);
        change(&provider, &mut issuer, &mut shared.reads);
        let trail = Audit::start(audit.clone(), Counter::default(), clock.clone(), "digest".into()).unwrap();
        shared.revalidate =
            Some((RevalidationConfig { interval: INTERVAL, unconfirmed: UNCONFIRMED }, trail));
        let mut secret = NamedTempFile::new().unwrap();
        secret.write_all(CLIENT_SECRET.as_bytes()).unwrap();
        let replica = replica(&shared, &issuer, &clock, &secret);
        let browser = Browser::default();
        let mut world = Self { provider, clock, browser, replica, issuer, shared, audit, secret };
        world.sign_in().await;
        world
    }

    async fn sign_in(&mut self) {
        let sign_in = &self.replica.sign_in;
        let started = sign_in
            .start(&ReturnTo::default(), true, Prompt::Default, &self.browser.headers())
            .await
            .unwrap();
        started.cookies.iter().for_each(|cookie| self.browser.keep(cookie));
        let location = Url::parse(started.location.to_str().unwrap()).unwrap();
        let finished =
            sign_in.finish(&self.provider.sign_in(&location), &self.browser.headers()).await.unwrap();
        let Finished::SignedIn { session, .. } = finished else { panic!("{finished:?}") };
        self.browser.keep(&session.cookie);
    }

    /// Another replica of the same gateway.
    fn another(&self) -> Stack {
        replica(&self.shared, &self.issuer, &self.clock, &self.secret)
    }

    pub(crate) async fn open(&self) -> Opened {
        self.replica.sessions.open(&self.browser.headers()).await
    }

    /// The session counts; what it renews is kept.
    #[track_caller]
    fn counts(&mut self, opened: Opened) -> Session {
        let session = valid(opened);
        if let Some(cookie) = &session.renewed {
            self.browser.keep(cookie);
        }
        session
    }

    pub(crate) async fn session(&mut self) -> Session {
        let opened = self.open().await;
        self.counts(opened)
    }

    fn counted(&self, event: &str) -> bool {
        self.count(event) == 1
    }

    fn count(&self, event: &str) -> usize {
        let metrics = self.shared.metrics.render(Exposition::OpenMetrics);
        let count = metrics.split(&format!("postern_sessions_total{{event=\"{event}\"}} ")).nth(1);
        count.unwrap().lines().next().unwrap().parse().unwrap()
    }

    /// Lets what runs off the requests' way run until it shows.
    async fn until(&self, shows: impl Fn(&Self) -> bool) {
        let patience = Instant::now();
        while !shows(self) {
            assert!(patience.elapsed() < Duration::from_secs(10), "it never shows");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn audited(&self) -> Vec<Value> {
        let (_, trail) = self.shared.revalidate.as_ref().unwrap();
        trail.flush(Duration::from_secs(5));
        let text = self.audit.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn replica(shared: &Shared, issuer: &IssuerConfig, clock: &Clock, secret: &NamedTempFile) -> Stack {
    let secret = ClientAuthentication::Secret(SecretSource::File(secret.path().to_owned()));
    Stack::sharing(shared, issuer.clone(), secret, clock).unwrap()
}

#[track_caller]
fn valid(opened: Opened) -> Session {
    match opened {
        Opened::Valid(session) => session,
        other => panic!("not a valid session: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused(opened: Opened) -> Unusable {
    match opened {
        Opened::Invalid { reason, .. } => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn groups(session: &Session) -> Vec<&str> {
    let Groups::Known(groups) = &session.principal.groups else { panic!("the groups are known") };
    groups.iter().map(AsRef::as_ref).collect()
}

#[tokio::test]
async fn new_groups_take_effect_behind_the_first_request_that_is_due() {
    let mut world = World::new().await;
    world.provider.now_says().claims = json!({"groups": ["ml-risk"]});
    world.clock.advance(INTERVAL - Duration::from_secs(1));
    assert_eq!(groups(&world.session().await), ["ml-users"]);
    assert_eq!(world.provider.refresh_calls(), 0, "the provider's word still counts");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(groups(&world.session().await), ["ml-users"], "nobody waits");
    world.until(|world| world.counted("revalidated")).await;
    let session = world.session().await;
    assert_eq!(groups(&session), ["ml-risk"]);
    assert!(session.renewed.is_some(), "the browser is told");
    assert_eq!(groups(&world.session().await), ["ml-risk"]);
    assert_eq!(world.provider.refresh_calls(), 1);
}

#[tokio::test]
async fn a_request_waits_where_nobody_has_asked_for_twice_the_interval() {
    let mut world = World::new().await;
    let established = world.session().await.established;
    world.provider.now_says().claims = json!({"groups": ["ml-risk"]});
    world.clock.advance(INTERVAL * 2);
    let session = world.session().await;
    assert_eq!(groups(&session), ["ml-risk"]);
    assert_eq!(session.established, established, "the lifetime goes on");
}

#[tokio::test]
async fn a_refusal_ends_the_session_everywhere_and_is_on_record() {
    let world = World::new().await;
    world.provider.now_says().refresh = TokenAnswer::Raw(400, json!({"error": "invalid_grant"}).to_string());
    world.clock.advance(INTERVAL * 2);
    assert_eq!(refused(world.open().await), Unusable::Withdrawn);
    assert_eq!(refused(world.open().await), Unusable::Revoked);
    let other = world.another();
    assert_eq!(refused(other.sessions.open(&world.browser.headers()).await), Unusable::Revoked);
    assert!(world.counted("withdrawn"));
    let records = world.audited();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((&record["event"], &record["reason"]), (&json!("withdraw"), &json!("token-refused")));
    assert_eq!((&record["user"], &record["subject"]), (&json!("ada@corp.example"), &json!("u1")));
}

#[tokio::test]
async fn a_refusal_off_the_requests_way_ends_the_session_for_the_next_one() {
    let world = World::new().await;
    world.provider.now_says().refresh = TokenAnswer::Raw(400, json!({"error": "invalid_grant"}).to_string());
    world.clock.advance(INTERVAL);
    valid(world.open().await);
    world.until(|world| world.counted("withdrawn")).await;
    assert_eq!(refused(world.open().await), Unusable::Revoked);
}

#[tokio::test]
async fn sessions_go_on_through_an_outage_and_are_asked_about_after_it() {
    let mut world = World::new().await;
    world.provider.now_says().refresh = TokenAnswer::Raw(503, String::new());
    world.clock.advance(INTERVAL * 2);
    for _ in 0..5 {
        assert_eq!(groups(&world.session().await), ["ml-users"]);
    }
    assert_eq!(world.provider.refresh_calls(), 1, "tries keep their distance");
    assert!(world.counted("revalidation-failed"));
    world.provider.now_says().refresh = TokenAnswer::Good;
    world.provider.now_says().claims = json!({"groups": ["ml-risk"]});
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(
        groups(&world.session().await),
        ["ml-users"],
        "nobody waits for what did not answer the last time"
    );
    world.until(|world| world.counted("revalidated")).await;
    assert_eq!(groups(&world.session().await), ["ml-risk"]);
    world.provider.now_says().claims = json!({"groups": ["ml-ops"]});
    world.clock.advance(INTERVAL * 2);
    assert_eq!(groups(&world.session().await), ["ml-ops"], "the outage is over, so the answer is waited for");
}

#[tokio::test]
async fn a_provider_that_never_answers_holds_up_one_request_for_five_seconds() {
    let mut world = World::new().await;
    world.provider.now_says().refresh = TokenAnswer::Never;
    world.clock.advance(INTERVAL * 2);
    let start = Instant::now();
    assert_eq!(groups(&world.session().await), ["ml-users"]);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    world.until(|world| world.counted("revalidation-failed")).await;
    let start = Instant::now();
    assert_eq!(groups(&world.session().await), ["ml-users"]);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn parallel_requests_ask_once() {
    let world = World::new().await;
    world.provider.now_says().claims = json!({"groups": ["ml-risk"]});
    world.clock.advance(INTERVAL * 2);
    let (a, b, c, d) = tokio::join!(world.open(), world.open(), world.open(), world.open());
    for opened in [a, b, c, d] {
        assert_eq!(groups(&valid(opened)), ["ml-risk"]);
    }
    assert_eq!(world.provider.refresh_calls(), 1);
}

#[tokio::test]
async fn replicas_ask_once_between_them() {
    let world = World::new().await;
    let other = world.another();
    world.provider.now_says().claims = json!({"groups": ["ml-risk"]});
    world.clock.advance(INTERVAL * 2);
    let headers = world.browser.headers();
    let (here, there) = tokio::join!(world.open(), other.sessions.open(&headers));
    assert_eq!(groups(&valid(here)), ["ml-risk"]);
    assert_eq!(groups(&valid(there)), ["ml-risk"]);
    assert_eq!(world.provider.refresh_calls(), 1);
}

#[tokio::test]
async fn every_refresh_token_is_used_once() {
    let mut world = World::new().await;
    for round in 1..=3 {
        world.provider.now_says().claims = json!({"groups": [format!("group-{round}")]});
        world.clock.advance(INTERVAL * 2);
        assert_eq!(groups(&world.session().await), [format!("group-{round}")]);
        assert_eq!(world.provider.refresh_calls(), round);
    }
}

#[tokio::test]
async fn without_a_refresh_token_the_person_signs_in_again() {
    let world = World::with(|_| {}).await;
    valid(world.open().await);
    world.clock.advance(INTERVAL);
    assert_eq!(refused(world.open().await), Unusable::Unconfirmed);
    assert_eq!(world.provider.refresh_calls(), 0);
}

#[tokio::test]
async fn without_the_record_the_person_signs_in_again() {
    let mut world = World::new().await;
    world.shared.state = State::in_memory(world.clock.clone());
    let restarted = world.another();
    valid(restarted.sessions.open(&world.browser.headers()).await);
    world.clock.advance(INTERVAL);
    assert_eq!(refused(restarted.sessions.open(&world.browser.headers()).await), Unusable::Unconfirmed);
}

#[tokio::test]
async fn the_record_is_sealed_and_goes_with_the_session() {
    let mut world = World::new().await;
    let session = world.session().await;
    let key = Key::new(Namespace::Session, &["record", session.id.as_str()]);
    let sealed = world.shared.state.value(&key).await.unwrap();
    let sealed = String::from_utf8(sealed.expect("there is a record")).unwrap();
    assert!(!sealed.contains("refresh"), "{sealed}");
    world.provider.now_says().refresh = TokenAnswer::Raw(400, json!({"error": "invalid_grant"}).to_string());
    world.clock.advance(INTERVAL * 2);
    assert_eq!(refused(world.open().await), Unusable::Withdrawn);
    assert_eq!(world.shared.state.value(&key).await.unwrap(), None);
}
