//! No two people get one computed place, unless a constant, a table or `shared_by(…)` says so.

use super::{AROUND, person, studio_with};
use proptest::prelude::*;
use serde_json::json;

/// What is wrong with this template of a profile's name.
fn template_fault(template: &str) -> String {
    let faults = AROUND.faults(&studio_with(template)).join(" | ");
    let prefix = "destinations.studio.target.studio_domain.user_profile_name: ";
    faults.strip_prefix(prefix).unwrap_or(&faults).to_owned()
}

#[test]
fn texts_side_by_side_could_be_two_people_s() {
    let several = "a `user_profile_name` made of several values side by side could be two people's; write \
                   `profile_name(join(one, other))`";
    for template in [
        "${claims.team}-${user}",
        "${claims.given + claims.family}",
        "${claims.given + '-' + claims.family}",
        "${(claims.given + claims.family).lowerAscii()}",
        "${profile_name(claims.given + claims.family)}",
        "${profile_name(claims.given + '' + claims.family)}",
        "${profile_name('x' + claims.given + (claims.family + '/'))}",
        "${profile_name(claims.team + '/' + user)}",
        "${shared_by(claims.team)}-${user}",
        "${shared_by(claims.team + '-' + claims.site)}",
        "${join(claims.team + claims.site, user)}",
        "${'a' in groups ? user : user + user}",
    ] {
        assert_eq!(template_fault(template), several, "{template}");
    }
    for template in [
        "${'u-' + user}",
        "${user + ('-' + 'x')}",
        "${realm + '-' + user}-${issuer}",
        "${'a' in groups ? 'a-' : 'b-'}${user}",
        "${profile_name(join(claims.team, user))}",
        "${join(claims.team, claims.site, 'x', user)}",
        "${shared_by(join(claims.team, claims.site))}",
        "${join('a', 'b') + join('c', 'd')}",
        "${profile_name(claims.sub)}",
    ] {
        assert_eq!(template_fault(template), "", "{template}");
    }
}

#[test]
fn what_several_people_may_have_is_shared_because_somebody_says_so() {
    let common = "people who have this value in common would get the same `user_profile_name`; make it of `user`, take it \
                  from a table of `lookups`, or write `shared_by(…)` around a value whose holders are meant to share a place";
    for template in [
        "${claims.team}",
        "${claims.email}",
        "${profile_name(claims.team)}",
        "${profile_name('risk', local_part(claims.email, 'corp.example'))}",
        "${join(claims.team, claims.site)}",
        "${groups.exists(g, g == 'a') ? claims.sub : claims.nick}",
        "${client_ip}",
    ] {
        assert_eq!(template_fault(template), common, "{template}");
    }
    for template in [
        "shared",
        "team-${shared_by(claims.team)}",
        "${'a' in groups ? 'a' : 'b'}",
        "${profile_name(realm)}",
        "${profile_name(shared_by(local_part(claims.email, 'corp.example')))}",
    ] {
        assert_eq!(template_fault(template), "", "{template}");
    }
    // Of two constants, one may be the start or the end of the other with what stands beside it.
    for template in [
        "${'a' in groups ? 'a' : 'ab'}${user}",
        "${'a' in groups ? '' : 'x'}${user}",
        "${user}${'a' in groups ? 'b' : 'ab'}",
    ] {
        let fault = template_fault(template);
        let expected =
            "destinations.studio.rules[0]: two people could get the same `user_profile_name` by this rule; ";
        assert!(fault.starts_with(expected), "{template}: {fault}");
    }
    let team = person("ada", &[]).claims(json!({"team": "Risk"}));
    assert_eq!(team.profile(&AROUND, "team-${shared_by(claims.team)}").as_deref(), Ok("team-Risk"));
}

/// A field that names something in AWS is guarded, of whichever kind.
#[test]
fn every_field_that_makes_a_place_is_guarded() {
    let app = "arn:aws:sagemaker:eu-west-1:111122223333";
    for (target, key) in [
        ("studio_domain: {domain_id: 'd-@', user_profile_name: x}", "domain_id"),
        ("studio_domain: {domain_id: d-x, user_profile_name: '@'}", "user_profile_name"),
        ("studio_domain: {domain_id: d-x, user_profile_name: x, space_name: '@'}", "space_name"),
        ("mlflow_tracking_server: {tracking_server_name: '@'}", "tracking_server_name"),
        ("notebook_instance: {notebook_instance_name: '@'}", "notebook_instance_name"),
        (&format!("mlflow_app: {{arn: '{app}:mlflow-app/@'}}"), "arn"),
        (&format!("partner_app: {{arn: '{app}:partner-app/app-@'}}"), "arn"),
    ] {
        let fault = |template: &str| {
            let target = target.replace('@', &template.replace('\'', "''"));
            let rules = "[{name: all, allow: 'true'}]";
            AROUND
                .faults(&format!("destinations: {{x: {{target: {{{target}}}, rules: {rules}}}}}"))
                .join(" | ")
        };
        let several = format!("a `{key}` made of several values side by side could be two people's; write ");
        assert!(
            fault("${claims.team}-${user}").contains(&several),
            "{key}: {}",
            fault("${claims.team}-${user}")
        );
        let common = format!("people who have this value in common would get the same `{key}`");
        assert!(fault("${claims.team}").contains(&common), "{key}: {}", fault("${claims.team}"));
        for template in
            ["${join(claims.team, user)}", "${shared_by(claims.team)}", "${local_part(user, 'a.example')}"]
        {
            assert_eq!(fault(template), "", "{key} {template}");
        }
    }
}

/// A role or a space is no other place; another account is.
#[test]
fn the_same_name_by_another_role_is_the_same_place() {
    let faults = |role: &str| {
        let notebook = |name: &str, domain: &str, role: &str| {
            format!(
                "  {name}: {{role_arn: 'arn:aws:iam::{role}', target: {{notebook_instance: {{notebook_instance_name: \
                 \"${{local_part(user, '{domain}')}}\"}}}}, rules: [{{name: all, allow: 'true'}}]}}\n"
            )
        };
        let one = notebook("one", "corp.example", "111122223333:role/one");
        AROUND.faults(&format!("destinations:\n{one}{}", notebook("two", "partner.example", role)))
    };
    assert_eq!(faults("111122223333:role/two").len(), 1);
    assert!(faults("444455556666:role/two").is_empty());
}

/// `ada` of one domain is somebody else than `ada` of another, in whichever destinations their rules are.
#[test]
fn the_same_name_in_two_domains_is_two_people() {
    let studio = |name: &str, domain: &str, profile: &str| {
        format!(
            "  {name}: {{target: {{studio_domain: {{domain_id: {domain}, user_profile_name: \"{profile}\"}}}}, \
             rules: [{{name: all, allow: 'true'}}]}}\n"
        )
    };
    let corp = "${profile_name(local_part(user, 'corp.example'))}";
    let partner = "${profile_name(local_part(user,  'partner.example'))}";
    let faults = |domain: &str, profile: &str| {
        AROUND.faults(&format!(
            "destinations:\n{}{}",
            studio("one", "d-abc", corp),
            studio("two", domain, profile)
        ))
    };
    assert_eq!(
        faults("d-abc", partner),
        [
            "destinations.two.rules[0]: people of `partner.example` could get the same place by this rule as those of \
          `corp.example` by the rule on line 2; write `profile_name('prefix', …)` for all but one of them"
        ]
    );
    let other_quotes = partner.replace('\'', "\\\"");
    assert_eq!(faults("d-abc", &other_quotes).len(), 1);
    let both = |one: &str, other: &str| {
        faults("d-two", &format!("${{user.endsWith('@corp.example') ? {one} : {other}}}"))
    };
    let plain = both("local_part(user, 'corp.example')", "local_part(user, 'partner.example')");
    assert_eq!(
        plain,
        [
            "destinations.two.rules[0]: people of `corp.example`, `partner.example` could get the same place by this rule; \
          write `profile_name('prefix', …)` for all but one of them"
        ]
    );
    let apart = both(
        "profile_name(local_part(user, 'corp.example'))",
        "profile_name('partner', local_part(user, 'partner.example'))",
    );
    assert!(apart.is_empty(), "{apart:?}");
    assert!(faults("d-other", partner).is_empty());
    assert!(faults("d-abc", corp).is_empty());
    assert!(faults("d-abc", "${profile_name('partner', local_part(user, 'partner.example'))}").is_empty());
}

/// `Ada` and `ada` are two people of an issuer whose users are no addresses, and AWS compares names without case.
#[test]
fn a_place_that_loses_a_case_has_no_person_with_capitals() {
    let refused = |template: &str, user: &str| {
        let ada = person(user, &[]).claims(json!({"sub": user})).with(|ada| ada.subject = user.to_owned());
        let refused = ada.profile(&AROUND, template);
        assert!(person("ada@corp.example", &[]).profile(&AROUND, template).is_ok(), "{template}");
        refused.unwrap_err()
    };
    for (template, user) in [
        ("${profile_name(user.lowerAscii())}", "Ada@corp.example"),
        ("${local_part(user, 'corp.example')}", "Ada@corp.example"),
        ("${profile_name(local_part(user, 'corp.example'))}", "ada@Corp.example"),
        ("${profile_name(join('x', user.lowerAscii()))}", "Ada@corp.example"),
    ] {
        let expected = format!(
            "`user_profile_name`: `{user}` is not allowed here: a computed name is lower case, since AWS compares it without \
             case; `profile_name(…)` keeps people apart"
        );
        assert_eq!(refused(template, user), expected, "{template}");
    }
    let named = |user: &str, template: &str| person(user, &[]).profile(&AROUND, template);
    assert_eq!(named("ada", "${user}").as_deref(), Ok("ada"));
    assert!(
        named("Ada", "${user}")
            .unwrap_err()
            .contains("`Ada` is not allowed here: a computed name is lower case")
    );
    assert!(named("Ada", "${join('x', user)}").is_err());
    let (upper, lower) = (named("Ada", "${profile_name(user)}"), named("ada", "${profile_name(user)}"));
    assert!(upper.is_ok() && lower.is_ok() && upper != lower, "{upper:?} {lower:?}");
    assert_eq!(named("Ada", "${shared_by(user)}").as_deref(), Ok("Ada"));
    let of_subject = |subject: &str, template: &str| {
        let ada = person("ada", &[]).claims(json!({"sub": subject}));
        ada.with(|ada| ada.subject = subject.to_owned()).profile(&AROUND, template)
    };
    assert!(
        of_subject("U1", "${join('x', claims.sub)}").unwrap_err().contains("a computed name is lower case")
    );
    let of_subject = |subject: &str| of_subject(subject, "${profile_name(claims.sub)}");
    let (upper, lower) = (of_subject("U1"), of_subject("u1"));
    assert!(upper.is_ok() && lower.is_ok() && upper != lower, "{upper:?} {lower:?}");
}

#[test]
fn a_list_of_texts_has_one_text_of_its_own() {
    let joined = |a: &str, b: &str| {
        let ada = person("ada", &[]).claims(json!({"a": a, "b": b}));
        ada.profile(&AROUND, "${shared_by(join(claims.a, claims.b))}")
    };
    assert_eq!(joined("team-a", "ada").as_deref(), Ok("team-a--ada"));
    assert_eq!(joined("a", "b-c").as_deref(), Ok("a--b-c"));
    for (a, b) in [("a-", "b"), ("a", "-b"), ("a--b", "c"), ("", "a"), ("a", ""), ("a%", "b")] {
        assert!(joined(a, b).unwrap_err().contains("is not allowed here"), "{a} {b}: {:?}", joined(a, b));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn two_lists_of_texts_have_two_texts(
        one in proptest::collection::vec("[a%2d-]{0,4}", 2..=4),
        other in proptest::collection::vec("[a%2d-]{0,4}", 2..=4),
    ) {
        let equal = |texts: &[String], others: &[String]| {
            let join = |texts: &[String]| format!("join({})", texts.iter().map(|text| json!(text).to_string()).collect::<Vec<_>>().join(", "));
            person("ada", &[]).asks(&format!("{} == {}", join(texts), join(others))) == "grant"
        };
        prop_assert!(equal(&one, &one));
        prop_assert_eq!(equal(&one, &other), one == other);
    }
}
