//! Trails as they are found: rotated, broken, and with hostile texts.

use super::{EVERYONE, Files, lines, member, record};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_trail_is_read_however_it_was_rotated_and_broken() {
    let files =
        Files::new(&[(EVERYONE, "      - name: everyone\n        allow: \"'ml-scientists' in groups\"")]);
    let early = record("ada@corp.example", None, &member(&["ml-users"]));
    let mut late = record("ada@corp.example", Some("everyone"), &member(&["ml-users"]));
    late["time"] = "2026-11-26T00:00:00.000Z".into();
    // Of another version: more fields, and a target that has more.
    let mut other = record("grace@corp.example", Some("everyone"), &member(&["ml-users"]));
    other["facts"]["device"] = json!({"managed": true});
    other["access"] = "read".into();
    other["event"] = "call".into();
    let trouble = format!(
        "{}\n{}\n{{\"time\":\"2026-11-25T18\n\n[1]\n{{\"time\":\"2026-11-25T18:06:42.117Z\",\"event\":\"lost\",\"lost\":12}}\n{{\"time\":\"2026-11-25T18:06:42.117Z\",\"event\":\"sign-in\",\"user\":\"x\"}}\n{}\n{}",
        late,
        json!({"time": "2026-11-25T18:06:42.117Z", "event": "grant", "user": 7}),
        "x".repeat(3 * 1024 * 1024),
        other,
    );
    files.gzip("audit.jsonl.1.gz", &trouble);
    files.write("audit.jsonl", lines(&[early]));
    let report =
        files.json(&["--config", "new.yaml", "--people", "audit.jsonl.1.gz", "audit.jsonl", "--names"]);
    let changes = report["destinations"][0]["changes"].as_array().unwrap();
    assert_eq!((changes.len(), &changes[0]["kind"], &changes[0]["people"]), (1, &"loss".into(), &2.into()));
    assert_eq!(
        report["read"],
        json!({"decisions": 3, "decisions_without_facts": 0, "claims": 0, "claims_that_name_nobody": 0, "other_records": 1,
            "lost_records": 12, "lines_not_understood": 4,
            "first_not_understood": "audit.jsonl.1.gz:2: a record of another form"})
    );
    assert_eq!(report["distinct_decisions"], 2, "the later of two records of the same counts");

    let whole = fs::read(files.0.path().join("audit.jsonl.1.gz")).unwrap();
    files.write("half.gz", &whole[..whole.len() / 2]);
    let output = files.run(&["--config", "new.yaml", "--people", "half.gz"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("half.gz: "));
}

#[test]
fn hostile_texts_do_not_reach_the_terminal() {
    let files = Files::new(&[(EVERYONE, "      - name: everyone\n        allow: \"claims.team == 'x'\"")]);
    let hostile = "\u{1b}[31mred\u{7}\u{9b}2J\u{202e}\r\n\u{2066}";
    let user = format!("{hostile}@corp.example");
    let mut grant = record(
        &user,
        Some("everyone"),
        &json!({"realm": hostile, "client_ip": null, "groups": ["ml-users"], "claims": {"team": hostile}}),
    );
    grant["facts"]["realm"] = "sandbox".into();
    grant["rule"] = hostile.into();
    grant["destination"] = "studio".into();
    let mut elsewhere = grant.clone();
    elsewhere["destination"] = hostile.into();
    files.write("audit.jsonl", lines(&[grant, elsewhere]));
    for format in ["text", "json"] {
        let arguments = ["--config", "new.yaml", "--people", "audit.jsonl", "--names", "--format", format];
        let shown = files.text(&arguments);
        assert!(shown.contains("red") && shown.contains("loss") == (format == "json"), "{shown}");
        let obeyed = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c));
        assert!(!shown.contains(obeyed), "{shown:?}");
        if format == "json" {
            let report: Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(report["destinations"][1]["destination"], hostile, "a program gets what is on record");
        }
    }
}
