//! No message shows what stands where a secret belongs, whatever else is wrong around it.

use crate::support::postern::BINARY;
use postern::config::load_text;
use std::path::Path;
use std::process::Command;

/// What somebody put into the file.
const SECRET: &str = "Hunter2Hunter2";

const BASE: &str = include_str!("../../../config/sandbox.yaml");

/// The demo's configuration with other text for its client's secret, its session and its state.
fn with(part: &str, text: &str) -> String {
    let before = match part {
        "client_secret" => "  client_secret: {file: sandbox-client-secret}\n",
        "session" => "session: {insecure_ephemeral_session_key: true, revalidate: 1m}\n",
        "state" => "state: {memory: {}}\n",
        _ => panic!("{part}"),
    };
    assert!(BASE.contains(before), "{before}");
    BASE.replace(before, text)
}

/// Ways to put a secret where only its name belongs, or near it. `§` stands for it.
fn attempts() -> Vec<String> {
    let values = [
        "§",
        "'§'",
        "\"§\"",
        "{value: §}",
        "{§: }",
        "{§}",
        "{§: x}",
        "[§]",
        "[{value: §}]",
        "[[§]]",
        "{env: §}",
        "{ENV: §}",
        "{env: {value: §}}",
        "{env: [§]}",
        "{file: {§: x}}",
        "{env: A_B, file: §}",
        "{env: A_B, §: x}",
        "{env: § T}",
        "{env: A_B, value: §}",
        "{secret: §}",
        "!secret §",
        "&a §",
        "{<<: §}",
        "\n    §",
        "\n    value: §",
        "\n    - §",
        "\n    env:\n      §",
        "|\n    §\n    §",
        ">\n    §",
        "\n    ? §\n    : x",
        "\"§\\n §\"",
        "'§\n    §'",
    ];
    let mut attempts = Vec::new();
    for value in values {
        attempts.push(with("client_secret", &format!("  client_secret: {value}\n")));
        attempts.push(with("client_secret", &format!("  private_key_jwt: {value}\n")));
        for misspelt in
            ["client_secert", "clientSecret", "client-secret", "secret", "password", "client_secret "]
        {
            attempts.push(with("client_secret", &format!("  {misspelt}: {value}\n")));
        }
        // Twice; and in one line with something else that is wrong.
        attempts.push(with(
            "client_secret",
            &format!("  client_secret: {{file: x}}\n  client_secret: {value}\n"),
        ));
        if !value.contains('\n') {
            attempts
                .push(with("client_secret", &format!("  x: 1\n  y: {{client_secret: {value}, z: \"1\"}}\n")));
            attempts.push(with("session", &format!("session: {{keys: [{value}], lifetime: 5}}\n")));
            attempts.push(with("session", &format!("session: {{keys: {value}, idle: x}}\n")));
            attempts.push(with("session", &format!("session: {{keys: [{{file: k}}, {value}], wrong: 1}}\n")));
            attempts.push(with("state", &format!("state: {{valkey: {{url: {value}, timeout: 1}}}}\n")));
            // At the top, below an issuer, and by an anchor from elsewhere.
            attempts.push(format!("{BASE}\nclient_secret: {value}\n"));
            attempts.push(BASE.replace(
                "    insecure_http: true\n",
                &format!("    insecure_http: true\n    client_secret: {value}\n"),
            ));
            // A second anchor is an error of its own, of a line that names no secret.
            let value = value.trim_start_matches("&a ");
            attempts.push(format!(
                "x-a: &anchor {value}\n{}",
                with("client_secret", "  client_secret: *anchor\n  wrong: 1\n")
            ));
        }
    }
    for url in ["rediss://user:§@host", "{value: 'rediss://:§@host:6379/0'}", "{env: 'rediss://u:§@h'}"] {
        attempts.push(with("state", &format!("state: {{valkey: {{url: {url}, when_away: never}}}}\n")));
        attempts.push(with("state", &format!("state:\n  valkey:\n    url: {url}\n    timeout: x\n")));
    }
    for broken in [
        "\"§",
        "'§",
        "{value: §",
        "[§",
        "{env: \"§",
        "§: §: §",
        "\"§\" §",
        "{env: §}}",
        "@§",
        "`§",
        "%§",
        "*§",
    ] {
        attempts.push(with("client_secret", &format!("  client_secret: {broken}\n")));
        attempts.push(with("client_secret", &format!("  client_secret:\n    value: {broken}\n")));
    }
    attempts
}

#[test]
fn nothing_that_stands_where_a_secret_belongs_is_in_a_message() {
    let (mut refused, mut shown) = (0, Vec::new());
    for attempt in attempts() {
        let text = attempt.replace('§', SECRET);
        let Err(refusal) = load_text("postern.yaml", &text, Path::new("/etc/postern")) else { continue };
        refused += 1;
        let mut told = refusal.to_string();
        for finding in &refusal.findings {
            told += &format!("{} {} {:?}\n", finding.path, finding.message, finding.help);
        }
        if told.contains("Hunter2") {
            shown.push(told);
        }
    }
    assert!(shown.is_empty(), "{} are shown: {}", shown.len(), shown.join("\n\n"));
    assert!(refused > 300, "{refused}");
}

/// What is no secret is still quoted.
#[test]
fn other_lines_are_shown_as_before() {
    for (from, to, quoted) in [
        ("region: eu-west-1", "region: nowhere", "region: nowhere"),
        ("client_id: postern", "client_idd: postern", "client_idd: postern"),
        ("scopes", "scopes", ""),
        ("{file: sandbox-client-secret}", "{file: sandbox-client-secret}\n  wrong: 1", "wrong: 1"),
    ] {
        let Err(refusal) = load_text("postern.yaml", &BASE.replace(from, to), Path::new("/etc/postern"))
        else {
            continue;
        };
        assert!(refusal.to_string().contains(quoted), "{quoted}: {refusal}");
    }
    let text = with("client_secret", &format!("  client_secret: {{value: {SECRET}}}\n"));
    let refusal = load_text("postern.yaml", &text, Path::new("/etc/postern")).unwrap_err().to_string();
    let line = 1 + text.lines().position(|line| line.contains(SECRET)).unwrap();
    assert!(refusal.contains(&format!("postern.yaml:{line}:")), "{refusal}");
    assert!(refusal.contains("sign_in.client_secret: ") && refusal.contains("`env`, `file`"), "{refusal}");
}

/// A variable's name is shown only if it is one: somebody may have put the secret there.
#[test]
fn a_secret_in_place_of_a_variable_is_not_shown_by_what_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, shown) in [(SECRET, false), ("HUNTER2", false), ("hunter_2", false), ("POSTERN_SECRET", true)]
    {
        let config = folder.path().join("postern.yaml");
        std::fs::write(&config, with("client_secret", &format!("  client_secret: {{env: {name}}}\n")))
            .unwrap();
        for command in [&["check", "--with-secrets"][..], &["serve"], &["doctor"]] {
            let ran = Command::new(BINARY).args(command).arg("--config").arg(&config).output().unwrap();
            let told =
                [&ran.stdout, &ran.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
            assert!(told.contains("sign_in.client_secret: the environment variable"), "{told}");
            assert_eq!(told.contains(name), shown, "{command:?}: {told}");
        }
    }
}
