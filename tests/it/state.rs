//! State that replicas share, with real gateways and a real server between them.

mod away;
mod full;
mod prewarmed;
mod reaching;
mod repeated;
mod rotation;
mod run_tokens;
mod unreadable;

use crate::support::aged_session::aged_session;
use crate::support::postern::Postern;
use crate::support::stage::Stage;
use crate::support::valkey::Valkey;
use crate::support::visitor::{Answer, Visitor};
use postern::sandbox::{IdentityProviderFaults, SandboxOptions, Token};
use postern::sessions::seal::generate_key;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use url::{Url, form_urlencoded};

const PASSWORD: &str = "correct-horse-battery";

/// Two replicas of one gateway: `stage.postern`, and `second` under another address.
struct Replicas {
    stage: Stage,
    second: Postern,
    /// With the server's URL in `valkey-url`.
    folder: TempDir,
}

impl Replicas {
    /// `state` is what stands under `state.valkey` beside the URL.
    async fn new(url: &str, state: &str, change: impl Fn(String) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name).display().to_string()
        };
        let (key, url) = (at("session-key", &generate_key()), at("valkey-url", url));
        let stage = Stage::with(SandboxOptions::default(), |text| {
            let text = text
                .replace(
                    "{insecure_ephemeral_session_key: true, revalidate: 1m}",
                    &format!("{{keys: [{{file: {key}}}]}}"),
                )
                .replace(
                    "state: {memory: {}}",
                    &format!("state: {{valkey: {{url: {{file: {url}}}{state}}}}}"),
                );
            change(text + "\naliases: [127.0.0.2]\n")
        })
        .await;
        let second = second(&stage);
        Self { stage, second, folder }
    }

    /// The same request at the second replica, with the same cookies.
    async fn elsewhere(&self, visitor: &Visitor, path: &str) -> Answer {
        let mut visitor = visitor.clone();
        let url = self.second.at(path);
        visitor.carry_cookies(&self.stage.postern.url, &url);
        visitor.get(&url).await.checked()
    }

    async fn here(&self, visitor: &Visitor, path: &str) -> Answer {
        visitor.clone().get(&self.stage.postern.at(path)).await.checked()
    }

    async fn sign_out_elsewhere(&self, visitor: &Visitor) -> Answer {
        let mut visitor = visitor.clone().with("sec-fetch-site", "same-origin");
        let url = self.second.at("/-/logout");
        visitor.carry_cookies(&self.stage.postern.url, &url);
        visitor.post(&url, "").await.checked()
    }

    async fn sign_out(&self, visitor: &mut Visitor) -> Answer {
        visitor.headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
        let answer = visitor.post(&self.stage.postern.at("/-/logout"), "").await.checked();
        visitor.headers.insert("sec-fetch-site", "none".parse().unwrap());
        answer
    }

    /// Waits until both say so in their logs, `times` times since their start.
    fn both_say(&self, event: &str, times: usize) {
        for postern in [&self.stage.postern, &self.second] {
            says(postern, event, times);
        }
    }
}

fn second(stage: &Stage) -> Postern {
    let text = std::fs::read_to_string(stage.folder.path().join("postern.yaml")).unwrap();
    let port = stage.postern.url.port().unwrap();
    let text = text.replace(&format!("address: 127.0.0.1:{port}"), &format!("address: 127.0.0.2:{port}"));
    let config = stage.folder.path().join("second.yaml");
    std::fs::write(&config, text).unwrap();
    let key = stage.sandbox.credentials();
    let environment = [
        ("AWS_ACCESS_KEY_ID", key.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", key.secret_access_key.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let url = Url::parse(&format!("http://127.0.0.2:{port}")).unwrap();
    Postern::serve(&config, url, &environment).expect("the port is free at the other address")
}

#[track_caller]
fn says(postern: &Postern, event: &str, times: usize) {
    let event = format!("\"{event}\"");
    for _ in 0..1000 {
        if postern.log().matches(&event).count() >= times {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{event} is not said {times} times: {}", postern.log());
}

async fn metric(postern: &Postern, name: &str) -> String {
    let text = Visitor::program().get(&postern.admin("/metrics")).await.body;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name}: {text}")).to_owned()
}

fn is_signed_in(answer: &Answer) -> bool {
    assert!(answer.status == 200 || answer.status == 302, "{}: {}", answer.status, answer.body);
    answer.status == 200
}

fn url(valkey: &Valkey) -> String {
    format!("redis://127.0.0.1:{}/1", valkey.port)
}

fn same(text: String) -> String {
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_counts_at_every_replica_and_after_a_restart() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let mut replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let mut grace = replicas.stage.person("grace").await;
    let other = replicas.stage.person("ada").await;
    let copy = grace.clone();
    assert!(is_signed_in(&replicas.elsewhere(&copy, "/").await), "a session counts at both");
    assert_eq!(replicas.sign_out(&mut grace).await.status, 303);
    assert!(!is_signed_in(&replicas.here(&copy, "/").await));
    assert!(!is_signed_in(&replicas.elsewhere(&copy, "/").await));
    assert!(is_signed_in(&replicas.elsewhere(&other, "/").await), "nobody else is signed out");

    replicas.second.signal("TERM");
    assert!(replicas.second.wait().success());
    replicas.second = second(&replicas.stage);
    says(&replicas.second, "state.up", 1);
    assert!(!is_signed_in(&replicas.elsewhere(&copy, "/").await));
    assert!(is_signed_in(&replicas.elsewhere(&other, "/").await));
}

/// A copy of a session does not outlive the sign-in by which its person has replaced it.
#[tokio::test(flavor = "multi_thread")]
async fn signing_in_again_ends_the_session_before() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let stage = &replicas.stage;
    let earlier = |age| {
        let cookie =
            aged_session(&stage.folder.path().join("postern.yaml"), "grace", Duration::from_secs(age));
        let mut visitor = Visitor::person();
        visitor.hold(&stage.postern.url, &cookie);
        visitor
    };
    for (age, ends) in [(300, true), (10, false)] {
        let mut grace = earlier(age);
        let copy = grace.clone();
        assert!(is_signed_in(&replicas.elsewhere(&copy, "/").await));
        assert_eq!(stage.sign_in(&mut grace, "grace", "/-/login?prompt=select_account").await.status, 200);
        assert_eq!(is_signed_in(&replicas.elsewhere(&copy, "/").await), !ends, "of {age} s ago");
        assert!(is_signed_in(&replicas.elsewhere(&grace, "/").await));
    }
    let signed_out = stage.postern.audit(3).iter().filter(|record| record["event"] == "sign-out").count();
    assert_eq!(signed_out, 0, "nobody has signed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_token_of_a_sign_in_is_a_hint_at_every_replica() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let grace = replicas.stage.person("grace").await;
    let onward = replicas.sign_out_elsewhere(&grace).await.next().expect("to the provider");
    assert!(onward.query_pairs().any(|(name, _)| name == "id_token_hint"), "{onward}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_stays_here_where_the_provider_was_never_reached() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let grace = replicas.stage.person("grace").await;
    let faults = IdentityProviderFaults { unavailable: true, ..Default::default() };
    replicas.stage.sandbox.faults().set_identity_provider(faults);
    let out = replicas.sign_out_elsewhere(&grace).await;
    assert_eq!(out.status, 200);
    assert!(out.body.contains("<h1>You are signed out</h1>"), "{}", out.body);
    assert_eq!(replicas.here(&grace, "/").await.status, 302, "it ended all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_count_mints_together() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", |text| text + "\nlimits: {mints_per_minute: 4}\n").await;
    replicas.both_say("state.up", 1);
    let grace = replicas.stage.person("grace").await;
    for round in 0..2 {
        assert_eq!(replicas.here(&grace, "/studio").await.status, 302, "{round}");
        assert_eq!(replicas.elsewhere(&grace, "/studio").await.status, 302, "{round}");
    }
    for answer in [replicas.here(&grace, "/studio").await, replicas.elsewhere(&grace, "/studio").await] {
        assert_eq!(answer.status, 429);
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=15).contains(&wait), "{wait}");
    }
    let ada = replicas.stage.person("ada").await;
    assert_eq!(replicas.here(&ada, "/studio").await.status, 302, "each person has their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_server_no_session_counts_until_it_is_back() {
    let Some(mut valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let mut grace = replicas.stage.person("grace").await;
    let ada = replicas.stage.person("ada").await;
    let copy = grace.clone();
    valkey.stop();
    replicas.both_say("state.away", 1);

    let refused = replicas.here(&ada, "/studio").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(refused.header("refresh"), "5;url=/studio?-try=1");
    let sent = ada.clone().with("sec-fetch-site", "cross-site").without("sec-fetch-user");
    let sent = replicas.here(&sent, "/studio").await;
    assert_eq!(
        (sent.status.as_u16(), sent.header("refresh")),
        (503, ""),
        "another try would seem deliberate"
    );
    assert!(refused.body.contains("whether your session still counts"), "{}", refused.body);
    let program = replicas.stage.program("ada").get(&replicas.stage.postern.at("/-/api/destinations")).await;
    assert_eq!(program.checked().status, 200, "a token needs no state");
    let both = ada.clone().bearer(&replicas.stage.token("ada"));
    let both = replicas.here(&both, "/-/api/destinations").await;
    assert_eq!(both.status, 200, "nor does it beside a session");
    let ready = Visitor::program().get(&replicas.stage.postern.at("/-/ready")).await.checked();
    assert_eq!(ready.status, 200);

    assert_eq!(metric(&replicas.stage.postern, "postern_state_up").await, "0");

    let asked = replicas.here(&grace, "/-/logout").await;
    assert!(
        asked.body.contains("<h1>Sign out?</h1>"),
        "nobody is told to be signed out who may not be: {}",
        asked.body
    );
    let answer = replicas.sign_out(&mut grace).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("/end_session?"), "the provider's session can still be ended");
    assert!(answer.body.contains("You are signed out in this browser"), "{}", answer.body);
    assert!(answer.header("set-cookie").contains("Max-Age=0"), "{}", answer.header("set-cookie"));
    let record = replicas.stage.postern.audit(4);
    let record = record.iter().find(|record| record["event"] == "sign-out").unwrap();
    assert_eq!(record["reason"], "state-away");

    valkey.start_again();
    replicas.both_say("state.up", 2);
    assert_eq!(metric(&replicas.stage.postern, "postern_state_up").await, "1");
    assert!(is_signed_in(&replicas.here(&ada, "/").await), "no restart is needed");
    assert!(is_signed_in(&replicas.elsewhere(&ada, "/").await));
    for _ in 0..100 {
        if !is_signed_in(&replicas.elsewhere(&copy, "/").await) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!is_signed_in(&replicas.elsewhere(&copy, "/").await), "what was noted meanwhile is told");
    assert_eq!(replicas.stage.postern.log().matches("\"state.away\"").count(), 1, "said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_everything_learns_it_anew() {
    let Some(mut valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let mut grace = replicas.stage.person("grace").await;
    let copy = grace.clone();
    assert_eq!(replicas.sign_out(&mut grace).await.status, 303);
    valkey.stop();
    replicas.both_say("state.away", 1);
    valkey.start_again();
    replicas.both_say("state.up", 2);
    for _ in 0..100 {
        if !is_signed_in(&replicas.elsewhere(&copy, "/").await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the session lives again");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_serve_sessions_count_as_far_as_this_process_knows() {
    let Some(mut valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), ", when_away: serve", same).await;
    replicas.both_say("state.up", 1);
    let mut grace = replicas.stage.person("grace").await;
    let copy = grace.clone();
    valkey.stop();
    replicas.both_say("state.away", 1);
    assert!(is_signed_in(&replicas.here(&copy, "/").await));
    assert_eq!(replicas.here(&copy, "/studio").await.status, 302);
    let answer = replicas.sign_out(&mut grace).await;
    assert!(answer.body.contains("You are signed out in this browser"), "the person is told here, too");
    assert!(!is_signed_in(&replicas.here(&copy, "/").await), "this process knows");
    assert!(is_signed_in(&replicas.elsewhere(&copy, "/").await), "the other does not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_waited_for_once_and_not_by_everyone() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), ", timeout: 1s", same).await;
    replicas.both_say("state.up", 1);
    let grace = replicas.stage.person("grace").await;
    valkey.freeze();
    let before = Instant::now();
    assert_eq!(replicas.here(&grace, "/").await.status, 503);
    assert!(before.elapsed() >= Duration::from_millis(900), "the first waits");
    let before = Instant::now();
    for _ in 0..20 {
        assert_eq!(replicas.here(&grace, "/").await.status, 503);
    }
    assert!(before.elapsed() < Duration::from_millis(900), "{:?}", before.elapsed());
    valkey.thaw();
    says(&replicas.stage.postern, "state.up", 2);
    assert!(is_signed_in(&replicas.here(&grace, "/").await));
}

async fn tell(replicas: &Replicas, at: &Postern, token: &str) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
    assert!([&replicas.stage.postern.url, &replicas.second.url].contains(&&at.url));
    Visitor::program().post(&at.at("/-/backchannel-logout"), &form).await.checked()
}

fn logout_token(replicas: &Replicas) -> String {
    let sandbox = &replicas.stage.sandbox;
    sandbox.token(&Token::new(sandbox.logout_claims("grace")).header("typ", "logout+jwt")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_ends_sessions_at_every_replica_and_works_once_at_all() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let grace = replicas.stage.person("grace").await;
    let token = logout_token(&replicas);
    assert_eq!(tell(&replicas, &replicas.second, &token).await.status, 200);
    assert!(!is_signed_in(&replicas.here(&grace, "/").await));
    assert_eq!(tell(&replicas, &replicas.stage.postern, &token).await.status, 400, "a replay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_is_to_come_again_where_the_state_was_away() {
    let Some(mut valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let grace = replicas.stage.person("grace").await;
    valkey.stop();
    replicas.both_say("state.away", 1);
    let token = logout_token(&replicas);
    let later = tell(&replicas, &replicas.stage.postern, &token).await;
    assert_eq!((later.status.as_u16(), later.header("retry-after")), (503, "5"));
    assert_eq!(later.json()["error"], "temporarily_unavailable");
    valkey.start_again();
    replicas.both_say("state.up", 2);
    assert!(!is_signed_in(&replicas.here(&grace, "/").await), "it was noted all the same");
    assert_eq!(tell(&replicas, &replicas.second, &token).await.status, 200);
    assert!(!is_signed_in(&replicas.elsewhere(&grace, "/").await));
}
