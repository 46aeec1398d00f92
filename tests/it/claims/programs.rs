//! Programs of the people's issuer: of a realm of their own, and never a person.

use super::{ada, ask, object, stage};
use crate::support::postern::BINARY;
use crate::support::visitor::Visitor;
use serde_json::{Value, json};
use std::process::Command;

const RULES: [(&str, &str); 3] = [
    ("people", r#"{name: people, allow: "realm == 'sandbox'"}"#),
    ("programs", r#"{name: programs, allow: "realm == 'sandbox-programs' && 'ml-users' in groups"}"#),
    ("ada", r#"{name: ada, allow: "realm == 'sandbox' && user == 'ada@corp.example'"}"#),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_token_opens_what_programs_may_open() {
    let keycloak = "    programs: {claim: client_id, user: client_id, groups: {path: groups, absent: none}, realm: sandbox-programs}\n";
    let keycloak = stage(keycloak, &RULES).await;
    let entra =
        "    programs: {claim: idtyp, value: app, user: azp, groups: roles, realm: sandbox-programs}\n";
    let entra = stage(entra, &RULES).await;
    let opened = async |stage: &crate::support::stage::Stage, more: Value| {
        let said = ask(stage, &ada(stage, &object(more))).await;
        let names = said.rows.iter().filter(|row| row.1.is_ok()).map(|row| row.0.clone());
        let names: Vec<String> = names.collect();
        let who = [&said.who["realm"], &said.who["user"], &said.who["reason"]];
        let who: Vec<&str> = who.iter().filter_map(|word| word.as_str()).collect();
        format!("{}: {}", who.join(" "), names.join(" "))
    };
    let account = json!({"client_id": "nightly-training", "preferred_username": "service-account-nightly-training",
        "email": null, "email_verified": false, "groups": ["ml-users"]});
    assert_eq!(opened(&keycloak, account).await, "sandbox-programs nightly-training: programs");
    let outsider = json!({"client_id": "crawler"});
    assert_eq!(opened(&keycloak, outsider).await, "sandbox-programs crawler: ");
    assert_eq!(opened(&keycloak, json!({})).await, "sandbox grace@corp.example: people");
    let app = json!({"idtyp": "app", "azp": "1111-2222", "roles": ["ml-users"], "email": null});
    assert_eq!(opened(&entra, app).await, "sandbox-programs 1111-2222: programs");
    // One that calls itself as a person is called is another one.
    let named = json!({"idtyp": "app", "azp": "ada@corp.example", "roles": ["ml-users"]});
    assert_eq!(opened(&entra, named).await, "sandbox-programs ada@corp.example: programs");
    assert_eq!(opened(&entra, json!({"idtyp": "user"})).await, "sandbox grace@corp.example: people");
    assert_eq!(opened(&entra, json!({"idtyp": ["app"], "azp": "x"})).await, "program-unclear: ");
    assert_eq!(opened(&entra, json!({"idtyp": "app", "azp": null})).await, "user-missing: ");
}

/// A session is of the people's realm, so no program may begin one.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_does_not_sign_in() {
    let issuer = "    programs: {claim: preferred_username, value: grace, user: preferred_username, realm: sandbox-programs}\n";
    let stage = stage(issuer, &RULES).await;
    let mut browser = Visitor::person();
    let arrived = stage.sign_in(&mut browser, "grace", "/people").await;
    assert_eq!(arrived.status, 403, "{}", arrived.body);
    let mut browser = Visitor::person();
    let arrived = stage.sign_in(&mut browser, "ada", "/people").await;
    assert_eq!(arrived.status, 302, "{}", arrived.body);
    let refused = stage.postern.audit(1).into_iter().find(|record| record["outcome"] == "refused");
    assert_eq!(refused.expect("a record")["reason"], "program-signed-in");
}

/// `check` proves that nobody gets another one's place, and programs are people there.
#[test]
fn a_computed_name_tells_programs_from_people() {
    let folder = tempfile::tempdir().expect("a folder");
    let checked = |programs: &str, rule: &str, name: &str| {
        let minimal = concat!(env!("CARGO_MANIFEST_DIR"), "/config/minimal.yaml");
        let minimal = std::fs::read_to_string(minimal).expect("the least configuration");
        let (settings, _) = minimal.split_once("destinations:").expect("destinations");
        let settings = settings.replacen(
            "    user_domains: [corp.example]\n",
            &format!("    claims: {{user: login}}\n{programs}"),
            1,
        );
        let target =
            format!("{{studio_domain: {{domain_id: d-abcdefghijkl, user_profile_name: \"${{{name}}}\"}}}}");
        let text = format!(
            "{settings}destinations:\n  studio:\n    target: {target}\n    rules: [{{name: all, allow: \"{rule}\"}}]\n"
        );
        let file = folder.path().join("postern.yaml");
        std::fs::write(&file, text).expect("a file");
        let checked =
            Command::new(BINARY).args(["check", "--config"]).arg(&file).output().expect("the binary runs");
        (
            checked.status.success(),
            String::from_utf8([checked.stdout, checked.stderr].concat()).expect("UTF-8"),
        )
    };
    let programs = "    programs: {claim: client_id, user: client_id, realm: corp-programs}\n";
    let by_user = "profile_name(user)";
    assert!(checked("", "'a' in groups", by_user).0);
    let (passes, said) = checked(programs, "'a' in groups", by_user);
    assert!(!passes && said.contains("user_profile_name"), "{said}");
    assert!(checked(programs, "realm == 'corp'", by_user).0);
    assert!(checked(programs, "'a' in groups", "profile_name(join(realm, user))").0);
    let people = programs.replace("corp-programs", "corp");
    let (passes, said) = checked(&people, "realm == 'corp'", by_user);
    assert!(!passes && said.contains("a program must not be one of them"), "{said}");
}
