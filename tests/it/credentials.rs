//! Where in a request a credential may stand, and what two of them mean.

use crate::support::issuer_fixture::{ISSUER, IssuerFixture, NOW, claims, claims_with, header_map, reason};
use crate::support::jwks_server::Answer;
use crate::support::signer::Signer;
use hyper::header::HeaderName;
use postern::authn::credential::Presented;
use postern::authn::{Authenticator, Via};
use postern::clock::{Clock, UnixSeconds};
use postern::config::{Algorithm, AwsAlb, Credentials, KeySource, SessionConfig, SignedHeaderConfig};
use postern::provider::policy_inputs::PolicyInputs;
use postern::provider::principal::principal_from_claims;
use postern::sessions::seal::{Sealer, SealingKey};
use postern::sessions::{NewSession, ProviderTokens, Seen, Sessions};
use postern::state::State;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const SIGNER: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/ml/50dc6c495c0c9188";
const KEY_ID: &str = "0f5a3bd0-aaaa-bbbb-cccc-1234567890ab";
const HEADER: &str = "x-amzn-oidc-data";

#[tokio::test]
async fn one_authorization_header_with_one_bearer_token() {
    let signer = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&signer]).await;
    let token = signer.token(&claims());
    let outcome = async |values: &[String]| {
        let headers: Vec<_> = values.iter().map(|value| ("authorization", value.as_str())).collect();
        reason(issuer_fixture.request(&headers, false).await)
    };
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(outcome(&[format!("{scheme} {token}")]).await, "accepted");
    }
    assert_eq!(outcome(&[format!("Bearer   {token}")]).await, "accepted");
    for other in ["Basic dTpw", "Digest x", "Bearertoken", &token, "", "Negotiate"] {
        assert_eq!(outcome(&[other.to_owned()]).await, "no-credential", "{other}");
    }
    assert_eq!(outcome(&["Bearer".to_owned()]).await, "malformed-credential");
    assert_eq!(outcome(&["Bearer ".to_owned()]).await, "malformed-credential");
    assert_eq!(outcome(&[format!("Bearer {token} {token}")]).await, "malformed-credential");
    assert_eq!(outcome(&[format!("Bearer {token},")]).await, "malformed-token");
    assert_eq!(
        outcome(&[format!("Bearer {token}"), format!("Bearer {token}")]).await,
        "duplicate-credential"
    );
    assert_eq!(outcome(&["Basic dTpw".to_owned(), format!("Bearer {token}")]).await, "duplicate-credential");
}

/// A30.
#[tokio::test]
async fn identity_headers_that_nobody_signed_never_count() {
    let issuer_fixture = IssuerFixture::of(&[&Signer::es256("k")]).await;
    for name in [
        "x-amzn-oidc-identity",
        "x-forwarded-user",
        "x-forwarded-email",
        "x-auth-request-email",
        "cf-access-authenticated-user-email",
        "x-goog-authenticated-user-email",
        "remote-user",
        "x-amzn-oidc-data",
    ] {
        let outcome = issuer_fixture.request(&[(name, "ada@corp.example")], true).await;
        assert_eq!(reason(outcome), "no-credential", "{name}");
    }
}

async fn behind_balancer(key: &Signer) -> IssuerFixture {
    behind(key, SIGNER).await
}

async fn behind(key: &Signer, signer: &str) -> IssuerFixture {
    IssuerFixture::with(&[], |config, server| {
        config.keys = KeySource::PemPerKey(Url::parse(&format!("{}/pem", server.base)).unwrap());
        config.algorithms = vec![Algorithm::Es256];
        config.audience = Vec::new();
        let aws_alb = Some(AwsAlb { signer: signer.to_owned(), client_id: "ml-balancer".to_owned() });
        config.signed_header = Some(SignedHeaderConfig { header: HeaderName::from_static(HEADER), aws_alb });
        server.serve(&format!("/pem/{KEY_ID}"), key.pem());
    })
    .await
}

fn balancer_header() -> Value {
    json!({"typ": "JWT", "kid": KEY_ID, "alg": "ES256", "iss": ISSUER, "client": "ml-balancer",
        "signer": SIGNER, "exp": NOW + 120})
}

fn balancer_claims() -> Value {
    json!({"sub": "u1", "email": "ada@corp.example", "email_verified": true, "exp": NOW + 120, "iss": ISSUER})
}

fn changed(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

#[tokio::test]
async fn the_balancers_token_counts_in_its_header_alone() {
    let key = Signer::es256(KEY_ID);
    let issuer_fixture = behind_balancer(&key).await;
    let token = key.padded(&balancer_header(), &balancer_claims());
    assert!(token.contains('='));
    let authenticated = issuer_fixture.request(&[(HEADER, &token)], true).await.unwrap();
    assert_eq!(authenticated.via, Via::SignedHeader);
    assert_eq!(authenticated.principal.user, "ada@corp.example");
    // An issuer of headers takes no bearer tokens, and the padded form is none.
    let bearer = format!("Bearer {token}");
    assert_eq!(reason(issuer_fixture.request(&[("authorization", &bearer)], true).await), "no-credential");
    let direct = IssuerFixture::of(&[&key]).await;
    assert_eq!(direct.reason(&token).await, "malformed-token");
}

/// A31.
#[tokio::test]
async fn a_signed_header_comes_once_and_from_a_trusted_proxy() {
    let key = Signer::es256(KEY_ID);
    let issuer_fixture = behind_balancer(&key).await;
    let token = key.padded(&balancer_header(), &balancer_claims());
    let outcome =
        async |headers: &[(&str, &str)], trusted| reason(issuer_fixture.request(headers, trusted).await);
    assert_eq!(outcome(&[(HEADER, &token)], false).await, "untrusted-header");
    assert_eq!(outcome(&[(HEADER, &token), (HEADER, &token)], true).await, "duplicate-credential");
    assert_eq!(outcome(&[("x_amzn_oidc_data", &token)], true).await, "untrusted-header");
    assert_eq!(outcome(&[("x-amzn_oidc-data", &token), (HEADER, &token)], true).await, "untrusted-header");
    assert_eq!(outcome(&[(HEADER, "")], true).await, "malformed-credential");
    // As long as ours, and no twin of it.
    assert_eq!(outcome(&[(HEADER, &token), ("content-language", "en")], true).await, "accepted");
}

#[tokio::test]
async fn the_balancer_is_ours_and_so_is_the_client() {
    let key = Signer::es256(KEY_ID);
    let issuer_fixture = behind_balancer(&key).await;
    let outcome = async |header: Value, claims: Value| {
        let token = key.padded(&header, &claims);
        reason(issuer_fixture.request(&[(HEADER, &token)], true).await)
    };
    let header =
        |name: &str, value: Value| outcome(changed(balancer_header(), name, value), balancer_claims());
    let other = SIGNER.replace("111122223333", "999922223333");
    assert_eq!(header("signer", json!(other)).await, "wrong-signer");
    assert_eq!(header("signer", json!(null)).await, "wrong-signer");
    assert_eq!(header("signer", json!([SIGNER])).await, "wrong-signer");
    assert_eq!(header("client", json!("other")).await, "wrong-signer");
    assert_eq!(header("iss", json!("https://evil.example")).await, "wrong-issuer");
    assert_eq!(header("exp", json!(NOW - 30)).await, "expired");
    assert_eq!(header("exp", json!(null)).await, "invalid-claim");
    assert_eq!(header("exp", json!(NOW + 901)).await, "accepted", "the payload ends first");
    assert_eq!(header("alg", json!("ES384")).await, "algorithm-not-allowed");
    assert_eq!(header("kid", json!("../0f5a3bd0")).await, "unknown-key");
    assert_eq!(header("kid", json!("x".repeat(65))).await, "unknown-key");
    let claims =
        |name: &str, value: Value| outcome(balancer_header(), changed(balancer_claims(), name, value));
    assert_eq!(claims("iss", json!("https://evil.example")).await, "wrong-issuer");
    assert_eq!(claims("exp", json!(NOW - 30)).await, "expired");
    assert_eq!(claims("sub", json!("")).await, "invalid-claim");
    let mut endless = balancer_claims();
    endless.as_object_mut().unwrap().remove("exp");
    assert_eq!(outcome(balancer_header(), endless.clone()).await, "accepted");
    let far = changed(balancer_header(), "exp", json!(NOW + 901));
    assert_eq!(outcome(far, endless).await, "lifetime-too-long");
    let mut headless = balancer_header();
    headless.as_object_mut().unwrap().remove("exp");
    assert_eq!(outcome(headless, balancer_claims()).await, "missing-claim");
}

#[tokio::test]
async fn a_balancers_unknown_key_costs_one_fetch_in_three_seconds() {
    let key = Signer::es256(KEY_ID);
    let issuer_fixture = behind_balancer(&key).await;
    let outcome = async |kid: &str| {
        let token = key.padded(&changed(balancer_header(), "kid", json!(kid)), &balancer_claims());
        reason(issuer_fixture.request(&[(HEADER, &token)], true).await)
    };
    assert_eq!(outcome(KEY_ID).await, "accepted");
    for _ in 0..50 {
        assert_eq!(outcome("unknown").await, "unknown-key");
    }
    assert_eq!(issuer_fixture.server.all_requests(), 2);
    assert_eq!(outcome(KEY_ID).await, "accepted");
    issuer_fixture.server.answer("/pem/failing", Answer::Status(500));
    for _ in 0..50 {
        assert_eq!(outcome("failing").await, "keys-unavailable");
    }
    assert_eq!(outcome("another").await, "unknown-key");
    assert_eq!(issuer_fixture.server.all_requests(), 4);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(outcome("unknown").await, "unknown-key");
    assert_eq!(issuer_fixture.server.all_requests(), 5);
}

/// Requests of 100 addresses at one time, all with the same new key.
#[tokio::test(flavor = "multi_thread")]
async fn a_balancers_new_key_is_fetched_once_for_all_who_wait() {
    let key = Signer::es256(KEY_ID);
    let issuer_fixture = Arc::new(behind_balancer(&key).await);
    let slowly = Answer::Slow(Duration::from_millis(200), key.pem());
    issuer_fixture.server.answer(&format!("/pem/{KEY_ID}"), slowly);
    let token = key.padded(&balancer_header(), &balancer_claims());
    let callers: Vec<_> = (0..100u8)
        .map(|n| {
            let (issuer_fixture, token) = (Arc::clone(&issuer_fixture), token.clone());
            tokio::spawn(async move {
                reason(
                    issuer_fixture.request_from(Some([10, 0, 0, n].into()), &[(HEADER, &token)], true).await,
                )
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "accepted");
    }
    assert_eq!(issuer_fixture.server.all_requests(), 1);
}

/// A33.
#[tokio::test]
async fn an_identity_aware_proxys_token_is_for_this_backend_and_short() {
    let key = Signer::es256("k");
    let name = "x-goog-iap-jwt-assertion";
    let backend = "/projects/1/global/backendServices/2";
    let issuer_fixture = IssuerFixture::with(&[&key], |config, _| {
        config.audience = vec![backend.to_owned()];
        config.signed_header =
            Some(SignedHeaderConfig { header: HeaderName::from_static(name), aws_alb: None });
    })
    .await;
    let outcome = async |change: &[(&str, Value)]| {
        let mut claims = claims_with("aud", backend);
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        reason(issuer_fixture.request(&[(name, &key.token(&claims))], true).await)
    };
    assert_eq!(outcome(&[]).await, "accepted");
    assert_eq!(outcome(&[("aud", json!("/projects/1/global/backendServices/3"))]).await, "wrong-audience");
    assert_eq!(outcome(&[("iss", json!("https://evil.example"))]).await, "wrong-issuer");
    assert_eq!(outcome(&[("exp", json!(NOW + 660))]).await, "accepted");
    assert_eq!(outcome(&[("exp", json!(NOW + 661))]).await, "lifetime-too-long");
    let padded = key.padded(&key.header(), &claims_with("aud", backend));
    assert_eq!(reason(issuer_fixture.request(&[(name, &padded)], true).await), "malformed-token");
}

#[tokio::test]
async fn two_credentials_name_the_same_person_or_nobody() {
    let (key, balancer_key) = (Signer::es256("k"), Signer::es256(KEY_ID));
    let (direct, balanced) = (IssuerFixture::of(&[&key]).await, behind_balancer(&balancer_key).await);
    let issuers = [Arc::clone(&direct.issuer), Arc::clone(&balanced.issuer)];
    let outcome = async |credentials: Credentials, bearer: &str, header: &str| {
        let authenticator = Authenticator::new(&issuers, &credentials, None, Arc::default());
        let bearer = format!("Bearer {bearer}");
        let headers = header_map(&[("authorization", &bearer), (HEADER, header)]);
        let presented = Presented { headers: &headers, from_trusted_proxy: true, client_ip: None };
        reason(authenticator.authenticate(&presented).await)
    };
    let both = || Credentials { bearer: true, session: true, signed_header: true };
    let header = balancer_key.padded(&balancer_header(), &balancer_claims());
    let good = key.token(&claims());
    assert_eq!(outcome(both(), &good, &header).await, "accepted");
    assert_eq!(
        outcome(both(), &key.token(&claims_with("email", "ADA@Corp.example")), &header).await,
        "accepted"
    );
    let max = key.token(&claims_with("email", "max@corp.example"));
    assert_eq!(outcome(both(), &max, &header).await, "conflicting-credentials");
    assert_eq!(outcome(both(), &key.token(&claims_with("exp", NOW - 60)), &header).await, "expired");
    assert_eq!(outcome(both(), &good, "junk").await, "malformed-token");
    // A kind that is not enabled neither lets in nor keeps out.
    let bearer_only = Credentials { bearer: true, session: true, signed_header: false };
    assert_eq!(outcome(bearer_only, &good, "junk").await, "accepted");
    let header_only = Credentials { bearer: false, session: true, signed_header: true };
    assert_eq!(outcome(header_only, "junk", &header).await, "accepted");
    let neither = Credentials { bearer: false, session: true, signed_header: false };
    assert_eq!(outcome(neither, &good, &header).await, "no-credential");
}

/// What was prepared for the session may be used, whichever of the two named the person.
#[tokio::test]
async fn a_session_beside_a_token_is_told_with_it() {
    let key = Signer::es256("k");
    let issuer_fixture = IssuerFixture::of(&[&key]).await;
    let issuer = issuer_fixture.issuer.config();
    let clock = Clock::manual(UnixSeconds(1_800_000_000));
    let url = Url::parse("https://ml.corp.example").unwrap();
    let sealer = Arc::new(Sealer::new(&SealingKey::random(), &[], &url, ISSUER));
    let hour = Duration::from_secs(3600);
    let config = SessionConfig { keys: Vec::new(), lifetime: hour, idle: hour, revalidate: None };
    let state = State::in_memory(clock.clone());
    let sessions = Sessions::new(sealer, &config, &url, issuer, &PolicyInputs::default(), state, clock);
    let sessions = Arc::new(sessions);
    let credentials = Credentials { bearer: true, session: true, signed_header: false };
    let issuers = [Arc::clone(&issuer_fixture.issuer)];
    let authenticator =
        Authenticator::new(&issuers, &credentials, Some(Arc::clone(&sessions)), Arc::default());
    let bearer = format!("Bearer {}", key.token(&claims()));
    for address in ["ada@corp.example", "max@corp.example"] {
        let claims = claims_with("email", address);
        let principal = principal_from_claims(issuer, claims.as_object().unwrap()).unwrap();
        let (seen, tokens) = (Seen::default(), ProviderTokens::default());
        let arrival = NewSession { principal: &principal, provider_session: None, seen, tokens };
        let established = sessions.establish(arrival).await.unwrap();
        let cookie = established.cookie.to_str().unwrap().split(';').next().unwrap();
        let headers = header_map(&[("authorization", &bearer), ("cookie", cookie)]);
        let presented = Presented { headers: &headers, from_trusted_proxy: false, client_ip: None };
        let authenticated = authenticator.authenticate(&presented).await;
        if address.starts_with("ada") {
            let authenticated = authenticated.unwrap();
            assert_eq!(authenticated.via, Via::Bearer);
            assert_eq!(authenticated.session, Some(established.id));
        } else {
            assert_eq!(reason(authenticated), "conflicting-credentials");
        }
    }
    // A cookie that does not count contradicts nobody.
    let headers = header_map(&[("authorization", &bearer), ("cookie", "__Host-postern-session=junk")]);
    let presented = Presented { headers: &headers, from_trusted_proxy: false, client_ip: None };
    let authenticated = authenticator.authenticate(&presented).await.unwrap();
    assert_eq!((authenticated.via, authenticated.session), (Via::Bearer, None));
}

/// Two load balancers may share a header, and another proxy has one of its own.
#[tokio::test]
async fn a_header_is_of_one_issuer_or_of_several() {
    let (first_key, second_key, other_key) =
        (Signer::es256(KEY_ID), Signer::es256(KEY_ID), Signer::es256("k"));
    let first = behind_balancer(&first_key).await;
    let second_signer = SIGNER.replace("app/ml/", "app/second/");
    let second = behind(&second_key, &second_signer).await;
    let own_header = "x-proxy-assertion";
    let other = IssuerFixture::with(&[&other_key], |config, _| {
        let header = HeaderName::from_static(own_header);
        config.signed_header = Some(SignedHeaderConfig { header, aws_alb: None });
    })
    .await;
    let further_key = Signer::es256("k");
    let further = IssuerFixture::with(&[&further_key], |config, _| {
        config.issuer = "https://further.example".to_owned();
        let header = HeaderName::from_static(own_header);
        config.signed_header = Some(SignedHeaderConfig { header, aws_alb: None });
    })
    .await;
    let issuers =
        [&first, &second, &other, &further].map(|issuer_fixture| Arc::clone(&issuer_fixture.issuer));
    let credentials = Credentials { bearer: false, session: false, signed_header: true };
    let authenticator = Authenticator::new(&issuers, &credentials, None, Arc::default());
    let outcome = async |name: &str, token: &str| {
        let headers = header_map(&[(name, token)]);
        let presented = Presented { headers: &headers, from_trusted_proxy: true, client_ip: None };
        reason(authenticator.authenticate(&presented).await)
    };
    let of_first = first_key.padded(&balancer_header(), &balancer_claims());
    let header = changed(balancer_header(), "signer", json!(second_signer));
    let of_second = second_key.padded(&header, &balancer_claims());
    let of_other = other_key.token(&claims());
    assert_eq!(outcome(HEADER, &of_first).await, "accepted");
    assert_eq!(outcome(HEADER, &of_second).await, "accepted");
    assert_eq!(outcome(own_header, &of_other).await, "accepted");
    let of_further = further_key.token(&claims_with("iss", "https://further.example"));
    assert_eq!(outcome(own_header, &of_further).await, "accepted");
    let long = other_key.token(&claims_with("exp", NOW + 3_600));
    assert_eq!(outcome(own_header, &long).await, "accepted", "no shorter life of such proxies is known");
    assert_eq!(outcome(own_header, &of_first).await, "malformed-token");
    assert_eq!(outcome(HEADER, &of_other).await, "wrong-signer");
}
