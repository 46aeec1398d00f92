//! Pages: who a person is, failures, and whose pages these are.

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern::sandbox::Person;
use postern::sandbox::{PersonGroups, SandboxOptions};
use serde_json::json;

/// The demo's configuration and more.
async fn stage_with(more: &'static str) -> Stage {
    Stage::with(SandboxOptions::default(), |text| text + more).await
}

/// The text that a page offers for support.
fn report(page: &str) -> &str {
    let field = page.split("<textarea").nth(1).expect("a field to copy");
    field.split_once('>').unwrap().1.split("</textarea>").next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoami_says_why_and_holds_a_report() {
    let stage = Stage::new().await;
    let mut max = stage.person("max").await;
    let answer = max.get(&stage.postern.at("/-/whoami")).await.checked();
    let page = answer.body.as_str();
    assert!(page.contains("Connect to the office VPN first."), "{page}");
    assert!(page.contains("no rule gives you access"), "{page}");
    let report = report(page);
    let digest = stage.postern.audit(1)[0]["config_digest"].as_str().unwrap().to_owned();
    for line in [
        "Service: Postern\nTime: 20",
        &format!("\nRequest: {}\n", answer.header("x-request-id")),
        "\nUser: max@corp.example\n",
        &format!("\nIssuer: sandbox ({})\n", stage.sandbox.issuer().as_str().trim_end_matches('/')),
        "\nSubject: u-max-0001\n",
        "\nAddress: 127.0.0.1\n",
        "\nGroups (2): ",
        "\nDestination studio: refused, rule-denied, rule vpn\n",
        "\nDestination experiments: allowed, rule contractors\n",
        "\nDestination notebook: refused, no-rule\n",
        &format!("\nConfiguration: {digest}\n"),
    ] {
        assert!(report.contains(line), "{line:?} is not in {report}");
    }
    for cookie in max.cookies(&stage.postern.url).values() {
        assert!(!page.contains(cookie.as_str()), "the session's cookie");
    }
    let told = stage.program("max").get(&stage.postern.at("/-/whoami")).await.checked().json();
    assert_eq!(told["destinations"][0]["remedy"], "Connect to the office VPN first.");
    assert_eq!(told["groups_asked_for"].as_array().unwrap().len(), 2);
    assert_eq!(told["config_digest"], json!(digest));
    assert_eq!(stage.sandbox.calls().iter().filter(|call| call.operation.contains("Presigned")).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_no_rule_asks_for_are_folded_away() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("'contractors' in groups", "'external' in groups")
            .replace("expect: {deny: rule-denied, rule: vpn}", "expect: {rule: everyone}")
    })
    .await;
    let page = stage.person("max").await.get(&stage.postern.at("/-/whoami")).await.checked().body;
    let folded = page.split("no rule asks for by name</summary>").nth(1).expect("a folded list");
    assert!(folded.starts_with("<p>contractors</p>"), "{page}");
    assert!(page.contains("<dd>ml-users<details>"), "{page}");
}

const BRANDED: &str = "
portal: show
branding:
  product_name: <b>ML</b> Workbench
  logo: {file: logo.svg}
  accent_color: \"#ffeb00\"
  support_contact: {name: ML & friends, email: ml+help@corp.example, url: \"https://desk.corp.example/new?a=1&b=2\"}
";

#[tokio::test(flavor = "multi_thread")]
async fn pages_carry_the_company_s_name_and_nothing_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let logo = folder.path().join("logo.svg");
    std::fs::write(&logo, "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>").unwrap();
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("title: SageMaker Studio", "title: \"Studio <script>alert(1)</script>\"")
            + &BRANDED.replace("logo.svg", logo.to_str().unwrap())
    })
    .await;
    let mut grace = stage.person("grace").await;
    let mut policies = std::collections::HashSet::new();
    for path in ["/", "/-/whoami", "/archive", "/nothing", "/-/logout"] {
        let answer = grace.get(&stage.postern.at(path)).await.checked();
        let page = answer.body.as_str();
        assert!(!page.contains("<script") && !page.contains("<b>"), "{path}: {page}");
        assert!(page.contains("&lt;b&gt;ML&lt;/b&gt; Workbench</title>"), "{path}: {page}");
        assert!(page.contains("<img src=\"data:image/svg+xml;base64,"), "{path}: {page}");
        assert!(!page.contains("Postern"), "{path}: {page}");
        assert_eq!(page.matches("<h1>").count(), 1, "{path}: {page}");
        assert_eq!(page.matches("<main>").count(), 1, "{path}: {page}");
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert!(style.contains("--accent:#ffeb00"), "as it is on the dark page: {style}");
        let allowed = format!("style-src 'sha256-{}'", STANDARD.encode(digest(&SHA256, style.as_bytes())));
        let policy = answer.header("content-security-policy").to_owned();
        assert!(policy.contains(&allowed), "{path}: {policy}");
        // That of the page which signs out at the provider names the provider, too.
        if path != "/-/logout" {
            policies.insert(policy);
        }
    }
    assert_eq!(policies.len(), 1);
    let portal = grace.get(&stage.postern.at("/")).await.checked().body;
    assert!(portal.contains("Studio &lt;script&gt;alert(1)&lt;/script&gt;</a>"), "{portal}");
    let stopped = grace.get(&stage.postern.at("/archive")).await.checked();
    let contact = format!(
        "Contact <a href=\"https://desk.corp.example/new?a=1&amp;b=2\">ML &amp; friends</a> or write to <a href=\"mailto:ml%2Bhelp@corp.example?subject=%3Cb%3EML%3C%2Fb%3E%20Workbench%3A%20request%20{}\">",
        stopped.header("x-request-id")
    );
    assert!(stopped.body.contains(&contact), "{}", stopped.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_page_tries_again_and_gives_up() {
    let stage = stage_with("\nlimits: {mints_per_minute: 1}\n").await;
    let mut grace = stage.person("grace").await;
    let first = grace.get(&stage.postern.at("/studio?tab=1")).await.checked();
    assert_eq!(first.status, 302);
    let busy = grace.get(&stage.postern.at("/studio?tab=1")).await.checked();
    assert_eq!(busy.status, 429);
    let (seconds, address) = busy.header("refresh").split_once(";url=").expect("a refresh");
    assert_eq!((seconds, address), (busy.header("retry-after"), "/studio?tab=1&-try=1"));
    assert!(busy.body.contains("href=\"/studio?tab=1\">Try again</a>"), "{}", busy.body);
    assert!(busy.body.contains("href=\"/studio?tab=1&amp;-try=20\">Stop trying</a>"), "{}", busy.body);
    let later = grace.get(&stage.postern.at("/studio?tab=1&-try=7")).await.checked();
    assert!(later.header("refresh").ends_with(";url=/studio?tab=1&-try=8"), "{}", later.header("refresh"));
    let last = grace.get(&stage.postern.at("/studio?-try=20")).await.checked();
    assert_eq!((last.status.as_u16(), last.header("refresh")), (429, ""));
    assert!(last.body.contains("no longer tries by itself"), "{}", last.body);
    let stopped = stage.person("ada").await.get(&stage.postern.at("/archive")).await.checked();
    assert_eq!((stopped.status.as_u16(), stopped.header("refresh")), (409, "20;url=/archive?-try=1"));
    let gone = stage_with("\n").await;
    let config = gone.folder.path().join("postern.yaml");
    let without =
        std::fs::read_to_string(&config).unwrap().replace("    start: \"'ml-users' in groups\"\n", "");
    std::fs::write(&config, without).unwrap();
    gone.hang_up("applied").await;
    let unmoved = gone.person("ada").await.get(&gone.postern.at("/archive")).await.checked();
    assert_eq!(
        (unmoved.status.as_u16(), unmoved.header("refresh")),
        (409, ""),
        "waiting does not help where nobody may start it"
    );
    let program = stage.program("grace").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(program.header("refresh"), "");
    let report = report(&stopped.body);
    assert!(report.contains(
            "\nReason: not-ready (409)\nAnswer: It is stopped. Opening the link starts nothing.\nUser: ada@corp.example\n"
        ), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_name_is_guessed_among_those_one_may_open() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    for path in ["/Studio", "/STUDIO/lab", "/studio.", "/studio%20", "/stuido", "/studio,"] {
        let answer = grace.get(&stage.postern.at(path)).await.checked();
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            answer.body.contains("Did you mean <a href=\"/studio\">/studio</a>?"),
            "{path}: {}",
            answer.body
        );
    }
    let mut olga = stage.person("olga").await;
    for path in ["/Studio", "/stuido", "/Notebook"] {
        let answer = olga.get(&stage.postern.at(path)).await.checked();
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("Did you mean"), "{path}: {}", answer.body);
    }
    let ada = stage.person("ada").await.get(&stage.postern.at("/Notebook")).await.checked();
    assert!(!ada.body.contains("Did you mean"), "that is Grace's: {}", ada.body);
    let anonymous = Visitor::person().get(&stage.postern.at("/Studio")).await.checked();
    assert!(!anonymous.body.contains("Did you mean"), "{}", anonymous.body);
}

/// A new group, or another account: neither is to be had from a provider that signs people in without asking.
#[tokio::test]
async fn who_gets_no_further_may_sign_in_anew() {
    let stage = Stage::new().await;
    let mut olga = stage.person("olga").await;
    let refused = olga.get(&stage.postern.at("/studio")).await.checked();
    let anew = "/-/login?prompt=select_account&amp;return_to=%2Fstudio";
    assert!(refused.body.contains(&format!("<a href=\"{anew}\">Sign in again</a>")), "{}", refused.body);
    let sent = olga.get(&stage.postern.at(&anew.replace("&amp;", "&"))).await.checked();
    let provider = sent.next().expect("the provider, session or not");
    assert!(
        provider.query_pairs().any(|pair| pair == ("prompt".into(), "select_account".into())),
        "{provider}"
    );
    let plain = olga.get(&stage.postern.at("/-/login?return_to=/studio")).await.checked();
    assert_eq!(plain.next().unwrap().path(), "/studio", "without that, a session is enough");
}

/// The provider signs the same person in again and again: another account is the only way on.
#[tokio::test]
async fn an_account_that_names_nobody_here_may_be_left_for_another() {
    let stage = Stage::new().await;
    let person = stage.sandbox.people().into_iter().find(|person| person.id == "grace").unwrap();
    stage.sandbox.put_person(Person { email: "grace@elsewhere.example".to_owned(), ..person });
    let mut grace = Visitor::person();
    let first = grace.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(&mut grace, "grace", first).await;
    let refused = grace.get(&callback).await.checked();
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("<h1>This account cannot be used here</h1>"), "{}", refused.body);
    let anew = "/-/login?prompt=select_account&amp;return_to=%2Fstudio";
    assert!(
        refused.body.contains(&format!("<a href=\"{anew}\">Use another account</a>")),
        "{}",
        refused.body
    );
    assert!(report(&refused.body).contains("Reason: email-domain (403)"), "{}", refused.body);
    let told = "your address grace@elsewhere.example is not of a company or department that is let in here";
    assert!(refused.body.contains(told), "{}", refused.body);
    assert!(!stage.postern.log().contains("your address grace@"), "the page alone says it");

    let person = stage.sandbox.people().into_iter().find(|person| person.id == "grace").unwrap();
    stage.sandbox.put_person(Person { email: "<b>grace</b>".to_owned(), ..person });
    let mut grace = Visitor::person();
    let first = grace.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(&mut grace, "grace", first).await;
    let refused = grace.get(&callback).await.checked();
    let told = "what it calls you &lt;b&gt;grace&lt;/b&gt; is not an e-mail address that can be used here";
    assert!(refused.body.contains(told), "{}", refused.body);
}

/// What the rules looked at is on the page of the one whom they refuse, and in what goes to support.
#[tokio::test]
async fn a_refused_person_sees_what_the_rules_looked_at() {
    let stage = Stage::new().await;
    let many: Vec<String> = (0..50).map(|number| format!("team-{number}")).collect();
    let person = stage.sandbox.people().into_iter().find(|person| person.id == "max").unwrap();
    let groups = ["contractors".to_owned(), "ml-users".to_owned()].into_iter().chain(many).collect();
    stage.sandbox.put_person(Person { groups: PersonGroups::Listed(groups), ..person });
    let mut max = stage.person("max").await;
    let refused = max.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(refused.status, 403);
    for fact in [
        "<dt>Your groups</dt><dd>contractors, ml-users and 50 more</dd>",
        "<dt>Your network address</dt><dd>127.0.0.1</dd>",
        "<strong>What to do: </strong>Connect to the office VPN first.",
    ] {
        assert!(refused.body.contains(fact), "{fact}: {}", refused.body);
    }
    assert!(!refused.body.contains("Your user name"), "no rule asked for it: {}", refused.body);
    assert!(
        report(&refused.body).contains("Your groups: contractors, ml-users and 50 more"),
        "{}",
        refused.body
    );
    let mut olga = stage.person("olga").await;
    let refused = olga.get(&stage.postern.at("/notebook")).await.checked();
    assert!(refused.body.contains("<dt>Your user name</dt><dd>olga@corp.example</dd>"), "{}", refused.body);
    assert!(!refused.body.contains("Your groups"), "{}", refused.body);
}

#[tokio::test]
async fn the_name_and_the_way_out_stand_at_the_top_of_every_page() {
    let stage = Stage::new().await;
    let mut max = stage.person("max").await;
    for path in ["/", "/-/whoami", "/studio", "/nowhere", "/-/nowhere", "/-/logout", "/experiments/elsewhere"]
    {
        let page = max.get(&stage.postern.at(path)).await.checked().body;
        let header = page.split("<header>").nth(1).and_then(|rest| rest.split("</header>").next());
        let header = header.unwrap_or_else(|| panic!("{path}: {page}"));
        assert!(header.contains("<strong>max@corp.example</strong>"), "{path}: {header}");
        assert!(header.contains("<a href=\"/-/logout\">Sign out</a>"), "{path}: {header}");
    }
    let stranger = Visitor::person().get(&stage.postern.at("/-/callback?state=a&state=b")).await.checked();
    assert!(!stranger.body.contains("/-/logout"), "{}", stranger.body);
}
