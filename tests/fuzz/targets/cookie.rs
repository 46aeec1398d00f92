//! The session cookie: it opens where it was sealed for that, and a request says one thing with it or nothing.

use super::marks::written_out;
use super::token::{NOW, issuer};
use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use postern::clock::{Clock, UnixSeconds};
use postern::config::{KeySource, SessionConfig};
use postern::provider::policy_inputs::{Names, PolicyInputs};
use postern::provider::principal::{Groups, Principal};
use postern::sessions::cookie::{Cookie, Found};
use postern::sessions::seal::{Purpose, Sealer, SealingKey};
use postern::sessions::{NewSession, Opened, ProviderTokens, Seen, Sessions, Unusable};
use postern::state::State;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use url::Url;

pub(super) const PUBLIC_URL: &str = "https://ml.corp.example";
const ISSUER: &str = "https://sso.corp.example";
const NAME: &str = "__Host-postern-session";

struct World {
    runtime: Runtime,
    sealer: Arc<Sealer>,
    sessions: Arc<Sessions>,
    marks: Vec<(&'static str, String)>,
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// Each line is a `Cookie` field of one request.
pub(super) fn check(input: &[u8]) {
    let world = &*WORLD;
    let marks: Vec<(&str, &str)> = world.marks.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let text = written_out(input, &marks);
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(field) = HeaderValue::from_bytes(line) else { return };
        headers.append(COOKIE, field);
    }
    let values = values(&text, NAME);
    let found = Cookie::session(&Url::parse(PUBLIC_URL).unwrap()).find(&headers);
    let expected = match values.as_slice() {
        [] => Found::Absent,
        [value] => Found::One(value),
        _ => Found::Duplicate,
    };
    assert_eq!(found, expected);
    world.opens(&headers, &values);
    for value in &values {
        world.unseals(value);
    }
    world.unseals(&text);
}

/// Everything that some `Cookie` fields say under a name, read independently.
pub(super) fn values<'t>(fields: &'t [u8], name: &str) -> Vec<&'t [u8]> {
    let pairs = fields.split(|byte| matches!(byte, b'\n' | b';')).map(<[u8]>::trim_ascii);
    pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")).collect()
}

pub(super) fn person(user: &str) -> Principal {
    let claims =
        serde_json::json!({"sub": user, "email": format!("{user}@corp.example"), "department": "risk"});
    Principal {
        realm: "staff".into(),
        user: format!("{user}@corp.example"),
        issuer: "corp".into(),
        subject: user.to_owned(),
        name: None,
        groups: Groups::Known([Arc::from("ml-users")].into()),
        groups_total: None,
        claims: Arc::new(claims.as_object().unwrap().clone()),
    }
}

pub(super) fn sessions(sealer: &Arc<Sealer>, issuer_url: &str, clock: &Clock) -> Arc<Sessions> {
    let hour = Duration::from_secs(3600);
    let config = SessionConfig { keys: Vec::new(), lifetime: 8 * hour, idle: hour, revalidate: None };
    let reads = PolicyInputs { claims: Names::All, groups: Names::All };
    let (url, issuer) = (Url::parse(PUBLIC_URL).unwrap(), issuer(issuer_url, KeySource::Discovery));
    let state = State::in_memory(clock.clone());
    Arc::new(Sessions::new(Arc::clone(sealer), &config, &url, &issuer, &reads, state, clock.clone()))
}

/// The value of the cookie that a sign-in sets.
pub(super) fn sealed(runtime: &Runtime, sessions: &Sessions, user: &str) -> String {
    let (principal, tokens) = (person(user), ProviderTokens::default());
    let arrival = NewSession { principal: &principal, provider_session: None, seen: Seen::default(), tokens };
    let set = runtime.block_on(sessions.establish(arrival)).unwrap().cookie;
    let pair = set.to_str().unwrap().split(';').next().unwrap();
    pair.split_once('=').unwrap().1.to_owned()
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = Clock::manual(UnixSeconds(NOW));
        let url = Url::parse(PUBLIC_URL).unwrap();
        let key = SealingKey::random();
        let sealer = Arc::new(Sealer::new(&key, &[], &url, ISSUER));
        let of = |sealer: Sealer| sealed(&runtime, &sessions(&Arc::new(sealer), ISSUER, &clock), "ada");
        let elsewhere = Url::parse("https://ml2.corp.example").unwrap();
        let sessions = sessions(&sealer, ISSUER, &clock);
        let ada = sealed(&runtime, &sessions, "ada");
        let content = sealer.open(Purpose::Session, ada.as_bytes()).unwrap();
        let again = |purpose| sealer.seal(purpose, &content);
        let marks = vec![
            ("eve", sealed(&runtime, &sessions, "eve")),
            ("attempt", again(Purpose::Attempt)),
            ("record", again(Purpose::Record)),
            ("id-token", again(Purpose::IdToken)),
            ("run-token", again(Purpose::RunToken)),
            ("run-token-note", again(Purpose::RunTokenNote)),
            ("form", again(Purpose::Form)),
            ("terminal", again(Purpose::Terminal)),
            ("terminal-code", again(Purpose::TerminalCode)),
            ("other-key", of(Sealer::new(&SealingKey::random(), &[], &url, ISSUER))),
            ("other-url", of(Sealer::new(&key, &[], &elsewhere, ISSUER))),
            ("other-issuer", of(Sealer::new(&key, &[], &url, "https://sso2.corp.example"))),
            ("ada", ada),
        ];
        Self { runtime, sealer, sessions, marks }
    }

    fn opens(&self, headers: &HeaderMap, values: &[&[u8]]) {
        let opened = self.runtime.block_on(self.sessions.open(headers));
        match (values, opened) {
            ([], Opened::None) => {}
            ([value], Opened::Valid(session)) => {
                let owner = ["ada", "eve"].into_iter().find(|owner| self.sealed_as(owner) == *value);
                let owner = owner.expect("only a sealed session opens");
                assert_eq!(session.principal.user, format!("{owner}@corp.example"));
                assert_eq!(&*session.principal.realm, "staff");
                assert!(session.renewed.is_none(), "nothing has changed");
            }
            ([value], Opened::Invalid { reason: Unusable::Unreadable, clear }) => {
                assert!(["ada", "eve"].iter().all(|owner| self.sealed_as(owner) != *value));
                assert!(clear.to_str().unwrap().starts_with(&format!("{NAME}=; Path=/; Max-Age=0;")));
            }
            ([_, _, ..], Opened::Invalid { reason: Unusable::Duplicate, .. }) => {}
            (values, opened) => panic!("{} cookies are {opened:?}", values.len()),
        }
    }

    fn sealed_as(&self, mark: &str) -> &[u8] {
        self.marks.iter().find(|(name, _)| *name == mark).unwrap().1.as_bytes()
    }

    fn unseals(&self, value: &[u8]) {
        for purpose in Purpose::ALL {
            let marks: &[&str] = match purpose {
                Purpose::Session => &["ada", "eve"],
                Purpose::Attempt => &["attempt"],
                Purpose::Record => &["record"],
                Purpose::IdToken => &["id-token"],
                Purpose::RunToken => &["run-token"],
                Purpose::RunTokenNote => &["run-token-note"],
                Purpose::Form => &["form"],
                Purpose::Terminal => &["terminal"],
                Purpose::TerminalCode => &["terminal-code"],
            };
            let ours = marks.iter().any(|mark| self.sealed_as(mark) == value);
            assert_eq!(self.sealer.open(purpose, value).is_some(), ours, "{purpose:?}");
        }
    }
}
