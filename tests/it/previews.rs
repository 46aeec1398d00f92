//! What looks at a link before, or instead of, a person: speculation, frames, subresources, and the bots of chats.
//!
//! Chromium shows a person what a prefetch was answered only where the status is 2xx; anything else is asked for again when
//! they go there. So a look is refused with 403, never answered with an empty success.

use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use hyper::Method;

/// As browsers send them. The last of each kind are odd ones, which count as the worst that they could mean.
const SPECULATION: [(&str, &str); 10] = [
    ("sec-purpose", "prefetch"),
    ("sec-purpose", "prefetch;prerender"),
    ("sec-purpose", "prefetch;anonymous-client-ip"),
    ("sec-purpose", "prefetch;prerender;preview"),
    ("sec-purpose", "PREFETCH"),
    ("purpose", "prefetch"),
    ("purpose", "preview"),
    ("x-purpose", "preview"),
    ("x-purpose", " preview , x"),
    ("x-moz", "prefetch"),
];

/// Every destination of a request but `document`: <https://fetch.spec.whatwg.org/#concept-request-destination>.
const NO_DOCUMENT: [&str; 29] = [
    "audio",
    "audioworklet",
    "embed",
    "empty",
    "fencedframe",
    "font",
    "frame",
    "iframe",
    "image",
    "json",
    "manifest",
    "object",
    "paintworklet",
    "report",
    "script",
    "serviceworker",
    "sharedworker",
    "style",
    "text",
    "track",
    "video",
    "webidentity",
    "worker",
    "xslt",
    "",
    "Document",
    "document;x",
    "document, document",
    "something-new",
];

const NO_NAVIGATION: [&str; 8] =
    ["cors", "no-cors", "same-origin", "websocket", "webtransport", "", "Navigate", "navigate, navigate"];

const PAGES: [&str; 8] = [
    "/studio",
    "/studio/lab/tree/a.ipynb",
    "/experiments/experiments/1?searchFilter=x",
    "/notebook",
    "/no-such-thing",
    "/-/login?return_to=/studio",
    "/-/callback?code=a&state=b",
    "/-/logout",
];

/// Nothing to show, nothing to keep, nowhere to go; the real visit asks again.
fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {}", answer.body);
    assert_eq!((answer.location(), answer.header("set-cookie")), ("", ""), "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_is_refused_with_and_without_a_session() {
    let stage = Stage::new().await;
    let signed_in = stage.person("grace").await;
    let before = stage.postern.audit(2).len();
    let destinations = NO_DOCUMENT.map(|value| ("sec-fetch-dest", value));
    let modes = NO_NAVIGATION.map(|value| ("sec-fetch-mode", value));
    for (name, value) in SPECULATION.into_iter().chain(destinations).chain(modes) {
        for visitor in [signed_in.clone(), Visitor::person()] {
            let mut looking = visitor.with(name, value);
            for page in PAGES {
                let what = format!("{page} with {name}: {value}");
                let answer = looking.get(&stage.postern.at(page)).await.checked();
                assert_refused(&answer, &what);
            }
            if name != "sec-fetch-mode" {
                for page in ["/", "/-/whoami"] {
                    let answer = looking.get(&stage.postern.at(page)).await.checked();
                    assert_refused(&answer, &format!("{page} with {name}: {value}"));
                }
            }
        }
    }
    assert_eq!(stage.mints(), [""; 0]);
    let mut visiting = signed_in;
    assert_eq!(visiting.get(&stage.postern.at("/studio")).await.checked().status, 302, "the visit itself");
    assert_eq!(stage.postern.audit(before + 1).len(), before + 1, "and nothing was decided before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_tells_and_starts_nothing() {
    let stage = Stage::new().await;
    let mut seen = Vec::new();
    for visitor in
        [stage.person("grace").await, Visitor::person(), stage.program("grace"), Visitor::program()]
    {
        for page in PAGES.into_iter().chain(["/", "/-/whoami", "/-/api/destinations"]) {
            let looked = visitor.clone().send(Method::HEAD, &stage.postern.at(page), None).await.checked();
            assert_eq!((looked.location(), looked.header("set-cookie")), ("", ""), "{page}");
            seen.push((looked.status.as_u16(), looked.header("content-type").to_owned()));
        }
    }
    seen.dedup();
    assert_eq!(
        seen,
        [(200, "text/plain; charset=utf-8".to_owned())],
        "the same for everybody and everything"
    );
    assert_eq!(stage.mints(), [""; 0]);
}

/// These fetch what somebody pastes, with no cookies and no Fetch Metadata. Nobody tells them by their names: the same
/// request with no name at all is answered the same way.
#[tokio::test(flavor = "multi_thread")]
async fn bots_that_unfurl_links_mint_nothing() {
    let stage = Stage::new().await;
    let before = stage.postern.audit(1).len();
    for agent in [
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
        "Twitterbot/1.0",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
        "WhatsApp/2.23.20.0",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "",
    ] {
        for page in
            ["/", "/studio", "/studio/lab/tree/a.ipynb", "/experiments/experiments/1", "/no-such-thing"]
        {
            let url = stage.postern.at(page);
            let bot = || Visitor::program().with("user-agent", agent).with("range", "bytes=0-32767");
            for accept in ["*/*", "application/json, */*;q=0.5", "image/webp,*/*"] {
                let answer = bot().with("accept", accept).get(&url).await.checked();
                assert_eq!(
                    (answer.status.as_u16(), answer.reason().as_str()),
                    (401, "no-credential"),
                    "{agent}"
                );
                assert!(!answer.headers.contains_key("set-cookie"), "{agent}");
            }
            let none = bot().get(&url).await.checked();
            assert_eq!(none.status, 401, "{agent}");
            // One that asks for a page is sent to the company's sign-in, like anybody, and learns nothing on the way.
            let answer = bot().with("accept", "text/html,*/*").get(&url).await.checked();
            assert_eq!(answer.status, 302, "{agent}");
            assert_eq!(answer.next().unwrap().port(), stage.sandbox.issuer().port(), "{agent}");
            assert_eq!(answer.body, "");
        }
    }
    assert_eq!(stage.sandbox.call_count(), 0, "AWS heard of none of it");
    let denied = stage.program("olga").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(denied.status, 403);
    assert_eq!(stage.postern.audit(before + 1).len(), before + 1, "and this alone was decided");
    // What a bot was sent to can be followed by nobody else: the way back is bound to a cookie that it alone was given.
    let mut bot = Visitor::program().with("accept", "text/html");
    let first = bot.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(&mut bot, "grace", first).await;
    let stranger = Visitor::person().get(&callback).await.checked();
    assert_ne!(stranger.location(), "/studio", "another browser cannot finish it");
    assert_eq!(stage.mints(), [""; 0]);
}

#[test]
fn no_decision_looks_at_the_user_agent() {
    let text = include_str!("../../src/gateway/context.rs");
    assert_eq!(text.matches("&USER_AGENT").count(), 1, "it is read once, for the audit trail");
    assert!(!text.contains("user-agent"), "and under no other name");
    for file in [
        include_str!("../../src/gateway.rs"),
        include_str!("../../src/gateway/launch.rs"),
        include_str!("../../src/gateway/sign_in.rs"),
    ] {
        let uses = file.lines().filter(|line| line.contains("user_agent"));
        for line in uses {
            assert_eq!(
                line.trim(),
                "user_agent: context.user_agent.as_deref(),",
                "copied into a record, no more"
            );
        }
    }
}
