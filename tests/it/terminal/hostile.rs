//! Sign-ins of terminals that somebody else has a hand in.

use super::{Account, allowed, form, send};
use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern::sandbox::SandboxOptions;
use serde_json::json;
use url::Url;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const BACK: &str = "http://127.0.0.1:40123/callback";

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

fn link(stage: &Stage, change: &[(&str, Option<&str>)]) -> Url {
    let mut link = stage.postern.at("/-/terminal");
    let challenge = challenge(VERIFIER);
    let fields = [
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("state", "af0ifjsldkj"),
        ("machine", "laptop"),
        ("redirect_uri", BACK),
    ];
    let mut query = link.query_pairs_mut();
    for (name, value) in fields {
        match change.iter().find(|(changed, _)| *changed == name) {
            Some((_, None)) => {}
            Some((_, Some(value))) => drop(query.append_pair(name, value)),
            None => drop(query.append_pair(name, value)),
        }
    }
    drop(query);
    link
}

async fn redeem(stage: &Stage, code: &str, verifier: &str) -> Answer {
    let body = json!({"code": code, "code_verifier": verifier});
    Visitor::program().call("POST", &stage.postern.at("/-/api/terminal"), &body).await.checked()
}

/// The code that the browser is sent back with.
fn code(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.body);
    let back = Url::parse(answer.location()).unwrap();
    assert_eq!(&back[..url::Position::AfterPath], BACK);
    let value = |name: &str| back.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    assert_eq!(value("state"), "af0ifjsldkj");
    value("code")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_counts_once_and_for_its_own_terminal() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let first = code(&allowed(&stage, &mut grace, &link(&stage, &[])).await);
    let redeemed = redeem(&stage, &first, VERIFIER).await;
    assert_eq!(redeemed.status, 200, "{}", redeemed.body);
    let token = redeemed.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("postern_terminal_"));
    let refused = |answer: Answer| {
        assert_eq!(
            (answer.status.as_u16(), answer.reason().as_str()),
            (400, "code-invalid"),
            "{}",
            answer.body
        );
    };
    refused(redeem(&stage, &first, VERIFIER).await);
    // A wrong verifier uses the code up: who has the code alone gets nothing, and leaves nothing to try.
    let second = code(&allowed(&stage, &mut grace, &link(&stage, &[])).await);
    refused(redeem(&stage, &second, "another-verifier-of-another-terminal-altogether").await);
    refused(redeem(&stage, &second, VERIFIER).await);
    refused(redeem(&stage, "", VERIFIER).await);
    refused(redeem(&stage, &"A".repeat(32), VERIFIER).await);
    // Ten at once: one gets it.
    let third = code(&allowed(&stage, &mut grace, &link(&stage, &[])).await);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (at, code) = (stage.postern.at("/-/api/terminal"), third.clone());
        tries.spawn(async move {
            let body = json!({"code": code, "code_verifier": VERIFIER});
            Visitor::program().call("POST", &at, &body).await.checked().status
        });
    }
    let statuses = tries.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_goes_nowhere_but_to_this_machine() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let good = form(&mut grace, &link(&stage, &[])).await;
    for (name, value) in [
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "http://evil.example:80/callback"),
        ("redirect_uri", "http://127.0.0.1:80@evil.example/callback"),
        ("redirect_uri", "http://127.0.0.1.evil.example:80/callback"),
        ("redirect_uri", "http://localhost:40123/callback"),
        ("redirect_uri", "http://127.0.0.1:40123/callback?next=https://evil.example"),
        ("redirect_uri", "http://127.0.0.1:40123/elsewhere"),
        ("redirect_uri", "http://127.0.0.1/callback"),
        ("redirect_uri", "postern://callback"),
        ("code_challenge_method", "plain"),
        ("code_challenge", "short"),
        ("code_challenge", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEj==="),
        ("state", ""),
        ("state", "a\r\nSet-Cookie: x"),
        ("machine", ""),
        ("machine", "a\u{1b}[2Jb"),
    ] {
        let page = grace.get(&link(&stage, &[(name, Some(value))])).await.checked();
        assert_eq!(page.status, 400, "{name} {value:?}: {}", page.body);
        // Neither does the form, which anybody could change on its way.
        let changed: Vec<_> = good
            .iter()
            .map(|(key, old)| (key.clone(), if key == name { value.to_owned() } else { old.clone() }))
            .collect();
        let answer = send(&stage, &grace, &changed).await;
        assert_eq!(answer.status, 400, "{name} {value:?}: {}", answer.body);
    }
    assert_eq!(grace.get(&link(&stage, &[("code_challenge", None)])).await.checked().status, 400);
    let twice = format!("{}&state=b", link(&stage, &[]));
    assert_eq!(grace.get(&Url::parse(&twice).unwrap()).await.checked().status, 400);
    assert_eq!(send(&stage, &grace, &good).await.status, 303, "the form as it is still counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_allows_a_terminal_for_somebody_else() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let own = form(&mut grace, &link(&stage, &[])).await;
    // Looking changes nothing, in a frame, ahead, or on the way from another site.
    for (name, value) in [("sec-fetch-dest", "iframe"), ("sec-purpose", "prefetch")] {
        let mut visitor = grace.clone().with(name, value);
        assert_eq!(visitor.get(&link(&stage, &[])).await.checked().status, 403, "{name}");
    }
    let page = grace.get(&link(&stage, &[])).await.checked();
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    // From another site, another person's or another session's page, sent twice.
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&own).finish();
    let at = stage.postern.at("/-/terminal");
    for site in ["cross-site", "same-site"] {
        let mut visitor = grace.clone().with("sec-fetch-site", site);
        assert_eq!(visitor.post(&at, &body).await.checked().status, 403, "{site}");
    }
    let (ada, same) = (stage.person("ada").await, stage.person("grace").await);
    for visitor in [&ada, &same] {
        assert_eq!(send(&stage, visitor, &own).await.status, 409);
    }
    let without: Vec<_> = own.iter().filter(|(name, _)| name != "form").cloned().collect();
    assert_eq!(send(&stage, &grace, &without).await.status, 409);
    assert_eq!(send(&stage, &grace, &own).await.status, 303);
    assert_eq!(send(&stage, &grace, &own).await.status, 409, "once");
    // Only a session allows, and only in a browser.
    let mut program = stage.program("grace").with("accept", "text/html");
    assert_eq!(program.get(&link(&stage, &[])).await.checked().status, 403);
    let mut nobody = Visitor::person().with("sec-fetch-site", "same-origin");
    assert_eq!(nobody.post(&at, &body).await.checked().status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminals_token_makes_run_tokens_and_nothing_else() {
    let stage = Stage::new().await;
    let mut ada = stage.person("ada").await;
    let code = code(&allowed(&stage, &mut ada, &link(&stage, &[])).await);
    let token = redeem(&stage, &code, VERIFIER).await.json()["token"].as_str().unwrap().to_owned();
    let program = || Visitor::program().bearer(&token);
    for path in ["/experiments", "/", "/-/whoami", "/-/api/destinations", "/experiments/version"] {
        let answer = program().get(&stage.postern.at(path)).await.checked();
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (401, "token-not-for-this"), "{path}");
        assert!(!answer.body.contains(&token[..40]));
    }
    let mint = stage.postern.at("/-/api/destinations/studio/url");
    assert_eq!(program().post(&mint, "").await.checked().reason(), "token-not-for-this");
    let search = stage.postern.at("/experiments/api/2.0/mlflow/runs/search");
    assert_eq!(program().call("POST", &search, &json!({})).await.checked().reason(), "token-not-for-this");
    let make = stage.postern.at("/-/api/tokens");
    let wish = json!({"destination": "experiments"});
    let made = program().call("POST", &make, &wish).await.checked();
    assert_eq!((made.status.as_u16(), &made.json()["access"]), (201, &json!("write")));
    // Changed in its kind, or anywhere.
    let sealed = token.strip_prefix("postern_terminal_").unwrap();
    let as_run = format!("postern_run_{sealed}");
    let answer = Visitor::program().bearer(&as_run).call("POST", &search, &json!({})).await.checked();
    assert_eq!(answer.reason(), "token-unreadable");
    let run = made.json()["token"].as_str().unwrap().replace("postern_run_", "postern_terminal_");
    let answer = Visitor::program().bearer(&run).call("POST", &make, &wish).await.checked();
    assert_eq!(answer.reason(), "token-unreadable");
    let bent = format!("{}{}", &token[..token.len() - 1], if token.ends_with('A') { 'B' } else { 'A' });
    let answer = Visitor::program().bearer(&bent).call("POST", &make, &wish).await.checked();
    assert_eq!(answer.reason(), "token-unreadable");
    assert_eq!(stage.mints(), Vec::<String>::new());
    // Its person takes it back.
    let list = ada.get(&stage.postern.at("/-/tokens")).await.checked().body;
    let form = super::hidden(&list, "form");
    let body = format!("form={form}&do=take-back-all");
    let mut visitor = ada.clone().with("sec-fetch-site", "same-origin");
    assert_eq!(visitor.post(&stage.postern.at("/-/tokens"), &body).await.checked().status, 303);
    let answer = program().call("POST", &make, &wish).await.checked();
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (401, "token-revoked"));
}

/// What listens on the person's machine answers everybody there, and believes only the browser that it sent.
#[tokio::test(flavor = "multi_thread")]
async fn the_place_that_waits_takes_no_other_code() {
    let (stage, account) = (Stage::new().await, Account::new());
    let mut grace = stage.person("grace").await;
    let login = account.login(&stage.postern.url, &[]);
    let value = |name: &str| login.link.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let (back, state) = (value("redirect_uri"), value("state"));
    for url in [
        format!("{back}?code=stolen&state=other"),
        format!("{back}?code=stolen"),
        format!("{back}?code=stolen&state={state}&state={state}"),
        format!("{back}?code=a&code=b&state={state}"),
        format!("{back}?code=&state={state}"),
        back.replace("/callback", &format!("/?code=stolen&state={state}")),
    ] {
        let answer = Visitor::person().get(&Url::parse(&url).unwrap()).await;
        assert_eq!(answer.status, 404, "{url}: {}", answer.body);
    }
    let rebound = Visitor::person()
        .with("host", "evil.example")
        .get(&Url::parse(&format!("{back}?code=stolen&state={state}")).unwrap())
        .await;
    assert_eq!(rebound.status, 404, "another name for this machine");
    let answer = allowed(&stage, &mut grace, &login.link).await;
    assert_eq!(Visitor::person().get(&answer.next().unwrap()).await.status, 200);
    let (status, printed) = login.ended();
    assert!(status.success(), "it still waited: {printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_terminal_where_run_tokens_are_switched_off() {
    let stage = Stage::with(SandboxOptions::default(), |text| text + "\ntokens: {enabled: false}\n").await;
    let mut grace = stage.person("grace").await;
    assert_eq!(grace.get(&link(&stage, &[])).await.checked().status, 404);
    assert_eq!(redeem(&stage, "a", VERIFIER).await.status, 404);
}
