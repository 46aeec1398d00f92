//! The main job, through the front door: sign in, decide, presign, redirect.

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{Fault, SandboxOptions, Times};
use serde_json::json;
use std::time::Duration;
use url::Url;

const MULTI: &str = "x-amz"; // no header of AWS's ever reaches a browser

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_ends_on_the_destination_with_one_presign_call() {
    let stage = Stage::new().await;
    let mut grace = Visitor::person();
    let handed_out = stage.sign_in(&mut grace, "grace", "/studio").await;
    assert_eq!(handed_out.status, 302);
    assert_eq!(handed_out.url, stage.postern.at("/studio"), "the exact path, after sign-in");
    assert_eq!(handed_out.body, "");
    assert!(handed_out.headers.keys().all(|name| !name.as_str().starts_with(MULTI)));
    let authorized = handed_out.next().unwrap();
    assert_eq!(authorized.port(), stage.sandbox.landing_url().port());
    let landed = grace.get(&authorized).await;
    assert_eq!(landed.status, 200);
    assert!(landed.body.contains("grace"), "{}", landed.body);
    assert_eq!(stage.mints(), ["CreatePresignedDomainUrl"]);
    let used = grace.get(&authorized).await;
    assert_ne!(used.status, 200, "the URL works once");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_five_kinds_of_target_launch() {
    let stage = Stage::new().await;
    for (path, operation) in [
        ("/studio", "CreatePresignedDomainUrl"),
        ("/experiments", "CreatePresignedMlflowTrackingServerUrl"),
        ("/tracking", "CreatePresignedMlflowAppUrl"),
        ("/notebook", "CreatePresignedNotebookInstanceUrl"),
        ("/comet", "CreatePartnerAppPresignedUrl"),
    ] {
        let before = stage.mints().len();
        let mut grace = stage.person("grace").await;
        let handed_out = grace.get(&stage.postern.at(path)).await.checked();
        assert_eq!(handed_out.status, 302, "{path}: {}", handed_out.body);
        let landed = grace.get(&handed_out.next().unwrap()).await;
        assert_eq!(landed.status, 200, "{path}");
        assert_eq!(stage.mints()[before..], [operation]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_person_lands_in_their_own_profile_under_their_own_session() {
    let stage = Stage::new().await;
    for (person, domain, profile) in
        [("ada", "d-risk00000001", "risk--ada"), ("grace", "d-sandbox00001", "grace")]
    {
        let mut visitor = stage.person(person).await;
        let handed_out = visitor.get(&stage.postern.at("/studio")).await.checked();
        assert_eq!(handed_out.status, 302, "{}", handed_out.body);
        let calls = stage.sandbox.calls();
        let call = calls.iter().rfind(|call| call.operation == "CreatePresignedDomainUrl").unwrap();
        assert_eq!(call.input["DomainId"], domain);
        assert_eq!(call.input["UserProfileName"], profile);
        assert_eq!(call.input["LandingUri"], "app:JupyterLab:");
        assert_eq!(call.input["ExpiresInSeconds"], 20);
        assert_eq!(call.caller.source_identity.as_deref(), Some(&*format!("{person}@corp.example")));
        assert_eq!(call.caller.role_session_name.as_deref(), Some(&*format!("{person}@corp.example")));
        assert_eq!(call.error, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_person_sees_the_remedy_and_explain_prints_the_same_trace() {
    let stage = Stage::new().await;
    let mut max = stage.person("max").await;
    let refused = max.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("Connect to the office VPN first."), "{}", refused.body);
    assert!(refused.body.contains(refused.header("x-request-id")));

    let problem = stage.program("max").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!((problem.status.as_u16(), problem.reason()), (403, "rule-denied".to_owned()));
    assert_eq!(problem.json()["remedy"], "Connect to the office VPN first.");
    assert_eq!(stage.mints(), [""; 0]);

    let claims = stage.folder.path().join("max.json");
    std::fs::write(&claims, serde_json::to_vec(&stage.sandbox.access_claims("max")).unwrap()).unwrap();
    let explained = std::process::Command::new(crate::support::postern::BINARY)
        .args(["explain", "--format", "json", "--client-ip", "127.0.0.1", "--config"])
        .arg(stage.folder.path().join("postern.yaml"))
        .arg("--claims")
        .arg(&claims)
        .arg("studio")
        .output()
        .unwrap();
    assert!(explained.status.success(), "{}", String::from_utf8_lossy(&explained.stderr));
    let explained: serde_json::Value = serde_json::from_slice(&explained.stdout).unwrap();
    let audit = stage.postern.audit(4);
    let denied: Vec<_> = audit.iter().filter(|record| record["event"] == "deny").collect();
    assert_eq!(denied.len(), 2, "one record for each refusal: {audit:#?}");
    for record in denied {
        assert_eq!(record["trace"], explained["steps"]);
        assert_eq!(record["rule"], explained["rule"]);
        assert_eq!(record["reason"], explained["reason"]);
        assert_eq!(record["user"], "max@corp.example");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_answers_and_never_a_login_page() {
    let stage = Stage::new().await;
    let anonymous = Visitor::program().get(&stage.postern.at("/studio")).await.checked();
    assert_eq!((anonymous.status.as_u16(), anonymous.reason()), (401, "no-credential".to_owned()));
    assert_eq!(anonymous.header("www-authenticate"), "Bearer realm=\"postern\"");
    assert!(anonymous.headers.get("set-cookie").is_none());

    let fetched =
        Visitor::person().with("sec-fetch-mode", "cors").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(fetched.status, 403, "a script's request with an Accept of HTML");

    let forged = Visitor::program().bearer("e30.e30.e30").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(forged.status, 401);
    assert_eq!(forged.header("www-authenticate"), "Bearer realm=\"postern\", error=\"invalid_token\"");

    let mut grace = stage.program("grace");
    let opened = grace.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(opened.status, 302);
    let listed = grace.get(&stage.postern.at("/-/api/destinations")).await.checked();
    let names: Vec<_> =
        listed.json()["destinations"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["studio", "experiments", "archive", "tracking", "notebook", "comet"]);
    let minted = grace.post(&stage.postern.at("/-/api/destinations/studio/url"), "").await.checked();
    assert_eq!(minted.status, 200);
    let url = Url::parse(minted.json()["url"].as_str().unwrap()).unwrap();
    assert_eq!(grace.without("authorization").get(&url).await.status, 200);
    assert_eq!(stage.mints().len(), 2);

    let mut session = stage.person("grace").await;
    let refused = session.post(&stage.postern.at("/-/api/destinations/studio/url"), "").await.checked();
    assert_eq!(refused.status, 401, "a session does not count for the API");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_told_only_after_sign_in() {
    let stage = Stage::new().await;
    let anonymous = Visitor::person().get(&stage.postern.at("/no-such-thing")).await.checked();
    assert_eq!(anonymous.status, 302, "to the sign-in, as for a name that exists");
    let mut grace = stage.person("grace").await;
    assert_eq!(grace.get(&stage.postern.at("/no-such-thing")).await.checked().status, 404);
    let problem = stage.program("grace").get(&stage.postern.at("/no-such-thing")).await.checked();
    assert_eq!(problem.reason(), "no-such-destination");
    for path in ["/metrics", "/-/metrics", "/-/nothing", "/-/live/..%2f..%2fstudio"] {
        let answer = stage.program("grace").get(&stage.postern.at(path)).await.checked();
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(stage.mints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_must_name_the_same_person() {
    let stage = Stage::new().await;
    let grace = stage.person("grace").await;
    let studio = stage.postern.at("/studio");
    let other = grace.clone().bearer(&stage.token("ada")).get(&studio).await.checked();
    assert_eq!((other.status.as_u16(), other.reason()), (401, "conflicting-credentials".to_owned()));
    let broken = grace.clone().bearer("not-a-token").get(&studio).await.checked();
    assert_eq!(broken.status, 401, "never a fall-through to the session");
    let same = grace.clone().bearer(&stage.token("grace")).get(&studio).await.checked();
    assert_eq!(same.status, 302);
    for name in
        ["x-amzn-oidc-identity", "x-forwarded-user", "x-auth-request-email", "cf-access-jwt-assertion"]
    {
        let anonymous = Visitor::program().with(name, "ada@corp.example").get(&studio).await.checked();
        assert_eq!(anonymous.reason(), "no-credential", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_not_ours_are_misdirected() {
    let stage = Stage::new().await;
    for host in ["evil.example", "localhost:1", "127.0.0.1", "localhost.evil.example"] {
        let answer =
            stage.program("grace").with("host", host).get(&stage.postern.at("/studio")).await.checked();
        assert_eq!(
            (answer.status.as_u16(), answer.reason()),
            (421, "misdirected-request".to_owned()),
            "{host}"
        );
        assert!(!answer.body.contains(host), "never reflected");
        let ours = format!("This server answers as `localhost:{}` only.", stage.postern.url.port().unwrap());
        assert!(answer.body.contains(&ours), "{}", answer.body);
        stage.postern.wait_for_log(&format!("it names the host `{host}`"), 1).await;
    }
    let mut visitor = Visitor::person().with("host", "evil.example");
    let page = visitor.get(&stage.postern.at("/studio")).await.checked();
    assert!(page.body.contains(&format!("href=\"{}\"", stage.postern.url)), "{}", page.body);
    let live = Visitor::program().with("host", "10.0.0.7").get(&stage.postern.at("/-/live")).await.checked();
    assert_eq!(live.status, 200, "health checks go by address");
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_links_reach_the_allowed_paths_only() {
    let stage = Stage::new().await;
    let mut grace = stage.program("grace");
    let opened = grace.get(&stage.postern.at("/studio/lab/tree/work/a%20b.ipynb")).await.checked();
    assert_eq!(opened.status, 302, "{}", opened.body);
    // A look-up beside it may come after.
    let presigned =
        || stage.sandbox.calls().into_iter().rfind(|call| call.operation.contains("Presigned")).unwrap();
    assert_eq!(presigned().input["LandingUri"], "app:JupyterLab:lab/tree/work/a%20b.ipynb");
    let opened = grace.get(&stage.postern.at("/studio/lab/tree/work/notes.ipynb")).await.checked();
    assert_eq!(opened.status, 302, "{}", opened.body);
    assert_eq!(presigned().input["LandingUri"], "app:JupyterLab:lab/tree/work/notes.ipynb");
    for path in [
        "/studio/terminals/1",
        "/studio/lab/tree/%2e%2e/%2e%2e/x",
        "/studio/lab/tree/a%5cb",
        "/experiments/x",
    ] {
        let refused = grace.get(&stage.postern.at(path)).await.checked();
        assert_eq!((refused.status.as_u16(), refused.reason()), (404, "no-such-path".to_owned()), "{path}");
    }
    assert_eq!(stage.mints().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_does_wrong_is_told_apart() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("  region: eu-west-1\n", "  region: eu-west-1\n  timeout: 2s\n")
    })
    .await;
    let operation = Some("CreatePresignedDomainUrl");
    for (fault, status, reason) in [
        (Fault::Throttle, 503, "throttled"),
        (Fault::InternalFailure, 503, "aws-unavailable"),
        (Fault::Unavailable, 503, "aws-unavailable"),
        (Fault::Slow(Duration::from_secs(9)), 504, "out-of-time"),
        (Fault::MissingUrl, 502, "bad-answer"),
        (Fault::ForeignHost, 502, "bad-answer"),
        (Fault::InsecureUrl, 502, "bad-answer"),
        (Fault::AccessDenied, 502, "refused-by-aws"),
    ] {
        stage.sandbox.faults().inject(operation, fault.clone(), Times::UntilCleared);
        let answer = stage.program("grace").get(&stage.postern.at("/studio")).await.checked();
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (status, reason), "{fault:?}");
        assert_eq!(answer.headers.contains_key("retry-after"), status >= 503, "{fault:?}");
        assert!(!answer.body.contains("AccessDenied") && !answer.body.contains("arn:aws"), "{}", answer.body);
        let page = stage.person("grace").await.get(&stage.postern.at("/studio")).await.checked();
        assert_eq!(page.status.as_u16(), status);
        stage.sandbox.faults().clear();
    }
    for fault in [Fault::Throttle, Fault::InternalFailure, Fault::CutBody] {
        stage.sandbox.faults().inject(operation, fault.clone(), Times::Next(1));
        let answer = stage.program("grace").get(&stage.postern.at("/studio")).await.checked();
        assert_eq!(answer.status, 302, "one {fault:?} is tried again: {}", answer.body);
        stage.sandbox.faults().clear();
    }
    stage.sandbox.faults().inject(operation, Fault::LongUrl(15_000), Times::Next(1));
    let long = stage.program("grace").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(long.status, 302);
    assert!(long.location().len() > 14_000, "handed on whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_ready_is_said_to_be_so() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let stopped = grace.get(&stage.postern.at("/archive")).await.checked();
    assert_eq!(stopped.status, 409);
    assert!(stopped.body.contains("It is stopped."), "{}", stopped.body);
    let problem = stage.program("grace").get(&stage.postern.at("/archive")).await.checked();
    assert_eq!(problem.reason(), "not-ready");
    assert!(
        stage.sandbox.calls().iter().all(|call| !call.operation.starts_with("Start")),
        "nothing is started"
    );
    let mut presigned = stage.sandbox.calls();
    presigned.retain(|call| call.operation.contains("Presigned"));
    assert!(presigned.iter().all(|call| call.error.is_some()), "no URL was minted");
    assert!(presigned.len() <= 1, "what is known not to be usable is not asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_mints_at_a_bounded_rate() {
    let stage =
        Stage::with(SandboxOptions::default(), |text| text + "\nlimits: {mints_per_minute: 3}\n").await;
    let mut grace = stage.program("grace");
    for _ in 0..3 {
        assert_eq!(grace.get(&stage.postern.at("/studio")).await.checked().status, 302);
    }
    let over = grace.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!((over.status.as_u16(), over.reason()), (429, "too-many-launches".to_owned()));
    assert!(over.header("retry-after").parse::<u64>().unwrap() <= 20);
    assert_eq!(
        stage.program("ada").get(&stage.postern.at("/studio")).await.checked().status,
        302,
        "another person"
    );
    assert_eq!(stage.mints().len(), 4);
    let records = stage.postern.audit(6);
    let refused: Vec<_> = records.iter().filter(|record| record["outcome"] == "failed").collect();
    assert_eq!(refused.len(), 1, "{records:#?}");
    assert_eq!(refused[0]["reason"], "too-many-launches");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_leaves_one_audit_record() {
    let stage = Stage::new().await;
    let answer =
        stage.program("grace").with("user-agent", "curl/8").get(&stage.postern.at("/studio")).await.checked();
    let records = stage.postern.audit(2);
    assert_eq!(records.len(), 2, "the start and the grant: {records:#?}");
    assert_eq!(records[0]["event"], "start");
    let grant = &records[1];
    assert_eq!(grant["event"], "grant");
    assert_eq!(grant["request_id"], answer.header("x-request-id"));
    assert_eq!(grant["issuer"], "sandbox");
    assert_eq!(grant["user"], "grace@corp.example");
    assert_eq!(grant["destination"], "studio");
    assert_eq!(grant["rule"], "everyone");
    assert_eq!(grant["reason"], "ok");
    assert_eq!(grant["target"]["user_profile_name"], "grace");
    assert_eq!(grant["role_session_name"], "grace@corp.example");
    assert!(grant["aws_request_id"].as_str().is_some_and(|id| id.len() > 8), "{grant:#}");
    assert_eq!(grant["client_ip"], "127.0.0.1");
    assert_eq!(grant["user_agent"], "curl/8");
    assert_eq!(grant["from_slot"], json!(false));
    assert_eq!(grant["config_digest"].as_str().map(str::len), Some(64));
    assert!(grant["time"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_the_provider_left_out_are_not_no_groups() {
    let stage = Stage::new().await;
    let mut bob = stage.person("bob").await;
    let page = bob.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(page.status, 403);
    assert!(page.body.contains("Your groups did not arrive"), "{}", page.body);
    assert_eq!(
        stage.program("bob").get(&stage.postern.at("/studio")).await.checked().reason(),
        "groups-overage"
    );
    let mut olga = stage.program("olga");
    assert_eq!(olga.get(&stage.postern.at("/studio")).await.checked().reason(), "no-rule");
    let notebook = stage.program("bob").get(&stage.postern.at("/notebook")).await.checked();
    assert_eq!(notebook.reason(), "no-rule", "a rule that asks for no groups decides as ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_is_judged_before_the_path() {
    let stage = Stage::new().await;
    for path in ["/studio/zzz", "/studio/%ff", "/studio/lab/tree/x"] {
        let olga = stage.program("olga").get(&stage.postern.at(path)).await.checked();
        assert_eq!((olga.status.as_u16(), olga.reason()), (403, "no-rule".to_owned()), "{path}");
    }
    let grace = stage.program("grace").get(&stage.postern.at("/studio/%ff")).await.checked();
    assert_eq!(grace.reason(), "no-such-path");
    let records = stage.postern.audit(5);
    assert_eq!(records[4]["reason"], "no-such-path");
    assert_eq!(records[4]["event"], "deny");

    let asked = stage.person("olga").await.with("sec-fetch-site", "cross-site").without("sec-fetch-user");
    let refused = asked.clone().get(&stage.postern.at("/experiments")).await.checked();
    assert_eq!(refused.status, 403, "who is denied is not asked first");
}
