//! Secrets that pass through the gateway are looked for in everything it prints, at TRACE.

use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use postern::sandbox::{Fault, SandboxOptions, Times};
use std::collections::BTreeSet;
use url::Url;

/// What must be seen by the one who asked and by nobody else.
#[derive(Default)]
struct Secrets(BTreeSet<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        assert!(secret.len() >= 16, "too short to be looked for: {secret}");
        self.0.insert(secret.to_owned());
    }

    /// Every parameter of a URL that is long enough to be one.
    fn add_parameters(&mut self, url: &Url) {
        for (name, value) in url.query_pairs() {
            if ![
                "redirect_uri",
                "post_logout_redirect_uri",
                "scope",
                "response_type",
                "client_id",
                "iss",
                "code_challenge_method",
            ]
            .contains(&&*name)
                && value.len() >= 16
            {
                self.add(&value);
            }
        }
    }

    fn add_cookies(&mut self, visitor: &Visitor, url: &Url) {
        for value in visitor.cookies(url).values() {
            self.add(value);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_printed() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("  region: eu-west-1\n", "  region: eu-west-1\n  timeout: 2s\n")
            .replace("    paths: [\"lab/tree/**\"]", "    prewarm: true\n    paths: [\"lab/tree/**\"]")
    })
    .await;
    let mut secrets = Secrets::default();
    let (_, client_secret) = stage.sandbox.client();
    secrets.add(std::str::from_utf8(client_secret.expose()).unwrap());
    secrets.add(&stage.sandbox.credentials().secret_access_key);

    // Sign-in, with every value of the code flow.
    let mut grace = Visitor::person();
    let first = grace.get(&stage.postern.at("/studio")).await.checked();
    secrets.add_parameters(&first.next().unwrap());
    let callback = stage.pick(&mut grace, "grace", first).await;
    secrets.add_parameters(&callback);
    let arrived = grace.get(&callback).await.checked();
    assert_eq!(arrived.location(), "/studio");
    secrets.add_cookies(&grace, &stage.postern.url);
    let replayed = grace.get(&callback).await.checked();
    assert_eq!(replayed.location(), "/studio", "the session wins over a callback that was used");

    // Every way in which a URL is handed out, and every way in which it is not.
    let mut hand_outs = Vec::new();
    let mut keep = |answer: &Answer| hand_outs.push(answer.location().to_owned());
    for path in ["/studio", "/experiments", "/tracking", "/notebook", "/comet", "/studio/lab/tree/x.ipynb"] {
        let answer = grace.get(&stage.postern.at(path)).await.checked();
        assert_eq!(answer.status, 302, "{path}");
        keep(&answer);
    }
    let token = stage.token("grace");
    secrets.add(&token);
    let mut program = Visitor::program().bearer(&token);
    keep(&program.get(&stage.postern.at("/studio")).await.checked());
    let minted = program.post(&stage.postern.at("/-/api/destinations/studio/url"), "").await.checked();
    hand_outs.push(minted.json()["url"].as_str().unwrap().to_owned());
    for fault in
        [Fault::LongUrl(15_000), Fault::ForeignHost, Fault::InsecureUrl, Fault::CutBody, Fault::AccessDenied]
    {
        stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), fault.clone(), Times::Next(4));
        let answer = program.get(&stage.postern.at("/studio")).await.checked();
        if fault == Fault::LongUrl(15_000) {
            hand_outs.push(answer.location().to_owned());
        } else {
            assert_ne!(answer.status, 302, "{fault:?}");
            assert!(
                !answer.body.contains("evil.example") && !answer.body.contains("token="),
                "{}",
                answer.body
            );
        }
        stage.sandbox.faults().clear();
    }
    for url in &hand_outs {
        secrets.add_parameters(&Url::parse(url).unwrap());
    }

    // Tokens that fail.
    let tampered = format!("{}x", &token[..token.len() - 4]);
    secrets.add(&tampered);
    assert_eq!(
        Visitor::program().bearer(&tampered).get(&stage.postern.at("/studio")).await.checked().status,
        401
    );
    let out = grace.post(&stage.postern.at("/-/logout"), "").await.checked();
    assert_eq!(out.status, 303);
    secrets.add_parameters(&out.next().unwrap());

    // What AWS was asked with: access keys and session tokens of the assumed roles.
    let records = stage.postern.audit(16);
    assert!(records.iter().any(|record| record["event"] == "sign-out"), "{records:#?}");
    let printed = stage.postern.log() + &stage.postern.audit_text();
    assert!(printed.contains("\"outcome\":\"ok\""), "nothing was logged: {printed}");
    let shown: Vec<_> = secrets.0.iter().filter(|secret| printed.contains(secret.as_str())).collect();
    assert!(secrets.0.len() > 15, "{}", secrets.0.len());
    assert!(shown.is_empty(), "printed: {shown:#?}");
    for word in
        ["authToken=", "auth?token=", "AuthorizedUrl\":", "SecretAccessKey", "id_token", "Authorization: "]
    {
        assert!(!printed.contains(word), "`{word}` was printed");
    }
}
