//! `/-/tokens`: the page on which people make run tokens and take them back.

use super::{create, is_refused, made, search};
use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use postern::sandbox::SandboxOptions;
use url::form_urlencoded::Serializer;

const PAGE: &str = "/-/tokens";

/// The value of the first hidden field of this name.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    let rest = page.split(&field).nth(1).unwrap_or_else(|| panic!("no field {name}: {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// The token that a page shows.
pub(super) fn shown(page: &str) -> String {
    let start = page.find("postern_run_").unwrap_or_else(|| panic!("no token: {page}"));
    let text = &page[start..];
    text[..text.find(|letter: char| !(letter.is_ascii_alphanumeric() || "_-".contains(letter))).unwrap()]
        .to_owned()
}

pub(crate) async fn send(stage: &Stage, visitor: &mut Visitor, fields: &[(&str, &str)]) -> Answer {
    let form = Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut there = visitor.clone().with("sec-fetch-site", "same-origin");
    let answer = there.post(&stage.postern.at(PAGE), &form).await.checked();
    visitor.keep(&answer);
    answer
}

pub(super) async fn make(stage: &Stage, visitor: &mut Visitor, name: &str) -> String {
    let page = visitor.get(&stage.postern.at(PAGE)).await.checked();
    assert_eq!(page.status, 200, "{}", page.body);
    let form = hidden(&page.body, "form");
    let fields = [
        ("form", &*form),
        ("do", "make"),
        ("destination", "experiments"),
        ("name", name),
        ("access", ""),
        ("lifetime", "1h"),
    ];
    let answer = send(stage, visitor, &fields).await;
    assert_eq!(answer.status, 200, "{}\n{}", answer.body, stage.postern.log());
    shown(&answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_makes_a_token_sees_it_once_and_takes_it_back() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let empty = grace.get(&stage.postern.at(PAGE)).await.checked();
    assert!(empty.body.contains("You have none."), "{}", empty.body);
    assert!(empty.body.contains("<option value=\"experiments\">"), "{}", empty.body);
    assert!(!empty.body.contains("<option value=\"studio\""), "only what programs may call");
    let chosen = grace.get(&stage.postern.at("/-/tokens?destination=tracking")).await.checked();
    assert!(chosen.body.contains("<option value=\"tracking\" selected>"), "{}", chosen.body);
    let form = hidden(&empty.body, "form");
    let fields = [
        ("form", &*form),
        ("do", "make"),
        ("destination", "experiments"),
        ("name", "nightly <b>training</b>"),
        ("access", "read"),
        ("lifetime", "1h"),
    ];
    let answer = send(&stage, &mut grace, &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let token = shown(&answer.body);
    for line in [
        format!("export MLFLOW_TRACKING_TOKEN={token}"),
        format!("export MLFLOW_TRACKING_URI={}", stage.postern.at("/experiments")),
        format!("%env MLFLOW_TRACKING_TOKEN={token}"),
    ] {
        assert!(answer.body.contains(&line), "{line} in {}", answer.body);
    }
    assert_eq!(search(&stage, &token).await.status, 200);
    assert_eq!(create(&stage, &token).await.reason(), "access-too-low");
    // Loading the answer again sends the form again: that makes no second token.
    let again = send(&stage, &mut grace, &fields).await;
    assert_eq!(again.status, 409, "{}", again.body);
    assert!(again.body.contains("This form no longer counts"));
    let list = grace.get(&stage.postern.at(PAGE)).await.checked();
    assert!(list.body.contains("nightly &lt;b&gt;training&lt;/b&gt;"), "{}", list.body);
    assert!(!list.body.contains(&token[..40]), "shown once");
    assert_eq!(list.body.matches("value=\"take-back\"").count(), 1);
    let (form, id) = (hidden(&list.body, "form"), hidden(&list.body, "id"));
    let taken = send(&stage, &mut grace, &[("form", &form), ("do", "take-back"), ("id", &id)]).await;
    assert_eq!((taken.status.as_u16(), taken.location()), (303, PAGE), "{}", taken.body);
    is_refused(&search(&stage, &token).await, "token-revoked", &token);
    let after = grace.get(&stage.postern.at(PAGE)).await.checked();
    assert!(after.body.contains("You have none."), "{}", after.body);
    let records = stage.postern.audit_at_rest();
    let outcomes: Vec<_> =
        records.iter().filter(|record| record["event"] == "token").map(|record| &record["outcome"]).collect();
    assert_eq!(outcomes, ["issued", "revoked", "refused"]);
    assert!(!stage.postern.audit_text().contains("nightly"), "names are the person's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_what_programs_made_and_all_of_it_goes_at_once() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let by_program = made(&stage, "grace").await;
    let by_hand = make(&stage, &mut grace, "mine").await;
    let of_ada = made(&stage, "ada").await;
    let given_back = made(&stage, "grace").await;
    let at = stage.postern.at("/-/api/tokens/current");
    let mut program = Visitor::program().bearer(&given_back);
    assert_eq!(program.call("DELETE", &at, &serde_json::Value::Null).await.checked().status, 204);
    let list = grace.get(&stage.postern.at(PAGE)).await.checked().body;
    assert_eq!(list.matches("value=\"take-back\"").count(), 2, "{list}");
    assert!(list.contains("Without a name") && list.contains("mine"), "{list}");
    let form = hidden(&list, "form");
    assert_eq!(send(&stage, &mut grace, &[("form", &form), ("do", "take-back-all")]).await.status, 303);
    for token in [&by_program, &by_hand] {
        is_refused(&search(&stage, token).await, "token-revoked", token);
    }
    assert_eq!(search(&stage, &of_ada).await.status, 200);
    assert!(grace.get(&stage.postern.at(PAGE)).await.checked().body.contains("You have none."));
    let later = make(&stage, &mut grace, "later").await;
    assert_eq!(search(&stage, &later).await.status, 200, "a new one counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_list_keeps_programs_going() {
    let stage = Stage::new().await;
    for _ in 0..50 {
        made(&stage, "grace").await;
    }
    let wish = serde_json::json!({"destination": "experiments"});
    let told = super::make(&stage, "grace", &wish).await.json();
    assert_eq!(told["listed"], false);
    let token = told["token"].as_str().unwrap();
    assert_eq!(search(&stage, token).await.status, 200);
    let mut grace = stage.person("grace").await;
    let list = grace.get(&stage.postern.at(PAGE)).await.checked().body;
    assert!(list.contains("The list holds 50"), "{list}");
    let form = hidden(&list, "form");
    assert_eq!(send(&stage, &mut grace, &[("form", &form), ("do", "take-back-all")]).await.status, 303);
    is_refused(&search(&stage, token).await, "token-revoked", token);
    assert_eq!(super::make(&stage, "grace", &wish).await.json()["listed"], true, "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_counts_from_its_own_page_alone() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let page = grace.get(&stage.postern.at(PAGE)).await.checked().body;
    let form = hidden(&page, "form");
    let at = stage.postern.at(PAGE);
    let body = |form: &str| {
        let fields = [
            ("form", form),
            ("do", "make"),
            ("destination", "experiments"),
            ("access", ""),
            ("lifetime", "1h"),
        ];
        Serializer::new(String::new()).extend_pairs(fields).finish()
    };
    for (site, origin) in
        [(Some("cross-site"), None), (Some("same-site"), None), (None, Some("https://evil.example"))]
    {
        let mut visitor = grace.clone().without("sec-fetch-site");
        if let Some(site) = site {
            visitor = visitor.with("sec-fetch-site", site);
        }
        if let Some(origin) = origin {
            visitor = visitor.with("origin", origin);
        }
        let answer = visitor.post(&at, &body(&form)).await.checked();
        assert_eq!(answer.status, 403, "{site:?} {origin:?}: {}", answer.body);
        assert!(answer.body.contains("This form came from another site"));
    }
    // Another session of the same person, another person, nothing, and a run token in the form's place.
    let same = stage.person("grace").await;
    let ada = stage.person("ada").await;
    let token = made(&stage, "grace").await;
    let altered = format!("{}{}", &form[..form.len() - 1], if form.ends_with('A') { 'B' } else { 'A' });
    for (mut visitor, value) in [
        (same, form.clone()),
        (ada, form.clone()),
        (grace.clone(), String::new()),
        (grace.clone(), token.strip_prefix("postern_run_").unwrap().to_owned()),
        (grace.clone(), altered),
    ] {
        visitor = visitor.with("sec-fetch-site", "same-origin");
        let answer = visitor.post(&at, &body(&value)).await.checked();
        assert_eq!(answer.status, 409, "{}", answer.body);
    }
    let mut own = grace.clone().with("sec-fetch-site", "same-origin");
    for malformed in [
        format!("{}&do=make", body(&form)),
        body(&form).replace("lifetime=1h", "lifetime=soon"),
        body(&form).replace("access=", "access=all"),
        body(&form).replace("do=make", "do=unmake"),
        "a".repeat(20_000),
    ] {
        let answer = own.post(&at, &malformed).await.checked();
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    let mut nobody = Visitor::person().with("sec-fetch-site", "same-origin");
    assert_eq!(nobody.post(&at, &body(&form)).await.checked().status, 401);
    let answer = own.post(&at, &body(&form)).await.checked();
    assert_eq!(answer.status, 200, "after all of that, the form still counts: {}", answer.body);
    // Programs have an API.
    let mut program = stage.program("grace").with("accept", "text/html");
    assert_eq!(program.get(&at).await.checked().status, 403);
    assert_eq!(program.post(&at, &body(&form)).await.checked().status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_ends_the_tokens_of_its_session_and_everywhere_ends_all() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let mut other = stage.person("grace").await;
    let (one, two) = (make(&stage, &mut grace, "one").await, make(&stage, &mut other, "two").await);
    let by_program = made(&stage, "grace").await;
    let sign_out = async |visitor: &Visitor, form: &str| {
        let mut visitor = visitor.clone().with("sec-fetch-site", "same-origin");
        assert_eq!(visitor.post(&stage.postern.at("/-/logout"), form).await.checked().status, 303);
    };
    sign_out(&grace, "").await;
    is_refused(&search(&stage, &one).await, "token-revoked", &one);
    for token in [&two, &by_program] {
        assert_eq!(search(&stage, token).await.status, 200);
    }
    let list = other.get(&stage.postern.at(PAGE)).await.checked().body;
    assert!(!list.contains("<h3>one</h3>") && list.contains("<h3>two</h3>"), "{list}");
    sign_out(&other, "everywhere=yes").await;
    for token in [&two, &by_program] {
        is_refused(&search(&stage, token).await, "token-revoked", token);
    }
    let records = stage.postern.audit_at_rest();
    assert!(records.iter().any(|record| record["event"] == "sign-out" && record["reason"] == "everywhere"));
}

#[tokio::test(flavor = "multi_thread")]
async fn everywhere_ends_all_sessions_of_the_person() {
    let stage = Stage::new().await;
    let (grace, mut elsewhere) = (stage.person("grace").await, stage.person("grace").await);
    let ada = stage.person("ada").await;
    let mut form = grace.clone().with("sec-fetch-site", "same-origin");
    let asked = form.get(&stage.postern.at("/-/logout")).await.checked();
    assert!(asked.body.contains("Sign out everywhere"), "{}", asked.body);
    assert_eq!(form.post(&stage.postern.at("/-/logout"), "everywhere=yes").await.checked().status, 303);
    let at = stage.postern.at("/");
    assert_eq!(elsewhere.get(&at).await.checked().status, 302);
    assert_eq!(ada.clone().get(&at).await.checked().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn portal_and_whoami_have_the_variables_to_copy() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    for path in ["/", "/-/whoami"] {
        let page = grace.get(&stage.postern.at(path)).await.checked().body;
        for name in ["experiments", "tracking", "archive"] {
            let line = format!("export MLFLOW_TRACKING_URI={}", stage.postern.at(&format!("/{name}")));
            assert!(page.contains(&line), "{line}: {page}");
            assert!(page.contains(&format!("href=\"/-/tokens?destination={name}\"")), "{page}");
        }
        assert!(!page.contains("destination=studio"), "{page}");
    }
    let mut program = stage.program("grace");
    for path in ["/-/whoami", "/-/api/destinations"] {
        let told = program.get(&stage.postern.at(path)).await.checked().json();
        let of = |name: &str| {
            let rows = told["destinations"].as_array().unwrap();
            rows.iter().find(|row| row["name"] == name).unwrap()["tracking_uri"].clone()
        };
        assert_eq!(of("experiments"), stage.postern.at("/experiments").as_str(), "{path}");
        assert!(of("studio").is_null(), "{path}");
    }
    let off = Stage::with(SandboxOptions::default(), |text| text + "\ntokens: {enabled: false}\n").await;
    let mut grace = off.person("grace").await;
    let page = grace.get(&off.postern.at("/")).await.checked().body;
    assert!(page.contains("export MLFLOW_TRACKING_URI=") && !page.contains("/-/tokens"), "{page}");
    assert_eq!(grace.get(&off.postern.at(PAGE)).await.checked().status, 404);
}
