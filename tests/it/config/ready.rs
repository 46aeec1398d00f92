//! `start`, `create_profile` and `sso_domain` that cannot be meant so: each with its place, what stands there, and what may.

use super::changed;
use crate::support::postern::BINARY;
use serde_json::Value;
use std::process::Command;

const RULES: &str = "    rules: [{name: everyone, allow: \"'ml-users' in groups\"}]\n";
const FIELDS: &str = "        expires_in_seconds: 20\n";

/// The errors or warnings of `postern check` as `LINE:COLUMN PATH: MESSAGE | HELP`, without the one of this configuration's
/// several realms.
fn checked(yaml: &str, sort: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("postern.yaml");
    std::fs::write(&config, yaml).unwrap();
    let output =
        Command::new(BINARY).args(["check", "--format", "json", "--config"]).arg(config).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = told[sort].as_array().unwrap_or_else(|| panic!("{told}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().map(str::to_owned);
    let line = |finding: &Value| {
        let (path, message) = (text(finding, "path")?, text(finding, "message")?);
        let help = text(finding, "help").map(|help| format!(" | {help}")).unwrap_or_default();
        Some(format!("{}:{} {path}: {message}{help}", finding["line"], finding["column"]))
    };
    let lines = findings.iter().map(|finding| line(finding).unwrap_or_else(|| panic!("{finding}")));
    lines.filter(|line| !line.contains("people of several realms")).collect()
}

fn findings(yaml: &str) -> Vec<String> {
    checked(yaml, "errors")
}

fn of_destination(key: &str) -> Vec<String> {
    findings(&changed(RULES, &format!("    {key}\n{RULES}")))
}

fn of_profile(written: &str) -> Vec<String> {
    findings(&changed(FIELDS, &format!("{FIELDS}        create_profile: {written}\n")))
}

#[test]
fn start_is_an_expression_for_what_can_be_started() {
    let of_domain = "46:12 destinations.studio.start: a studio_domain cannot be started: `start` is for \
                     `mlflow_tracking_server`, `notebook_instance`";
    assert_eq!(of_destination("start: true"), [of_domain]);
    assert_eq!(
        of_destination("start: \"'ml-users' in group\""),
        [
            of_domain,
            "46:12 destinations.studio.start: there is no variable `group` (at character 15) | did you mean `groups`?"
        ]
    );
    assert_eq!(of_destination("start: ''"), ["46:12 destinations.studio.start: an empty text"]);
    assert_eq!(
        of_destination("start: [ml-users]"),
        [
            "46:12 destinations.studio.start: found a list; allowed: a text | a list is no expression: for groups, write \
          \"'ml-users' in groups\""
        ]
    );
    assert!(of_destination("start:")[0].starts_with("46:5 destinations.studio.start: no value is given | "));
}

#[test]
fn sso_domain_is_one_of_two_words_for_a_domain() {
    for (written, found) in [("go", "`go`"), ("true", "`true`"), ("{redirect: true}", "a map")] {
        assert_eq!(
            of_destination(&format!("sso_domain: {written}")),
            [format!("46:17 destinations.studio.sso_domain: found {found}; allowed: `redirect`, `explain`")]
        );
    }
    let misspelt = of_destination("sso_domains: redirect");
    assert!(misspelt[0].starts_with("46:5 destinations.studio.sso_domains: unknown key `sso_domains`; "));
    assert!(misspelt[0].ends_with(" | did you mean `sso_domain`?"), "{misspelt:?}");
    let server = changed(
        "      studio_domain:\n        domain_id: d-abcdefghijkl\n        user_profile_name: ${profile_name(claims.sub)}\n        \
         expires_in_seconds: 20\n",
        "      mlflow_tracking_server: {tracking_server_name: risk}\n    sso_domain: redirect\n",
    );
    assert_eq!(
        findings(&server),
        [
            "43:17 destinations.studio.sso_domain: a mlflow_tracking_server is no domain: `sso_domain` is for studio_domain"
        ]
    );
}

const AT: &str = "destinations.studio.target.studio_domain.create_profile";

#[test]
fn create_profile_takes_a_role_tags_and_a_word() {
    let many: Vec<String> = (0..49).map(|n| format!("k{n}: v")).collect();
    let many = format!("{{tags: {{{}}}}}", many.join(", "));
    let arn = "is not allowed here: `arn:aws:iam::ACCOUNT:role/NAME`, ACCOUNT being 12 digits";
    let characters = "letters, digits, spaces and `_.:/=+-@`";
    for (written, place, finding) in [
        ("true", "46:25 ", ": found `true`; allowed: a map".to_owned()),
        ("never", "46:25 ", ": found `never`; allowed: a map".to_owned()),
        (
            "{execution_rol: x}",
            "46:26 ",
            ".execution_rol: unknown key `execution_rol`; allowed: `execution_role`, `session_name`, `tags` | did you mean \
             `execution_role`?"
                .to_owned(),
        ),
        (
            "{execution_role: studio-user}",
            "46:42 ",
            format!(
                ".execution_role: `studio-user` {arn} | this is a name or an id: write the whole ARN, as AWS shows it"
            ),
        ),
        (
            "{execution_role: \"arn:aws:iam::111122223333:user/ada\"}",
            "46:42 ",
            format!(".execution_role: `arn:aws:iam::111122223333:user/ada` {arn}"),
        ),
        ("{tags: [a]}", "46:32 ", ".tags: found a list; allowed: a map".to_owned()),
        ("{tags: {\"a*b\": c}}", "46:33 ", format!(".tags.a*b: found `a*b`; allowed: at most 128 {characters}")),
        ("{tags: {team: \"a*b\"}}", "46:39 ", format!(".tags.team: found `a*b`; allowed: at most 256 {characters}")),
        (
            "{tags: {\"aws:team\": x}}",
            "46:33 ",
            ".tags.aws:team: tag keys that start with `aws:` are reserved by AWS".to_owned(),
        ),
        (
            "{tags: {\"postern:person\": ada}}",
            "46:33 ",
            ".tags.postern:person: found `postern:person`; allowed: keys that do not begin with `postern:`, for those say whose \
             profile it is"
                .to_owned(),
        ),
        (many.as_str(), "46:407 ", ".tags: 49 tags; allowed: 48".to_owned()),
        (
            "{session_name: person}",
            "46:40 ",
            ".session_name: found `person`; allowed: `user_identity`, `static`".to_owned(),
        ),
        (
            "{tags: {a: b}, tags: {c: d}}",
            "46:40 ",
            ".tags: the key is given twice, first on line 46".to_owned(),
        ),
    ] {
        assert_eq!(of_profile(written), [format!("{place}{AT}{finding}")], "{written}");
    }
    assert!(of_profile("")[0].starts_with(&format!("46:9 {AT}: no value is given | ")));
    let variable = of_profile("{execution_role: \"arn:aws:iam::111122223333:role/${user}\"}");
    assert!(
        variable[0].starts_with(&format!("46:42 {AT}.execution_role: `${{` stands here, and ")),
        "{variable:?}"
    );
}

#[test]
fn create_profile_needs_a_role_and_stands_below_the_domain() {
    let role = "  role_arn: arn:aws:iam::111122223333:role/postern\n  external_id: postern-7c1f\n  session_tags: {team: ml}\n";
    let creating = changed(FIELDS, &format!("{FIELDS}        create_profile: {{}}\n"));
    assert_eq!(
        findings(&creating.replace(role, "")),
        [format!(
            "43:25 {AT}: creating profiles needs a `role_arn`: its account is part of the profile's ARN"
        )]
    );
    let misplaced = of_destination("create_profile: {}");
    assert!(
        misplaced[0].starts_with("46:5 destinations.studio.create_profile: unknown key `create_profile`; ")
    );
}

/// IAM lets nobody pass a role of another account, whoever asks.
#[test]
fn an_execution_role_of_another_account_is_warned_of() {
    let alone = |execution: &str| {
        let rules = RULES.replace("'ml-users' in groups", "realm == 'corp'");
        let profile = format!("{FIELDS}        create_profile: {{execution_role: \"{execution}\"}}\n");
        let yaml = changed(FIELDS, &profile).replace(RULES, &rules);
        let warnings = checked(&yaml, "warnings");
        warnings.into_iter().filter(|warning| warning.contains("execution_role")).collect::<Vec<_>>()
    };
    assert!(alone("arn:aws:iam::111122223333:role/studio-user").is_empty());
    assert_eq!(
        alone("arn:aws:iam::444455556666:role/studio-user"),
        [
            "47:13 destinations.studio.rules[0]: this rule creates profiles by a role in the account 111122223333, and \
          `create_profile.execution_role` is in 444455556666: AWS lets nobody pass a role of another account"
        ]
    );
}
