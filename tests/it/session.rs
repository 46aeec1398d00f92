//! The session cookie: what it keeps, when it counts, and that nobody can make or change one.

mod ends;
mod selection;

use crate::support::browser::Browser;
use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use postern::clock::{Clock, UnixSeconds};
use postern::config::{Algorithm, ClaimPaths, IssuerConfig, KeySource, SessionConfig};
use postern::provider::policy_inputs::{Names, PolicyInputs};
use postern::provider::principal::{Groups, Principal};
use postern::sessions::seal::{Purpose, Sealer, SealingKey};
use postern::sessions::{NewSession, Opened, ProviderTokens, Session, SessionError, Sessions, Unusable};
use postern::state::State;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const NAME: &str = "__Host-postern-session";
const HOUR: Duration = Duration::from_secs(3600);

/// The state of these tests is this process's memory, which never waits.
const ISS: &str = "https://sso.corp.example";

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

struct World {
    clock: Clock,
    sealer: Arc<Sealer>,
    state: State,
    public_url: &'static str,
    issuer: IssuerConfig,
    lifetime: Duration,
    idle: Duration,
    reads: PolicyInputs,
}

impl World {
    fn new() -> Self {
        Self::at("https://ml.corp.example")
    }

    fn at(public_url: &'static str) -> Self {
        let url = Url::parse(public_url).unwrap();
        let clock = Clock::manual(UnixSeconds(1_800_000_000));
        Self {
            clock: clock.clone(),
            sealer: Arc::new(Sealer::new(&SealingKey::random(), &[], &url, "https://sso.corp.example")),
            state: State::in_memory(clock.clone()),
            public_url,
            issuer: issuer("corp", "staff"),
            lifetime: 8 * HOUR,
            idle: HOUR,
            reads: PolicyInputs::default(),
        }
    }

    fn sessions(&self) -> Arc<Sessions> {
        let config =
            SessionConfig { keys: Vec::new(), lifetime: self.lifetime, idle: self.idle, revalidate: None };
        Arc::new(Sessions::new(
            self.sealer.clone(),
            &config,
            &Url::parse(self.public_url).unwrap(),
            &self.issuer,
            &self.reads,
            self.state.clone(),
            self.clock.clone(),
        ))
    }

    fn establish(
        &self,
        principal: &Principal,
        provider_session: Option<&str>,
    ) -> Result<HeaderValue, SessionError> {
        let tokens = ProviderTokens::default();
        let seen = now(self.sessions().seen(ISS, &principal.subject, provider_session));
        now(self.sessions().establish(NewSession { principal, provider_session, seen, tokens }))
            .map(|session| session.cookie)
    }

    fn signed_in(&self) -> Browser {
        let mut browser = Browser::default();
        browser.keep(&self.establish(&ada(), Some("provider-session")).unwrap());
        browser
    }
}

fn issuer(name: &str, realm: &str) -> IssuerConfig {
    IssuerConfig {
        name: name.into(),
        issuer: ISS.to_owned(),
        realm: realm.into(),
        algorithms: vec![Algorithm::Es256],
        audience: Vec::new(),
        keys: KeySource::Discovery,
        discovery_url: None,
        insecure_http: false,
        claims: ClaimPaths { user: vec!["email".into()], groups: "groups".into(), name: "name".into() },
        programs: None,
        user_domains: None,
        unmarked_email: false,
        access_tokens: None,
        signed_header: None,
    }
}

fn ada() -> Principal {
    let claims = json!({
        "iss": "https://sso.corp.example", "sub": "u1", "aud": "postern", "email": "Ada@corp.example",
        "groups": ["ml-users", "ml-risk"], "department": "risk", "auth_time": 7,
        "nonce": "n", "at_hash": "h", "c_hash": "h", "iat": 1, "exp": 2, "nbf": 1, "jti": "j",
    });
    Principal {
        realm: "staff".into(),
        user: "ada@corp.example".to_owned(),
        issuer: "corp".into(),
        subject: "u1".to_owned(),
        name: Some("Ada L".to_owned()),
        groups: Groups::Known([Arc::from("ml-users"), Arc::from("ml-risk")].into()),
        groups_total: None,
        claims: Arc::new(claims.as_object().unwrap().clone()),
    }
}

#[track_caller]
fn valid(opened: Opened) -> Session {
    match opened {
        Opened::Valid(session) => session,
        other => panic!("not a valid session: {other:?}"),
    }
}

#[track_caller]
fn refused(opened: Opened) -> Unusable {
    match opened {
        Opened::Invalid { reason, clear } => {
            assert!(clear.to_str().unwrap().contains("Max-Age=0"));
            reason
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_session_gives_back_the_principal_it_was_made_of() {
    let world = World::new();
    let session = valid(now(world.sessions().open(&world.signed_in().headers())));
    let (found, ada) = (&session.principal, ada());
    assert_eq!((&*found.realm, &*found.issuer), ("staff", "corp"));
    assert_eq!((&found.user, &found.subject, &found.name), (&ada.user, &ada.subject, &ada.name));
    assert_eq!(found.groups, ada.groups);
    assert_eq!(session.provider_session.as_deref(), Some("provider-session"));
    assert_eq!(session.established, UnixSeconds(1_800_000_000));
    assert!(session.renewed.is_none());
    let expected = json!({
        "iss": "https://sso.corp.example", "sub": "u1", "aud": "postern", "email": "Ada@corp.example",
        "groups": ["ml-users", "ml-risk"], "department": "risk", "auth_time": 7,
    });
    assert_eq!(*found.claims, *expected.as_object().unwrap(), "without what the token says of itself");
}

#[test]
fn groups_that_were_left_out_stay_left_out() {
    let world = World::new();
    for groups in [Groups::LeftOut, Groups::Known([].into())] {
        let mut browser = Browser::default();
        let ada = Principal { groups: groups.clone(), ..ada() };
        browser.keep(&world.establish(&ada, None).unwrap());
        assert_eq!(valid(now(world.sessions().open(&browser.headers()))).principal.groups, groups);
    }
}

#[test]
fn the_realm_is_the_issuers_at_the_time_of_the_request() {
    let mut world = World::new();
    let browser = world.signed_in();
    world.issuer = issuer("corp", "partners");
    assert_eq!(&*valid(now(world.sessions().open(&browser.headers()))).principal.realm, "partners");
    world.issuer = issuer("other", "staff");
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::UnknownIssuer);
}

#[test]
fn the_cookie_is_bound_to_host_and_secure() {
    let world = World::new();
    let sessions = world.sessions();
    let set = world.establish(&ada(), None).unwrap();
    assert!(set.is_sensitive());
    let (pair, attributes) = set.to_str().unwrap().split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-postern-session="));
    assert_eq!(attributes, "Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
    let clear = sessions.clear();
    let expected = "__Host-postern-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure";
    assert_eq!(clear.to_str().unwrap(), expected);
}

#[test]
fn over_plain_http_the_cookie_says_that_it_is_insecure() {
    let world = World::at("http://127.0.0.1:8080");
    let set = world.establish(&ada(), None).unwrap();
    assert!(set.to_str().unwrap().starts_with("postern-session-insecure="));
    assert!(!set.to_str().unwrap().contains("Secure"));
    let expected = "postern-session-insecure=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax";
    assert_eq!(world.sessions().clear().to_str().unwrap(), expected);
    valid(now(world.sessions().open(&world.signed_in().headers())));
}

#[test]
fn without_a_cookie_there_is_no_session() {
    let sessions = World::new().sessions();
    assert!(matches!(now(sessions.open(&HeaderMap::new())), Opened::None));
    let mut browser = World::new().signed_in();
    let value = browser.cookie(NAME).unwrap().to_owned();
    browser.forget(NAME);
    for name in [
        "__host-postern-session",
        "__HOST-POSTERN-SESSION",
        "x__Host-postern-session",
        "__Host-postern-session2",
    ] {
        let mut other = browser.clone();
        other.set(name, &value);
        assert!(matches!(now(sessions.open(&other.headers())), Opened::None), "{name}");
    }
}

#[test]
fn two_cookies_of_the_name_are_refused() {
    let world = World::new();
    let value = world.signed_in().cookie(NAME).unwrap().to_owned();
    let one = format!("a=b; {NAME}={value}");
    let in_one_field = format!("{one}; {NAME}={value}");
    let mut headers = HeaderMap::new();
    headers.append(COOKIE, HeaderValue::try_from(&in_one_field).unwrap());
    assert_eq!(refused(now(world.sessions().open(&headers))), Unusable::Duplicate);
    let mut headers = HeaderMap::new();
    headers.append(COOKIE, HeaderValue::try_from(&one).unwrap());
    valid(now(world.sessions().open(&headers)));
    headers.append(COOKIE, HeaderValue::try_from(format!("{NAME}=")).unwrap());
    assert_eq!(refused(now(world.sessions().open(&headers))), Unusable::Duplicate);
}

#[test]
fn a_cookie_changed_in_any_bit_or_cut_anywhere_is_anonymous() {
    let world = World::new();
    let sessions = world.sessions();
    let good = world.signed_in().cookie(NAME).unwrap().as_bytes().to_vec();
    let open = |value: &[u8]| {
        let cookie = [NAME.as_bytes(), b"=", value].concat();
        HeaderValue::from_bytes(&cookie)
            .ok()
            .map(|cookie| now(sessions.open(&HeaderMap::from_iter([(COOKIE, cookie)]))))
    };
    assert!(matches!(open(&good), Some(Opened::Valid(_))));
    for at in 0..good.len() {
        assert_eq!(refused(open(&good[..at]).unwrap()), Unusable::Unreadable, "cut to {at}");
        for bit in 0..8 {
            let mut damaged = good.clone();
            damaged[at] ^= 1 << bit;
            let opened = open(&damaged);
            let anonymous = opened.is_none_or(|opened| !matches!(opened, Opened::Valid(_)));
            // `;` ends a cookie: what stands before it is a cut one, and that case is above.
            assert!(anonymous, "bit {bit} of byte {at}");
        }
    }
}

/// Another version may mean something else by the same words.
#[test]
fn a_cookie_of_another_form_does_not_count() {
    let world = World::new();
    let headers = world.signed_in().headers();
    let (_, sealed) = headers[COOKIE].to_str().unwrap().split_once('=').unwrap();
    let text = world.sealer.open(Purpose::Session, sealed.as_bytes()).unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let opened = |text: &str| {
        let sealed = world.sealer.seal(Purpose::Session, text.as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(&format!("{NAME}={sealed}")).unwrap());
        now(world.sessions().open(&headers))
    };
    valid(opened(&text));
    for form in [1, 3] {
        let other = text.replace("\"f\":2", &format!("\"f\":{form}"));
        assert_ne!(other, text);
        assert_eq!(refused(opened(&other)), Unusable::Unreadable);
    }
}

#[test]
fn the_lifetime_is_absolute() {
    let world = World::new();
    let mut browser = world.signed_in();
    for _ in 0..15 {
        world.clock.advance(HOUR / 2);
        let session = valid(now(world.sessions().open(&browser.headers())));
        browser.keep(&session.renewed.expect("half the idle time is long enough"));
    }
    let just_before = now(world.sessions().open(&browser.headers()));
    valid(just_before);
    world.clock.advance(HOUR / 2);
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::Expired);
}

#[test]
fn an_unused_session_ends() {
    let world = World::new();
    let browser = world.signed_in();
    world.clock.advance(HOUR - Duration::from_secs(1));
    valid(now(world.sessions().open(&browser.headers())));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::Idle);
}

#[test]
fn renewal_waits_for_a_tenth_of_the_idle_time_and_never_outlives_the_session() {
    let world = World::new();
    let mut browser = world.signed_in();
    world.clock.advance(Duration::from_secs(359));
    assert!(valid(now(world.sessions().open(&browser.headers()))).renewed.is_none());
    world.clock.advance(Duration::from_secs(1));
    let session = valid(now(world.sessions().open(&browser.headers())));
    browser.keep(&session.renewed.unwrap());
    assert_eq!(valid(now(world.sessions().open(&browser.headers()))).id, session.id, "the same session");
    for _ in 0..9 {
        world.clock.advance(Duration::from_secs(3000));
        browser.keep(&valid(now(world.sessions().open(&browser.headers()))).renewed.unwrap());
    }
    world.clock.advance(Duration::from_secs(400));
    let last = valid(now(world.sessions().open(&browser.headers()))).renewed.unwrap();
    assert!(last.to_str().unwrap().contains("Max-Age=1040;"), "8 h less 360, 27 000 and 400 s: {last:?}");
}

#[test]
fn renewal_waits_for_a_minute_at_least() {
    let world = World { idle: Duration::from_secs(120), ..World::new() };
    let browser = world.signed_in();
    world.clock.advance(Duration::from_secs(59));
    assert!(valid(now(world.sessions().open(&browser.headers()))).renewed.is_none());
    world.clock.advance(Duration::from_secs(1));
    assert!(valid(now(world.sessions().open(&browser.headers()))).renewed.is_some());
}

/// A minute would be too long where the session ends before that.
#[test]
fn a_short_idle_time_is_renewed_after_half_of_it() {
    let world = World { idle: Duration::from_secs(40), ..World::new() };
    let browser = world.signed_in();
    world.clock.advance(Duration::from_secs(19));
    assert!(valid(now(world.sessions().open(&browser.headers()))).renewed.is_none());
    world.clock.advance(Duration::from_secs(1));
    assert!(valid(now(world.sessions().open(&browser.headers()))).renewed.is_some());
}

#[test]
fn a_clock_that_steps_back_loses_no_session() {
    let world = World::new();
    let browser = world.signed_in();
    let earlier = World { clock: Clock::manual(UnixSeconds(1_799_999_000)), ..world };
    valid(now(earlier.sessions().open(&browser.headers())));
}

#[test]
fn an_address_that_the_issuer_may_no_longer_speak_for_does_not_count() {
    let mut world = World::new();
    let browser = world.signed_in();
    world.issuer.user_domains = Some(vec!["partner.example".to_owned()]);
    assert_eq!(refused(now(world.sessions().open(&browser.headers()))), Unusable::ForeignDomain);
    assert!(
        now(world.sessions().sign_out(&world.signed_in().headers())).is_some(),
        "it can be ended all the same"
    );
    world.issuer.user_domains = Some(vec!["partner.example".to_owned(), "corp.example".to_owned()]);
    valid(now(world.sessions().open(&browser.headers())));
}

#[test]
fn a_session_that_no_browser_would_keep_is_an_error() {
    let all = PolicyInputs { claims: Names::All, groups: Names::All };
    let world = World { reads: all, ..World::new() };
    let with_groups = |count: usize| {
        let groups: Vec<Arc<str>> = (0..count).map(|n| format!("group-{n:04}").into()).collect();
        let claims = json!({ "groups": groups.iter().map(|group| &**group).collect::<Vec<_>>() });
        Principal {
            groups: Groups::Known(groups.into()),
            claims: Arc::new(claims.as_object().unwrap().clone()),
            ..ada()
        }
    };
    let longest = (0..400).map_while(|count| world.establish(&with_groups(count), None).ok()).last().unwrap();
    assert!((3700..=3800).contains(&longest.len()), "{}", longest.len());
    let error = world.establish(&with_groups(400), None).unwrap_err();
    assert!(matches!(error, SessionError::TooBig { bytes } if bytes > 3800));
}
