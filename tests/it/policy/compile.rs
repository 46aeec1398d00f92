//! What loading a policy refuses beside its expressions: each error with its place and words.

use super::{AROUND, notebook_with, person, studio_with};

fn template_fault(template: &str) -> String {
    let faults = AROUND.faults(&studio_with(template)).join(" | ");
    let prefix = "destinations.studio.target.studio_domain.user_profile_name: ";
    faults.strip_prefix(prefix).unwrap_or(&faults).to_owned()
}

#[test]
fn every_fault_is_told_with_its_place() {
    let yaml = r"
deny: [{name: one, when: usr}]
destinations:
  Studio:
    target: {studio_domain: {domain_id: abc, user_profile_name: a_b, expires_in_seconds: 4}}
    region: europe
    rules:
      - {name: one, allow: 'true'}
      - {name: two}
  nb:
    target: {notebook_instance: {notebook_instance_name: nb}}
    rules: []
";
    let expected = [
        "deny[0].when: there is no variable `usr` (at character 1); did you mean `user`?",
        "destinations.Studio: `Studio` is not a name: 1 to 63 lower-case letters, digits and hyphens, no hyphen first",
        "destinations.Studio.target.studio_domain.domain_id: `abc` is not allowed here: `d-` and then up to 61 \
         lower-case letters, digits and hyphens, no hyphen last, 63 characters in all",
        "destinations.Studio.target.studio_domain.user_profile_name: `a_b` is not allowed here: 1 to 63 letters, digits \
         and inner hyphens, without `.`, `_` or `@`, no hyphen first or last",
        "destinations.Studio.target.studio_domain.expires_in_seconds: `4` is not allowed here: 5 to 300 seconds",
        "destinations.Studio.region: `europe` is not allowed here: a region such as `eu-west-1`: words in lower case and a number, joined by hyphens, at most 32 characters",
        "destinations.Studio.rules[0].name: the rule on line 2 has the name `one` too: the audit trail could not tell \
         which decided",
        "destinations.Studio.rules[1]: a rule has exactly one of `allow` and `deny`",
        "destinations.nb.rules: there is no rule, so nobody may open this",
    ];
    assert_eq!(AROUND.faults(yaml), expected);
    let diagnostics = AROUND.compile(yaml).unwrap_err();
    assert_eq!((diagnostics[0].location.line, diagnostics[2].location.line), (2, 5));
}

#[test]
fn destination_names_are_path_segments() {
    for (name, legal) in [
        ("a", true),
        ("0-a-", true),
        (&"a".repeat(63), true),
        (&"a".repeat(64), false),
        ("-", false),
        ("a_b", false),
        ("A", false),
        ("ä", false),
        ("a/b", false),
        ("a.b", false),
    ] {
        let yaml = notebook_with("[{name: one, allow: 'true'}]").replace("nb:", &format!("\"{name}\":"));
        assert_eq!(AROUND.faults(&yaml).is_empty(), legal, "{name}");
    }
}

#[test]
fn a_rule_either_allows_or_denies() {
    let faults = |rule: &str| AROUND.faults(&notebook_with(&format!("[{rule}]"))).join(" | ");
    let both = "destinations.nb.rules[0]: a rule has exactly one of `allow` and `deny`";
    assert_eq!(faults("{name: x, allow: 'true', deny: 'true'}"), both);
    assert_eq!(
        faults("{name: x, deny: 'true', set: {region: eu-west-1}}"),
        "destinations.nb.rules[0].set: a rule that denies sets nothing"
    );
    assert_eq!(
        faults("{name: '', deny: 'true'}"),
        "destinations.nb.rules[0].name: a rule's name has 1 to 64 characters, none of them a control character"
    );
}

#[test]
fn no_rule_stands_behind_one_that_allows_everybody() {
    let faults = |rules: &str| AROUND.faults(&notebook_with(rules));
    for everybody in ["true", " ( true ) ", "((true))"] {
        assert_eq!(
            faults(&format!(
                "[{{name: all, allow: '{everybody}'}}, {{name: no, deny: user == 'x'}}, {{name: so, allow: user == 'y'}}]"
            )),
            [
                "destinations.nb.rules[1]: is never asked: the rule `all` on line 1 allows everybody; put `all` last"
            ],
            "{everybody}"
        );
    }
    let none: [&str; 0] = [];
    assert_eq!(faults("[{name: no, deny: user == 'x'}, {name: all, allow: 'true'}]"), none);
    assert_eq!(faults("[{name: closed, deny: 'true'}, {name: all, allow: 'true'}]"), none, "for a while");
    assert_eq!(faults("[{name: some, allow: user != ''}, {name: all, allow: 'true'}]"), none);
}

#[test]
fn a_rule_sets_only_what_the_kind_has() {
    let faults = |set: &str| {
        AROUND.faults(&notebook_with(&format!("[{{name: x, allow: 'true', set: {set}}}]"))).join(" | ")
    };
    let at = "destinations.nb.rules[0].set";
    assert_eq!(faults("{}"), format!("{at}: `set` is empty"));
    let help =
        "it has `notebook_instance_name`, `session_expiration_duration_in_seconds`, `region` and `role_arn`";
    assert_eq!(
        faults("{expires_in_seconds: 20}"),
        format!(
            "{at}.expires_in_seconds: `expires_in_seconds` is not a field of `notebook_instance`; {help}"
        )
    );
    assert!(faults("{domain_id: d-abc}").contains("`domain_id` is not a field of `notebook_instance`"));
    assert_eq!(faults("{notebook_instance_name: other, region: us-east-1}"), "");
    assert!(faults("{role_arn: 'arn:aws:iam::1:role/x'}").starts_with(&format!("{at}.role_arn: ")));
}

#[test]
fn a_rule_stays_in_the_region_s_partition() {
    let faults = |set: &str| {
        AROUND.faults(&notebook_with(&format!("[{{name: x, allow: 'true', set: {set}}}]"))).join(" | ")
    };
    let china = "role_arn: 'arn:aws-cn:iam::111122223333:role/x'";
    assert_eq!(
        faults(&format!("{{{china}}}")),
        "destinations.nb.rules[0]: this rule opens with the `role_arn` `arn:aws-cn:iam::111122223333:role/x` in `eu-west-1`; \
         allowed: one that begins with `arn:aws:`, as the region has it"
    );
    assert_eq!(faults(&format!("{{{china}, region: cn-north-1}}")), "");
    assert_eq!(faults(&format!("{{{china}, region: '${{claims.region}}'}}")), "", "who knows");
}

#[test]
fn an_app_stays_in_the_rule_s_region() {
    for (kind, id) in [("mlflow_app", "mlflow-app/app-1"), ("partner_app", "partner-app/app-ABCDEFGHIJKL")] {
        let faults = |region: &str, arn: &str, rule: &str| {
            AROUND.faults(&format!(
                "destinations: {{x: {{region: {region}, target: {{{kind}: {{arn: '{arn}{id}'}}}}, rules: [{{name: a, allow: \
                 'true'{rule}}}]}}}}"
            ))
        };
        let refused = |arn: &str, region: &str, allowed: &str| {
            format!(
                "destinations.x.rules[0]: this rule opens with the `arn` `{arn}{id}` in `{region}`; allowed: one that begins with \
                 `{allowed}`, as the region has it"
            )
        };
        let (ireland, virginia) =
            ("arn:aws:sagemaker:eu-west-1:111122223333:", "arn:aws:sagemaker:us-east-1:111122223333:");
        assert_eq!(faults("eu-west-1", ireland, ""), [""; 0]);
        assert_eq!(
            faults("eu-west-1", virginia, ""),
            [refused(virginia, "eu-west-1", "arn:aws:sagemaker:eu-west-1:")]
        );
        let moved = |region: &str| format!(", set: {{region: {region}}}");
        assert_eq!(faults("eu-west-1", virginia, &moved("us-east-1")), [""; 0]);
        assert_eq!(
            faults("eu-west-1", ireland, &moved("us-east-1")),
            [refused(ireland, "us-east-1", "arn:aws:sagemaker:us-east-1:")]
        );
        // The region is the right one, and the partition is not.
        let government = "arn:aws:sagemaker:us-gov-west-1:111122223333:";
        assert_eq!(
            faults("us-gov-west-1", government, ""),
            [refused(government, "us-gov-west-1", "arn:aws-us-gov:sagemaker:us-gov-west-1:")]
        );
        // AWS RAM shares an app with other accounts, so the account is not judged.
        let shared = ", set: {role_arn: 'arn:aws:iam::444455556666:role/x'}";
        assert_eq!(faults("eu-west-1", ireland, shared), [""; 0]);
    }
}

#[test]
fn an_arn_is_that_of_its_kind() {
    let app = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/app-1";
    let partner = "arn:aws:sagemaker:eu-west-1:111122223333:partner-app/app-ABCDEFGHIJKL";
    let faults = |kind: &str, arn: &str| {
        AROUND.faults(&format!("destinations: {{x: {{target: {{{kind}: {{arn: '{arn}'}}}}, rules: [{{name: a, allow: 'true'}}]}}}}"))
    };
    assert!(faults("mlflow_app", app).is_empty());
    assert!(faults("partner_app", partner).is_empty());
    assert_eq!(faults("mlflow_app", partner).len(), 1);
    assert_eq!(faults("partner_app", app).len(), 1);
}

#[test]
fn constants_are_checked_at_load_and_templates_are_parsed() {
    assert_eq!(template_fault("ada"), "");
    assert_eq!(template_fault("team-${local_part(user, 'corp.example')}"), "");
    assert_eq!(template_fault("${shared_by(claims['}'])}"), "");
    assert_eq!(template_fault(r"${shared_by(claims['a\'}'])}"), "");
    assert!(template_fault("").contains("`` is not allowed here"));
    assert_eq!(template_fault("${usr}"), "there is no variable `usr` (at character 1); did you mean `user`?");
    assert_eq!(template_fault("${user"), "`${user` lacks the `}` of a `${`");
    assert_eq!(template_fault("${}"), "the expression is empty, which would mean nobody or everybody");
    assert_eq!(template_fault("${size(groups)}"), "`${…}` needs a string, and this is a number");
}

#[test]
fn nothing_stands_around_a_profile_name() {
    let help = "write `profile_name('prefix', text)`, which keeps names apart";
    let around =
        format!("text around a `profile_name(…)` is not allowed: two people's names could meet; {help}");
    for template in [
        "risk-${profile_name(user)}",
        "${profile_name(user)}-x",
        "${profile_name(user)}${profile_name(realm)}",
        "r${user == 'a' ? profile_name(user) : profile_name(realm)}",
        "${'risk-' + profile_name(user)}",
    ] {
        assert_eq!(template_fault(template), around, "{template}");
    }
    assert_eq!(template_fault("${user == 'a' ? profile_name(user) : profile_name('x', user)}"), "");
    let upper = template_fault("${profile_name('Risk', user)}");
    assert_eq!(
        upper,
        "the prefix `Risk` is not allowed: 1 to 32 lower-case letters, digits and single inner hyphens, no hyphen first or last (at character 14)"
    );
}

#[test]
fn a_computed_name_that_is_not_legal_denies_and_is_cut_short_in_the_trace() {
    let failure = person(&"ä".repeat(500), &[]).profile(&AROUND, "${user}").unwrap_err();
    assert!(failure.starts_with("`user_profile_name`: `"), "{failure}");
    assert_eq!(failure.matches('ä').count() + failure.matches("\\u{e4}").count(), 80, "{failure}");
    let control = person("a\nb", &[]).profile(&AROUND, "${user}").unwrap_err();
    assert!(control.contains(r"`a\nb` is not allowed here"), "{control}");
}

#[test]
fn an_endpoint_is_a_url() {
    let faults = |url: &str| {
        AROUND.faults(
            &notebook_with("[{name: x, allow: 'true'}]")
                .replace("rules", &format!("endpoint_url: '{url}', rules")),
        )
    };
    assert!(faults("https://vpce.example").is_empty());
    assert!(faults("http://127.0.0.1:9").is_empty());
    for wrong in ["vpce.example", "ftp://x", "https://x?y", "http://vpce.example", ""] {
        let found =
            format!("destinations.nb.endpoint_url: found `{wrong}`; allowed: an absolute `https` URL");
        let faults = faults(wrong);
        assert!(faults.len() == 1 && faults[0].starts_with(&found), "{faults:?}");
    }
    let with_user = "destinations.nb.endpoint_url: found a URL with a user; allowed: an absolute `https` URL";
    assert!(faults("https://user@x")[0].starts_with(with_user));
}
