//! The order of rules, what decides, and what a grant holds.

use super::{AROUND, Around, notebook_with, person};
use postern::policy::explain::{explain, explain_all, table};
use postern::policy::grant::{DenialReason, Outcome};
use postern::policy::{Kind, Refusal};
use serde_json::{Value, json};

/// The example of the reference configuration.
const STUDIO: &str = r#"
deny:
  - {name: leavers, when: "'leavers' in groups"}
destinations:
  studio:
    title: SageMaker Studio
    target:
      studio_domain:
        domain_id: d-abcdefghijkl
        user_profile_name: ${profile_name(local_part(user, 'corp.example'))}
        landing_uri: "app:JupyterLab:"
        expires_in_seconds: 20
        session_expiration_duration_in_seconds: 28800
    paths: ["lab/tree/**"]
    prewarm: true
    rules:
      - name: vpn
        deny: "'contractors' in groups && !in_cidr(client_ip, '10.20.0.0/16')"
        remedy: Connect to the office VPN first.
      - name: risk
        allow: "'ml-risk' in groups"
        set:
          domain_id: d-risk00000001
          user_profile_name: ${profile_name('risk', local_part(user, 'corp.example'))}
          role_arn: arn:aws:iam::444455556666:role/postern-risk
          region: us-east-1
      - name: everyone
        allow: "'ml-users' in groups"
"#;

#[test]
fn the_first_rule_that_matches_decides() {
    let policy = AROUND.policy(STUDIO);
    let decides = |groups: &[&str]| {
        let explanation = person("ada@corp.example", groups).at("203.0.113.9").explained(&policy, "studio");
        let rule = explanation.rule.map(|rule| rule.to_string());
        (explanation.reason.unwrap_or(explanation.decision), rule.unwrap_or_default())
    };
    let rule = |name: &str| name.to_owned();
    assert_eq!(decides(&["ml-users"]), ("grant", rule("everyone")));
    assert_eq!(decides(&["ml-users", "ml-risk"]), ("grant", rule("risk")));
    assert_eq!(decides(&["ml-users", "contractors"]), ("rule-denied", rule("vpn")));
    assert_eq!(decides(&["ml-users", "ml-risk", "leavers"]), ("rule-denied", rule("leavers")));
    assert_eq!(decides(&["contractors", "leavers"]), ("rule-denied", rule("leavers")));
    assert_eq!(decides(&["others"]), ("no-rule", rule("")));
    assert_eq!(decides(&[]), ("no-rule", rule("")));
    assert_eq!(decides(&["ML-USERS", "ml-users ", "ml"]), ("no-rule", rule("")));
}

#[test]
fn a_grant_names_the_complete_mint() {
    let role_arn = Some("arn:aws:iam::111122223333:role/postern");
    let around = Around { role_arn, endpoint_url: Some("https://vpce.example/"), ..AROUND };
    let policy = around.policy(STUDIO);
    let ada = person("ada@corp.example", &["ml-users"]);
    let grant = ada.opens(&policy, "studio").unwrap();
    assert_eq!(&**grant.destination(), "studio");
    assert_eq!(grant.principal().user, "ada@corp.example");
    assert_eq!(grant.mint().endpoint_url.as_deref(), Some("https://vpce.example/"));
    let fields = postern::policy::explain::fields(grant.mint());
    let expected = json!({
        "domain_id": "d-abcdefghijkl", "user_profile_name": "ada", "landing_uri": "app:JupyterLab:",
        "expires_in_seconds": 20, "session_expiration_duration_in_seconds": 28800, "region": "eu-west-1",
        "role_arn": "arn:aws:iam::111122223333:role/postern",
    });
    assert_eq!(json!(fields), expected);
}

#[test]
fn a_rule_changes_what_it_sets_and_nothing_else() {
    let policy = AROUND.policy(STUDIO);
    let grant = person("ada@corp.example", &["ml-risk"]).opens(&policy, "studio").unwrap();
    let expected = json!({
        "domain_id": "d-risk00000001", "user_profile_name": "risk--ada", "landing_uri": "app:JupyterLab:",
        "expires_in_seconds": 20, "session_expiration_duration_in_seconds": 28800, "region": "us-east-1",
        "role_arn": "arn:aws:iam::444455556666:role/postern-risk",
    });
    assert_eq!(json!(postern::policy::explain::fields(grant.mint())), expected);
}

#[test]
fn a_denial_carries_the_remedy_and_the_trace() {
    let policy = AROUND.policy(STUDIO);
    let max = person("max@corp.example", &["contractors", "ml-users"]).at("203.0.113.9");
    let Err(Refusal::Denied(denial)) = max.opens(&policy, "studio") else { panic!("must be denied") };
    assert_eq!(denial.reason, DenialReason::RuleDenied);
    assert_eq!(denial.remedy.as_deref(), Some("Connect to the office VPN first."));
    let outcomes: Vec<_> =
        denial.trace.steps.iter().map(|step| (&*step.rule, step.outcome.clone())).collect();
    assert_eq!(outcomes, [("leavers", Outcome::NotMatched), ("vpn", Outcome::Matched)]);
}

#[test]
fn groups_that_the_provider_left_out_are_not_an_empty_list() {
    let policy = AROUND.policy(STUDIO);
    let lost = person("ada@corp.example", &[]).without_groups();
    let explanation = lost.explained(&policy, "studio");
    assert_eq!(explanation.reason, Some("groups-overage"));
    assert_eq!(explanation.rule.as_deref(), Some("leavers"));
    let detail = explanation.steps[0].detail.as_deref();
    assert_eq!(detail, Some("the provider left the groups out of the token"));
}

#[test]
fn rules_that_do_not_depend_on_groups_decide_without_them() {
    let lost = person("ada@corp.example", &[]).without_groups();
    assert_eq!(lost.asks("user == 'ada@corp.example'"), "grant");
    assert_eq!(lost.asks("user == 'ada@corp.example' || 'a' in groups"), "grant");
    assert_eq!(lost.asks("'a' in groups || user == 'ada@corp.example'"), "grant");
    assert_eq!(lost.asks("'a' in groups && user == 'max@corp.example'"), "no-rule");
    let overage = "groups-overage: the provider left the groups out of the token";
    assert_eq!(lost.asks("!('a' in groups)"), overage);
    assert_eq!(lost.asks("size(groups) == 0"), overage);
    assert_eq!(lost.asks("groups.exists(g, g == 'a')"), overage);
    assert_eq!(lost.asks("groups.all(g, g == 'a')"), overage);
}

#[test]
fn an_earlier_rule_that_looked_at_lost_groups_does_not_colour_a_later_failure() {
    let rules = "[{name: one, deny: \"'a' in groups && user == 'max'\"}, {name: two, allow: claims.x}]";
    let explanation =
        person("ada", &[]).without_groups().explained(&AROUND.policy(&notebook_with(rules)), "nb");
    assert_eq!(explanation.reason, Some("rule-error"));
    assert_eq!(explanation.rule.as_deref(), Some("two"));
}

#[test]
fn a_rule_that_fails_ends_the_search() {
    let rules = "[{name: broken, deny: claims.level > 3}, {name: open, allow: 'true'}]";
    let policy = AROUND.policy(&notebook_with(rules));
    let decides = |claims| {
        let explanation = person("ada", &[]).claims(claims).explained(&policy, "nb");
        explanation.reason.unwrap_or(explanation.decision)
    };
    assert_eq!(decides(json!({"level": 3})), "grant");
    assert_eq!(decides(json!({"level": 4})), "rule-denied");
    assert_eq!(decides(json!({})), "rule-error");
    assert_eq!(decides(json!({"level": "4"})), "rule-error");
    assert_eq!(decides(json!({"level": null})), "rule-error");
}

#[test]
fn a_target_that_does_not_resolve_denies() {
    let policy = AROUND.policy(STUDIO);
    let explanation = person("ada@other.example", &["ml-users"]).explained(&policy, "studio");
    assert_eq!(explanation.reason, Some("rule-error"));
    assert!(explanation.target.is_empty());
    let detail = explanation.steps.last().unwrap().detail.clone().unwrap();
    assert_eq!(detail, "`user_profile_name`: `local_part`: the address is not of `corp.example`");
}

#[test]
fn destinations_keep_their_order_and_say_what_they_are() {
    let more = format!(
        "{STUDIO}  a-notebook:\n    target: {{notebook_instance: {{notebook_instance_name: nb}}}}\n    rules: [{{name: all, allow: 'true'}}]\n"
    );
    let policy = AROUND.policy(&more);
    let seen: Vec<_> =
        policy.destinations().map(|destination| (&**destination.name(), destination.title())).collect();
    assert_eq!(seen, [("studio", "SageMaker Studio"), ("a-notebook", "a-notebook")]);
    let studio = policy.destination("studio").unwrap();
    assert_eq!((studio.kind(), studio.prewarm(), studio.description()), (Kind::StudioDomain, true, None));
    assert!(!policy.destination("a-notebook").unwrap().prewarm(), "only where the configuration says so");
    assert!(policy.destination("Studio").is_none());
}

#[test]
fn a_decision_is_explained_as_text() {
    let policy = AROUND.policy(STUDIO);
    let text = person("ada@corp.example", &["ml-risk"]).explained(&policy, "studio").to_string();
    let expected = "\
studio: grant by rule `risk`
  1. deny leavers: not-matched
     'leavers' in groups
  2. deny vpn: not-matched
     'contractors' in groups && !in_cidr(client_ip, '10.20.0.0/16')
  3. allow risk: matched
     'ml-risk' in groups
  CreatePresignedDomainUrl
    domain_id: d-risk00000001
    expires_in_seconds: 20
    landing_uri: app:JupyterLab:
    region: us-east-1
    role_arn: arn:aws:iam::444455556666:role/postern-risk
    session_expiration_duration_in_seconds: 28800
    user_profile_name: risk--ada
";
    assert_eq!(text, expected);
}

#[test]
fn a_decision_is_explained_as_json() {
    let policy = AROUND.policy(STUDIO);
    let max = person("max@corp.example", &["contractors"]);
    let explanation = serde_json::to_value(max.explained(&policy, "studio")).unwrap();
    let expected = json!({
        "destination": "studio", "decision": "deny", "reason": "rule-error", "rule": "vpn",
        "steps": [
            {"rule": "leavers", "effect": "deny", "expression": "'leavers' in groups", "outcome": "not-matched"},
            {
                "rule": "vpn", "effect": "deny", "outcome": "failed",
                "expression": "'contractors' in groups && !in_cidr(client_ip, '10.20.0.0/16')",
                "detail": "`client_ip` is not known for this request",
            },
        ],
        "facts": {"groups": ["contractors"], "client_ip": null},
    });
    assert_eq!(explanation, expected);
    let elsewhere = person("max@corp.example", &["contractors"]).at("203.0.113.9");
    let explanation = serde_json::to_value(elsewhere.explained(&policy, "studio")).unwrap();
    assert_eq!(explanation["remedy"], "Connect to the office VPN first.");
}

#[test]
fn all_destinations_are_explained_as_a_table() {
    let policy = AROUND.policy(STUDIO);
    let ada = person("ada@corp.example", &["ml-users"]);
    let expected = "\
DESTINATION  DECISION  RULE      TARGET
studio       grant     everyone  d-abcdefghijkl eu-west-1 ada
";
    assert_eq!(table(&explain_all(&policy, &ada.question(Some("ignored")))), expected);
}

#[test]
fn a_deep_link_is_explained_with_its_path() {
    let policy = AROUND.policy(STUDIO);
    let ada = person("ada@corp.example", &["ml-users"]);
    let studio = policy.destination("studio").unwrap();
    let explanation = explain(&policy, studio, &ada.question(Some("terminals/1")));
    assert_eq!((explanation.reason, explanation.rule.as_deref()), (Some("no-such-path"), Some("everyone")));
    assert!(
        explanation.to_string().starts_with("studio/terminals/1: deny (no-such-path) by rule `everyone`\n")
    );
}

#[test]
fn a_computed_arn_or_region_is_judged_as_a_constant_one() {
    let decides = |keys: &str, target: &str, claims: Value| {
        let yaml =
            format!("destinations: {{x: {{{keys}target: {target}, rules: [{{name: a, allow: 'true'}}]}}}}");
        let explanation = person("ada", &[]).claims(claims).explained(&AROUND.policy(&yaml), "x");
        match explanation.reason {
            Some(reason) => {
                format!("{reason}: {}", explanation.steps.last().unwrap().detail.clone().unwrap())
            }
            None => explanation.decision.to_owned(),
        }
    };
    for (kind, id) in [("mlflow_app", "mlflow-app/app-1"), ("partner_app", "partner-app/app-ABCDEFGHIJKL")] {
        let target = format!("{{{kind}: {{arn: '${{shared_by(claims.arn)}}'}}}}");
        let with = |partition: &str, region: &str| {
            let arn = format!("arn:{partition}:sagemaker:{region}:111122223333:{id}");
            let refused = format!(
                "rule-error: `arn`: `{arn}` is of another region or partition than `eu-west-1`, where this rule opens"
            );
            (decides("", &target, json!({"arn": arn})), refused)
        };
        assert_eq!(with("aws", "eu-west-1").0, "grant", "{kind}");
        for (partition, region) in [("aws", "us-east-1"), ("aws-cn", "eu-west-1"), ("aws", "eu-west-11")] {
            let (decided, refused) = with(partition, region);
            assert_eq!(decided, refused);
        }
        let target = format!("{{{kind}: {{arn: 'arn:aws:sagemaker:eu-west-1:111122223333:{id}'}}}}");
        let moved =
            |region: &str| decides("region: '${claims.region}', ", &target, json!({"region": region}));
        assert_eq!(moved("eu-west-1"), "grant");
        assert!(moved("us-east-1").starts_with("rule-error: `arn`: "), "{}", moved("us-east-1"));
    }
    let notebook = "{notebook_instance: {notebook_instance_name: shared}}";
    let role = |partition: &str| {
        let claims = json!({"role": format!("arn:{partition}:iam::111122223333:role/x")});
        decides("role_arn: '${claims.role}', ", notebook, claims)
    };
    assert_eq!(role("aws"), "grant");
    assert_eq!(
        role("aws-cn"),
        "rule-error: `role_arn`: `arn:aws-cn:iam::111122223333:role/x` is of another region or partition than \
         `eu-west-1`, where this rule opens"
    );
}
