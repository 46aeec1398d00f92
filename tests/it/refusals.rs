//! A refused token or sign-in, through the front door: the log names what came and what is allowed, the answer names the check
//! alone, and the audit trail names whom a verified token named.

use crate::support::jwks_server::JwksServer;
use crate::support::signer::Signer;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{IdentityProviderFaults, SandboxOptions, Token, TokenKey};
use serde_json::{Map, Value, json};
use url::form_urlencoded::Serializer;

/// Every word for a token that does not count, but for those of a person whom the claims do not name.
const REASONS: [&str; 20] = [
    "algorithm-not-allowed",
    "bad-signature",
    "email-unverified",
    "expired",
    "invalid-claim",
    "issued-in-future",
    "keys-unavailable",
    "lifetime-too-long",
    "malformed-token",
    "missing-claim",
    "not-yet-valid",
    "refused-parameter",
    "unknown-issuer",
    "unknown-key",
    "unsupported-algorithm",
    "wrong-audience",
    "wrong-authorized-party",
    "wrong-issuer",
    "wrong-nonce",
    "wrong-type",
];

/// A token of Grace's, changed; why it is refused; and what the log says of it.
fn bearer_tokens(now: u64) -> Vec<(Box<dyn Fn(Token) -> Token>, &'static str, String)> {
    fn claim(name: &'static str, value: Value) -> Box<dyn Fn(Token) -> Token> {
        Box::new(move |token| token.claim(name, value.clone()))
    }
    fn header(name: &'static str, value: Value) -> Box<dyn Fn(Token) -> Token> {
        Box::new(move |token| token.header(name, value.clone()))
    }
    let text = |text: &str| text.to_owned();
    let key =
        |key: TokenKey| -> Box<dyn Fn(Token) -> Token> { Box::new(move |token| token.key(key.clone())) };
    let date = |name: &str, at: u64| format!("`{name}` is {at}, and it is ");
    let long = "x".repeat(2_000);
    vec![
        (header("typ", json!(5)), "malformed-token", text("`typ` is not a string")),
        (
            key(TokenKey::Hs256(b"secret".to_vec())),
            "unsupported-algorithm",
            text("`alg` is \"HS256\"; allowed: RS256, RS384, RS512, PS256,"),
        ),
        (key(TokenKey::Unsigned), "unsupported-algorithm", text("`alg` is \"none\"; allowed: RS256")),
        (key(TokenKey::Es256), "algorithm-not-allowed", text("`alg` is \"ES256\"; allowed: RS256")),
        (header("crit", json!(["exp"])), "refused-parameter", text("`crit` is [\"exp\"]")),
        (header("cty", json!("JWT")), "refused-parameter", text("`cty` is \"JWT\"")),
        (header("enc", json!("A128GCM")), "refused-parameter", text("`enc` is \"A128GCM\"")),
        (header("kid", json!("nobody's")), "unknown-key", text("`kid` is \"nobody's\"")),
        (
            header("typ", json!("Logout+JWT")),
            "wrong-type",
            text("`typ` is \"Logout+JWT\"; allowed: jwt, at+jwt, none"),
        ),
        (claim("at_hash", json!("abc")), "wrong-type", text("`at_hash` is a text of 3 bytes")),
        (claim("token_use", json!("id")), "wrong-type", text("`token_use` is \"id\"; allowed: access")),
        (
            claim("iss", json!("https://evil.example\n\u{202e}\"forged\"")),
            "unknown-issuer",
            text(r#"`iss` is "https://evil.example\n\u{202e}\"forged\""; allowed: http://127.0.0.1:"#),
        ),
        (
            claim("iss", json!(long)),
            "unknown-issuer",
            format!("`iss` is \"{}…; allowed: http://", &long[..119]),
        ),
        (
            claim("aud", json!(["another-api", "account"])),
            "wrong-audience",
            text("`aud` is [\"another-api\",\"account\"]; allowed: postern-api"),
        ),
        (claim("aud", Value::Null), "missing-claim", text("`aud` is missing")),
        (
            claim("aud", json!({"0": "postern-api"})),
            "invalid-claim",
            text("`aud` is {\"0\":\"postern-api\"}"),
        ),
        (claim("exp", json!("soon")), "invalid-claim", text("`exp` is \"soon\"")),
        (claim("sub", json!(7)), "invalid-claim", text("`sub` is a number")),
        (claim("sub", json!("SECRET".repeat(50))), "invalid-claim", text("`sub` is a text of 300 bytes")),
        (claim("exp", json!(now - 60)), "expired", date("exp", now - 60)),
        (claim("nbf", json!(now + 600)), "not-yet-valid", date("nbf", now + 600)),
        (claim("iat", json!(now + 600)), "issued-in-future", date("iat", now + 600)),
        (claim("exp", json!(now + 90_000)), "lifetime-too-long", text("; allowed: 86400 s")),
        (
            claim("email_verified", json!("SECRET")),
            "email-unverified",
            text("the claim `email_verified` is a text"),
        ),
    ]
}

/// The causes in the log from a place on, once there is one.
async fn causes(stage: &Stage, before: usize) -> Vec<(String, String)> {
    for _ in 0..500 {
        let log = stage.postern.log().split_off(before);
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let causes = lines.filter_map(|line| {
            let text = |name: &str| line.pointer(&format!("/fields/{name}")).or_else(|| line.get(name));
            let cause = text("cause").or_else(|| text("error"))?;
            Some((text("reason")?.as_str()?.to_owned(), cause.as_str()?.to_owned()))
        });
        let causes: Vec<(String, String)> = causes.collect();
        if !causes.is_empty() {
            return causes;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nothing: {}", stage.postern.log().split_off(before));
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("no object: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_comes_with_what_was_found() {
    let mut seen: Vec<String> = Vec::new();
    let stage = Stage::new().await;
    let mut check = |reason: &str, expected: &str, causes: &[(String, String)], shown: &str| {
        let [(said, cause)] = causes else { panic!("{reason}: {causes:?}") };
        assert_eq!(said, reason, "{cause}");
        assert!(cause.contains(expected), "{reason}: `{cause}` is without `{expected}`");
        assert!(cause.len() < 800 && !cause.contains("SECRET"), "{cause}");
        assert!(!cause.contains(|c: char| c.is_control() || c == '\u{202e}'), "{cause}");
        assert!(
            !shown.contains(expected) || ["malformed-token", "missing-claim"].contains(&reason),
            "{shown}"
        );
        seen.push(reason.to_owned());
    };

    // While the provider is away, nothing can be proven.
    let away = IdentityProviderFaults { unavailable: true, ..Default::default() };
    stage.sandbox.faults().set_identity_provider(away);
    let before = stage.postern.log().len();
    let answer = stage.program("grace").get(&stage.postern.at("/-/whoami")).await.checked();
    assert_eq!(answer.status, 503);
    let told = causes(&stage, before).await;
    let told: Vec<_> = told.into_iter().filter(|(reason, _)| reason == "keys-unavailable").collect();
    check("keys-unavailable", "the issuer's keys are out of reach", &told, &answer.body);
    stage.sandbox.faults().set_identity_provider(IdentityProviderFaults::default());
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;

    let now = stage.sandbox.access_claims("grace")["iat"].as_u64().expect("a date");
    let ask = async |token: &str| {
        let before = stage.postern.log().len();
        let mut program = Visitor::program().bearer(token);
        let answer = program.get(&stage.postern.at("/-/whoami")).await.checked();
        assert_eq!(answer.status, 401, "{}", answer.body);
        (causes(&stage, before).await, answer.body)
    };
    for (change, reason, expected) in bearer_tokens(now) {
        let token = change(Token::new(stage.sandbox.access_claims("grace")));
        let (told, shown) = ask(&stage.sandbox.token(&token).expect("a token")).await;
        check(reason, &expected, &told, &shown);
    }
    let good = stage.token("grace");
    let (message, signature) = good.rsplit_once('.').expect("parts");
    let reversed: String = signature.chars().rev().collect();
    let reversed =
        if reversed.starts_with(['A', 'Q', 'g', 'w']) { signature.to_lowercase() } else { reversed };
    let damaged = format!("{message}.{}A", &reversed[..reversed.len() - 1]);
    let (told, shown) = ask(&damaged).await;
    check("bad-signature", "`kid` is \"rsa-", &told, &shown);

    // Tokens of the provider's own answer: at a sign-in, and of a logout.
    let cases = [
        (json!({"azp": "another"}), "wrong-authorized-party", "`azp` is \"another\"; allowed: postern"),
        (json!({"nonce": "SECRET"}), "wrong-nonce", "`nonce` is not the one of this sign-in"),
        (
            json!({"iss": "https://other.example"}),
            "wrong-issuer",
            "`iss` is \"https://other.example\"; allowed: http",
        ),
        (json!({"aud": "another"}), "wrong-audience", "`aud` is \"another\"; allowed: postern"),
    ];
    for (claims, reason, expected) in cases {
        let faults = IdentityProviderFaults { id_token_claims: object(claims), ..Default::default() };
        stage.sandbox.faults().set_identity_provider(faults);
        let before = stage.postern.log().len();
        let mut browser = Visitor::person();
        let arrived = stage.sign_in(&mut browser, "grace", "/studio").await;
        assert_eq!(arrived.status, 403, "{}", arrived.body);
        check(reason, expected, &causes(&stage, before).await, &arrived.body);
    }
    stage.sandbox.faults().set_identity_provider(IdentityProviderFaults::default());
    let token = Token::new(stage.sandbox.logout_claims("grace")).claim("iss", "https://other.example");
    let token = stage.sandbox.token(&token.header("typ", "logout+jwt")).expect("a token");
    let form = Serializer::new(String::new()).append_pair("logout_token", &token).finish();
    let before = stage.postern.log().len();
    let answer = Visitor::program().post(&stage.postern.at("/-/backchannel-logout"), &form).await.checked();
    assert_eq!(answer.status, 400);
    let expected = "`iss` is \"https://other.example\"; allowed: http";
    check("wrong-issuer", expected, &causes(&stage, before).await, &answer.body);

    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, REASONS);
}

/// The signer of a load balancer's token stands in its header.
#[tokio::test(flavor = "multi_thread")]
async fn another_load_balancer_is_named() {
    const OURS: &str =
        "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/ml/50dc6c495c0c9188";
    const THEIRS: &str =
        "arn:aws:elasticloadbalancing:eu-west-1:999900001111:loadbalancer/app/ml/50dc6c495c0c9188";
    let keys = JwksServer::start().await;
    let key = Signer::es256("0f5a3bd0-aaaa-bbbb-cccc-1234567890ab");
    keys.serve(&format!("/pem/{}", "0f5a3bd0-aaaa-bbbb-cccc-1234567890ab"), key.pem());
    let base = keys.base.clone();
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let balancer = format!(
            "issuers:\n  balancer:\n    preset: aws_alb\n    region: eu-west-1\n    signer: {OURS}\n    issuer: \
             https://sso.corp.example\n    client_id: ml-balancer\n    keys_url: {base}/pem/\n    insecure_http: true\n    \
             user_domains: [corp.example]\n    realm: sandbox\n"
        );
        text.replacen("issuers:\n", &balancer, 1)
            .replacen("  direct_clients: true\n", "", 1)
            .replacen("sign_in:\n", "trusted_proxies: [127.0.0.1/32]\ncredentials: [bearer, session, signed_header]\nsign_in:\n", 1)
    })
    .await;
    let now = stage.sandbox.access_claims("grace")["iat"].as_u64().expect("a date");
    let claims = json!({"sub": "u1", "email": "ada@corp.example", "email_verified": true, "exp": now + 120});
    let header = json!({"typ": "JWT", "kid": "0f5a3bd0-aaaa-bbbb-cccc-1234567890ab", "alg": "ES256",
        "iss": "https://sso.corp.example", "client": "ml-balancer", "signer": OURS, "exp": now + 120});
    let ask = async |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        let mut visitor = Visitor::program().with("x-amzn-oidc-data", &key.padded(&header, &claims));
        let before = stage.postern.log().len();
        let answer = visitor.get(&stage.postern.at("/-/whoami")).await.checked();
        (answer, before)
    };
    let (answer, _) = ask("signer", json!(OURS)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for (name, value, reason, expected) in [
        ("signer", json!(THEIRS), "wrong-signer", format!("`signer` is \"{THEIRS}\"; allowed: {OURS}")),
        ("client", json!("other"), "wrong-signer", "`client` is \"other\"; allowed: ml-balancer".to_owned()),
        (
            "iss",
            json!("https://x.example"),
            "wrong-issuer",
            "`iss` is \"https://x.example\"; allowed: https://sso".to_owned(),
        ),
        ("kid", json!("../../x"), "unknown-key", "`kid` is \"../../x\"".to_owned()),
        ("kid", json!(["x"]), "malformed-token", "`kid` is not a string".to_owned()),
    ] {
        let (answer, before) = ask(name, value).await;
        assert_eq!((answer.status.as_u16(), answer.reason()), (401, reason.to_owned()));
        let told = causes(&stage, before).await;
        assert!(told.iter().any(|(_, cause)| cause.contains(&expected)), "{expected}: {told:?}");
        assert!(!answer.body.contains("99990000"), "{}", answer.body);
    }
}

/// Who was refused is on record where a verified token says it, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_in_names_whom_a_verified_token_named() {
    let stage = Stage::new().await;
    let grace = stage.sandbox.id_claims("grace")["sub"].clone();
    let none = Map::new;
    let cases = [
        // Verified, and yet nobody: the subject is on record.
        (json!({"email_verified": false}), none(), "email-unverified", true),
        (json!({"email": "grace@elsewhere.example"}), none(), "email-domain", true),
        (json!({"email": null}), object(json!({"email": null})), "user-missing", true),
        (json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}), none(), "wrong-access-token", true),
        (json!({"groups": null}), object(json!({"sub": "somebody else"})), "wrong-subject", true),
        // What is not verified says nothing.
        (json!({"nonce": "another"}), none(), "wrong-nonce", false),
        (json!({"aud": "another"}), none(), "wrong-audience", false),
        (json!({"iss": "https://other.example"}), none(), "wrong-issuer", false),
        (json!({"sub": null}), none(), "missing-claim", false),
        (json!({"exp": 1}), none(), "expired", false),
    ];
    for (number, (id_token, user_info_claims, reason, is_named)) in cases.into_iter().enumerate() {
        let id_token_claims = object(id_token);
        let faults = IdentityProviderFaults { id_token_claims, user_info_claims, ..Default::default() };
        stage.sandbox.faults().set_identity_provider(faults);
        let mut browser = Visitor::person();
        let arrived = stage.sign_in(&mut browser, "grace", "/studio").await;
        assert_eq!(arrived.status, 403, "{reason}: {}", arrived.body);
        let records: Vec<Value> = stage.postern.audit(number + 2);
        let record =
            records.iter().filter(|record| record["event"] == "sign-in").nth(number).expect("a record");
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("refused"), &json!(reason)));
        let (issuer, subject) =
            if is_named { (json!("sandbox"), grace.clone()) } else { (Value::Null, Value::Null) };
        assert_eq!((&record["issuer"], &record["subject"]), (&issuer, &subject), "{reason}");
        assert_eq!(record["user"], Value::Null, "{reason}: whoever is refused has no user here");
    }
}
