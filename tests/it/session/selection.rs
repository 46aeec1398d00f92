//! People of many groups and claims: what their sessions keep, and for which rules they count.

use super::{World, ada, now, refused, valid};
use crate::support::browser::Browser;
use hyper::header::COOKIE;
use postern::provider::policy_inputs::{Names, PolicyInputs};
use postern::provider::principal::{Groups, Principal};
use postern::sessions::{Session, SessionError, Unusable};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn guid(number: usize) -> String {
    format!("{number:08x}-77aa-4bbb-8ccc-{number:012x}")
}

/// A person in `count` groups, all of which stand in the claims as well.
fn crowded(count: usize) -> Principal {
    let groups: Vec<Arc<str>> = (0..count).map(|number| guid(number).into()).collect();
    let claims = json!({"department": "risk", "essay": "x".repeat(500), "level": 3, "groups": groups.iter().map(|group| &**group).collect::<Vec<_>>()});
    Principal {
        groups: Groups::Known(groups.into()),
        claims: Arc::new(claims.as_object().unwrap().clone()),
        ..ada()
    }
}

fn names(names: &[String]) -> Names {
    Names::Only(names.iter().cloned().collect())
}

/// A gateway whose rules ask for these groups and claims.
fn asking(groups: &[String], claims: &[&str]) -> World {
    let claims: Vec<String> = claims.iter().map(ToString::to_string).collect();
    World { reads: PolicyInputs { groups: names(groups), claims: names(&claims) }, ..World::new() }
}

fn signed_in(world: &World, person: &Principal) -> Browser {
    let mut browser = Browser::default();
    browser.keep(&world.establish(person, Some("provider-session")).unwrap());
    browser
}

fn opened(world: &World, browser: &Browser) -> Session {
    valid(now(world.sessions().open(&browser.headers())))
}

fn groups(session: &Session) -> Vec<&str> {
    let Groups::Known(groups) = &session.principal.groups else { panic!("the groups are known") };
    groups.iter().map(AsRef::as_ref).collect()
}

#[test]
fn five_hundred_groups_fit_into_a_header() {
    let world = asking(&[guid(7), guid(499), guid(500)], &["department"]);
    let browser = signed_in(&world, &crowded(500));
    let session = opened(&world, &browser);
    assert_eq!(groups(&session), [guid(7), guid(499)], "and not the one that the person lacks");
    assert_eq!(session.principal.groups_total, Some(500));
    assert_eq!(*session.principal.claims, *json!({"department": "risk"}).as_object().unwrap());
    assert_eq!(session.principal.user, ada().user);
    assert!(browser.headers()[COOKIE].len() < 1000, "{}", browser.headers()[COOKIE].len());
}

#[test]
fn many_rules_about_many_of_the_groups_fit_too() {
    let asked: Vec<String> = (200..500).map(guid).collect();
    let world = asking(&asked, &[]);
    let browser = signed_in(&world, &crowded(400));
    assert_eq!(groups(&opened(&world, &browser)).len(), 200);
    assert!(browser.headers()[COOKIE].len() < 4000, "{}", browser.headers()[COOKIE].len());
}

#[test]
fn what_fits_is_kept_whole_whatever_the_rules_ask() {
    let world = asking(&[], &[]);
    let browser = signed_in(&world, &ada());
    let world = World { reads: PolicyInputs { groups: Names::All, claims: Names::All }, ..world };
    let session = opened(&world, &browser);
    assert_eq!((&session.principal.groups, session.principal.groups_total), (&ada().groups, None));
    assert_eq!(session.principal.claims["department"], "risk");
}

#[test]
fn rules_that_ask_for_one_group_or_claim_more_do_not_count_it() {
    let one_more = [
        (vec![guid(1), guid(2)], vec!["level"]),
        (vec![guid(1)], vec!["level", "department"]),
        (vec![guid(1)], vec!["level", "nowhere"]),
    ];
    for (asked, claims) in one_more {
        let world = asking(&[guid(1)], &["level"]);
        let browser = signed_in(&world, &crowded(500));
        let claims = claims.iter().map(ToString::to_string).collect::<Vec<_>>();
        let other = World { reads: PolicyInputs { groups: names(&asked), claims: names(&claims) }, ..world };
        other.clock.advance(MINUTE);
        assert_eq!(refused(now(other.sessions().open(&browser.headers()))), Unusable::AsksForMore);
    }
    for reads in [
        PolicyInputs { groups: Names::All, claims: Names::default() },
        PolicyInputs { groups: Names::default(), claims: Names::All },
    ] {
        let world = asking(&[guid(1)], &["level"]);
        let browser = signed_in(&world, &crowded(500));
        let other = World { reads, ..world };
        other.clock.advance(MINUTE);
        assert_eq!(refused(now(other.sessions().open(&browser.headers()))), Unusable::AsksForMore);
    }
}

#[test]
fn rules_that_ask_for_less_count_it() {
    let world = asking(&[guid(1), guid(2)], &["level", "department"]);
    let browser = signed_in(&world, &crowded(500));
    let other =
        World { reads: PolicyInputs { groups: names(&[guid(2)]), claims: Names::default() }, ..world };
    assert_eq!(groups(&opened(&other, &browser)), [guid(2)]);
}

#[test]
fn a_fresh_session_that_other_rules_refuse_is_not_sent_round_again() {
    let world = asking(&[guid(1)], &[]);
    let browser = signed_in(&world, &crowded(500));
    let other = World {
        reads: PolicyInputs { groups: names(&[guid(1), guid(2)]), claims: Names::default() },
        ..world
    };
    other.clock.advance(MINUTE - Duration::from_secs(1));
    assert_eq!(refused(now(other.sessions().open(&browser.headers()))), Unusable::RulesDiffer);
    other.clock.advance(Duration::from_secs(1));
    assert_eq!(refused(now(other.sessions().open(&browser.headers()))), Unusable::AsksForMore);
}

#[test]
fn a_claim_that_was_asked_for_and_is_not_there_stays_absent() {
    let world = asking(&[], &["nowhere", "level"]);
    let session = opened(&world, &signed_in(&world, &crowded(500)));
    assert_eq!(*session.principal.claims, *json!({"level": 3}).as_object().unwrap());
}

#[test]
fn a_rule_about_the_claim_that_holds_the_groups_gets_all_of_it() {
    let world = asking(&[guid(1)], &["groups"]);
    let session = opened(&world, &signed_in(&world, &crowded(60)));
    assert_eq!(groups(&session), [guid(1)]);
    assert_eq!(session.principal.claims["groups"].as_array().unwrap().len(), 60);
    let error = world.establish(&crowded(500), None).unwrap_err();
    assert!(matches!(error, SessionError::TooBig { bytes } if bytes > 3800));
}

#[test]
fn groups_that_were_left_out_stay_so_in_a_selection() {
    let world = asking(&[guid(1)], &["level"]);
    let person = Principal {
        groups: Groups::LeftOut,
        claims: Arc::new(json!({"essay": "x".repeat(4000)}).as_object().unwrap().clone()),
        ..ada()
    };
    let session = opened(&world, &signed_in(&world, &person));
    assert_eq!((&session.principal.groups, session.principal.groups_total), (&Groups::LeftOut, None));
}

#[test]
fn a_renewed_session_keeps_its_selection() {
    let world = asking(&[guid(1), guid(2)], &["level"]);
    let mut browser = signed_in(&world, &crowded(500));
    world.clock.advance(30 * MINUTE);
    browser.keep(&opened(&world, &browser).renewed.unwrap());
    let session = opened(&world, &browser);
    assert_eq!(groups(&session), [guid(1), guid(2)]);
    assert_eq!(session.principal.groups_total, Some(500));
}

/// A list that equals the groups is kept once. A list that only resembles them is a claim of its own, which a rule may
/// read.
#[test]
fn lists_that_resemble_the_groups_come_back_as_they_were() {
    let others = json!({
        "empty": [], "first": ["ml-users"], "longer": ["ml-users", "ml-risk", "admins"],
        "others": ["admins", "owners"], "partly": ["ml-users", "admins"], "turned": ["ml-risk", "ml-users"],
    });
    for groups in [json!(["ml-users", "ml-risk"]), json!(null)] {
        let mut claims = others.as_object().unwrap().clone();
        if !groups.is_null() {
            claims.insert("zgroups".to_owned(), groups);
        }
        let world = World::new();
        let person = Principal { claims: Arc::new(claims.clone()), ..ada() };
        let session = opened(&world, &signed_in(&world, &person));
        assert_eq!(*session.principal.claims, claims);
        assert_eq!(session.principal.groups, person.groups);
    }
}
