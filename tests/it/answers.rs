//! Every form that an answer of the token endpoint or of `UserInfo` can take, at a sign-in and at a refresh: a person who is
//! not positively known does not get through, and an admin can read why.

mod token;
mod user_info;

use crate::revalidation::{self, INTERVAL, UNCONFIRMED};
use crate::support::provider::{Given, Maker, Provider, State};
use crate::support::sign_in::World;
use postern::sessions::{Opened, Unusable};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What an answer says, whatever it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// The person is the one who it was, and is told of anew.
    Confirmed,
    /// The provider is out of order: sessions go on, and nobody signs in.
    Outage,
    /// This gateway's client is refused: sessions go on for a while, and nobody signs in.
    ClientRefused,
    /// Nothing that confirms the person.
    Nothing,
}

struct Case {
    name: String,
    make: Maker,
    says: Says,
    /// What the message names.
    names: String,
}

impl Case {
    fn new(
        name: impl Into<String>,
        says: Says,
        names: impl Into<String>,
        make: impl Fn(&State, Value) -> Given + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), make: Arc::new(make), says, names: names.into() }
    }

    /// A sign-in in which the provider answers so.
    async fn at_sign_in(&self, world: &World) {
        let signed_in = world.sign_in().await;
        let name = &self.name;
        match (self.says, signed_in) {
            (Says::Confirmed, Ok(_)) => {}
            (Says::Confirmed, Err(error)) => panic!("{name}: {error}"),
            (_, Ok(finished)) => panic!("{name}: {finished:?}"),
            (says, Err(error)) => {
                let message = error.to_string();
                assert!(message.contains(&self.names), "{name}: `{message}` is without `{}`", self.names);
                assert!(message.len() < 600 && !message.contains('<'), "{name}: {message}");
                let retried = says == Says::Outage || message.contains("256 KiB");
                assert_eq!(error.is_unavailable(), retried, "{name}: {message}");
            }
        }
    }

    /// A session that is due, in which the provider answers so.
    async fn at_refresh(&self, tell: impl Fn(&Provider, Maker)) {
        let name = &self.name;
        let mut world = revalidation::World::new().await;
        tell(&world.provider, Arc::clone(&self.make));
        world.clock.advance(INTERVAL * 2);
        let opened = world.open().await;
        match self.says {
            Says::Confirmed => {
                world.keep(opened, name);
                assert!(world.audited().is_empty(), "{name}");
            }
            Says::Nothing => {
                assert_eq!(revalidation::refused(opened), Unusable::Withdrawn, "{name}");
                world.names_ada("withdraw", name);
            }
            Says::Outage => {
                world.keep(opened, name);
                world.names_ada("unchecked", name);
                for _ in 0..5 {
                    world.clock.advance(UNCONFIRMED / 2);
                    let opened = world.open().await;
                    world.keep(opened, name);
                }
                assert_eq!(world.audited().len(), 1, "{name}: it is on record once");
            }
            Says::ClientRefused => {
                world.keep(opened, name);
                world.names_ada("unchecked", name);
                world.clock.advance(UNCONFIRMED - INTERVAL * 2 - Duration::from_secs(1));
                let opened = world.open().await;
                world.keep(opened, name);
                world.clock.advance(Duration::from_secs(40));
                assert_eq!(revalidation::refused(world.open().await), Unusable::Withdrawn, "{name}");
                assert_eq!(world.audited().last().unwrap()["reason"], "unconfirmed", "{name}");
            }
        }
    }
}

impl revalidation::World {
    fn keep(&mut self, opened: Opened, what: &str) {
        let Opened::Valid(session) = opened else { panic!("{what}: {opened:?}") };
        if let Some(cookie) = &session.renewed {
            self.browser.keep(cookie);
        }
    }

    fn names_ada(&self, event: &str, what: &str) {
        let records = self.audited();
        let [record] = &records[..] else { panic!("{what}: {records:?}") };
        assert_eq!(
            (&record["event"], &record["user"]),
            (&event.into(), &"ada@corp.example".into()),
            "{what}"
        );
        assert!(record["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{what}: {record}");
    }
}

/// A good answer with another status.
fn statuses() -> Vec<Case> {
    let refusals = [201, 202, 204, 206, 300, 301, 302, 303, 304, 307, 308].into_iter().chain(400..=428);
    let refusals = refusals.chain([431, 451, 499]).map(|status| (status, Says::Nothing));
    let outages = [429, 500, 501, 502, 503, 504, 511, 599].map(|status| (status, Says::Outage));
    refusals
        .chain(outages)
        .map(|(status, says)| {
            let body = move |_: &State, good: Value| Given::new(status, good.to_string());
            Case::new(format!("status {status}"), says, status.to_string(), body)
        })
        .collect()
}

/// A good answer with another content type, which decides nothing: what is believed is proven otherwise.
fn content_types() -> Vec<Case> {
    let kinds = [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/jrd+json",
        "text/html; charset=utf-8",
        "text/plain",
        "nonsense",
    ];
    kinds
        .into_iter()
        .map(|kind| {
            let make = move |_: &State, good: Value| Given {
                content_type: Some(kind),
                ..Given::new(200, good.to_string())
            };
            Case::new(format!("content type {kind}"), Says::Confirmed, "", make)
        })
        .collect()
}

/// What is no object of JSON, or not one that can be read in one way only.
fn bodies() -> Vec<Case> {
    let what = "content type: text/html";
    let html = |body: Vec<u8>| Given { content_type: Some("text/html"), ..Given::new(200, body) };
    let fixed =
        ["", " ", "null", "true", "5", "\"text\"", "[]", "[{}]", "<!doctype html><title>Hello</title>"];
    let fixed = fixed.map(|body| {
        Case::new(format!("body {body}"), Says::Nothing, what, move |_: &State, _| html(body.into()))
    });
    let cut = (0..8).map(|eighth| {
        Case::new(format!("cut after {eighth} eighths"), Says::Nothing, what, move |_: &State, good| {
            let text = good.to_string();
            html(text.as_bytes()[..text.len() * eighth / 8].to_vec())
        })
    });
    let altered: [(&str, fn(String) -> Vec<u8>); 7] = [
        ("something behind it", |good| format!("{good}x").into()),
        ("twice", |good| format!("{good}{good}").into()),
        ("in a list", |good| format!("[{good}]").into()),
        ("a byte order mark", |good| format!("\u{feff}{good}").into()),
        ("not UTF-8", |good| [&good.as_bytes()[..good.len() - 1], b",\"x\":\"\xff\"}"].concat()),
        ("not a number", |good| good.replacen('{', "{\"x\":NaN,", 1).into()),
        ("very deep", |good| {
            good.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(64), "]".repeat(64)), 1).into()
        }),
    ];
    let altered = altered.map(|(name, alter)| {
        Case::new(name, Says::Nothing, what, move |_: &State, good| html(alter(good.to_string())))
    });
    let huge = Case::new("300 KiB", Says::Nothing, "256 KiB", move |_: &State, good: Value| {
        html(format!("{}{good}", " ".repeat(300 * 1024)).into())
    });
    fixed.into_iter().chain(cut).chain(altered).chain([huge]).collect()
}

/// A good answer in which a member stands twice, first or last with another value.
fn duplicates(members: &[&'static str], names: &'static str) -> Vec<Case> {
    let twice = |member: &'static str, first: bool| {
        move |_: &State, good: Value| {
            let text = good.to_string();
            let text = if first {
                text.replacen('{', &format!("{{\"{member}\":\"other\","), 1)
            } else {
                format!("{},\"{member}\":\"other\"}}", &text[..text.len() - 1])
            };
            Given::new(200, text)
        }
    };
    let cases = members.iter().flat_map(|member| [(member, true), (member, false)]);
    cases
        .map(|(member, first)| {
            Case::new(format!("{member} twice"), Says::Nothing, names, twice(member, first))
        })
        .collect()
}
