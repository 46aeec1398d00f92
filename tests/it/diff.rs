//! `postern diff` through the front door: trails and lists of claims in, a screen, JSON and an exit status out.

mod start;
mod trails;

use crate::support::postern::BINARY;
use crate::support::stage::Stage;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const EVERYONE: &str = "      - name: everyone\n        allow: \"'ml-users' in groups\"";

struct Files(TempDir);

impl Files {
    /// With `old.yaml`, the demo's configuration, and `new.yaml`, in which these texts are replaced.
    fn new(replaced: &[(&str, &str)]) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.yaml");
        let (old, _) = fs::read_to_string(demo)
            .unwrap()
            .split_once("\ntests:")
            .map(|(old, _)| (old.to_owned() + "\n", ()))
            .unwrap();
        let new = replaced.iter().fold(old.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        files.write("old.yaml", old);
        files.write("new.yaml", new);
        files
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), content).unwrap();
    }

    fn gzip(&self, name: &str, content: &str) {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(content.as_bytes()).unwrap();
        self.write(name, gzip.finish().unwrap());
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY).arg("diff").args(arguments).current_dir(self.0.path()).output().unwrap()
    }

    #[track_caller]
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[arguments, &["--format", "json"]].concat())).unwrap()
    }
}

/// A record of somebody who opened Studio with these facts, or was refused.
fn record(user: &str, rule: Option<&str>, facts: &Value) -> Value {
    let time = "2026-11-25T18:06:42.117Z";
    let mut record = json!({"time": time, "event": "grant", "issuer": "sandbox", "subject": user, "user": user,
        "destination": "studio", "facts": facts, "client_ip": "127.0.0.1", "outcome": "opened"});
    match rule {
        Some(rule) => {
            let local = user.split('@').next().unwrap();
            record["rule"] = rule.into();
            record["target"] = json!({"domain_id": "d-sandbox00001", "user_profile_name": local,
                "landing_uri": "app:JupyterLab:", "expires_in_seconds": 20, "region": "eu-west-1",
                "role_arn": "arn:aws:iam::111122223333:role/postern"});
        }
        None => {
            record["event"] = "deny".into();
            record["reason"] = "no-rule".into();
        }
    }
    record
}

fn member(groups: &[&str]) -> Value {
    json!({"realm": "sandbox", "client_ip": "127.0.0.1", "groups": groups})
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

/// The change that the command was made for, on a trail that the gateway has written.
#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_group_shows_who_would_be_locked_out() {
    let stage = Stage::new().await;
    for (person, path) in [
        ("grace", "/studio"),
        ("ada", "/studio/lab/tree/x"),
        ("max", "/studio"),
        ("bob", "/studio"),
        ("olga", "/studio"),
    ] {
        _ = stage.program(person).get(&stage.postern.at(path)).await.checked();
    }
    stage.postern.audit(6);
    let files =
        Files::new(&[(EVERYONE, "      - name: everyone\n        allow: \"'ml-scientists' in groups\"")]);
    files.write("audit.jsonl", stage.postern.audit_text());
    for against in [&[][..], &["--against", "old.yaml"]] {
        let report =
            files.text(&[&["--config", "new.yaml", "--people", "audit.jsonl", "--names"], against].concat());
        let facts = if against.is_empty() { "not in" } else { "in `ml-users`; not in" };
        assert_eq!(
            report,
            format!(
                "studio\n  1 person loses access: the rule `everyone` let them in, now no rule matches\n      {facts} \
                 `ml-risk`, `ml-scientists`\n      grace@corp.example\n\n5 people judged, by 5 recorded decisions.\n"
            )
        );
    }
    let same = files.text(&["--config", "old.yaml", "--people", "audit.jsonl"]);
    assert_eq!(
        same,
        "Nobody gains, loses or lands elsewhere.\n\n5 people judged, by 5 recorded decisions.\n"
    );
}

/// As the README has it.
#[tokio::test(flavor = "multi_thread")]
async fn the_demos_trail_shows_a_gain_and_a_loss() {
    let stage = Stage::new().await;
    for person in ["ada", "max", "grace"] {
        _ = stage.program(person).get(&stage.postern.at("/studio")).await.checked();
    }
    stage.postern.audit(4);
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let change = "sed \"s/'contractors' in groups/'ml-risk' in groups/\" config/sandbox.yaml > new.yaml";
    assert!(readme.contains(change));
    let files = Files::new(&[("'contractors' in groups", "'ml-risk' in groups")]);
    files.write("demo.jsonl", stage.postern.audit_text());
    let report = files.text(&["--config", "new.yaml", "--people", "demo.jsonl", "--names"]);
    assert!(readme.contains(report.trim_end()), "the README shows another screen than this:\n{report}");
}

#[test]
fn many_people_are_few_lines() {
    let files = Files::new(&[
        (EVERYONE, "      - name: everyone\n        allow: \"'ml-users' in groups && !('temps' in groups)\""),
        ("domain_id: d-risk00000001", "domain_id: d-risk00000002"),
    ]);
    let mut records = Vec::new();
    for number in 0..400 {
        let user = format!("p{number}@corp.example");
        records.push(match number % 4 {
            0 => record(&user, Some("everyone"), &member(&["ml-users", "temps"])),
            1 => record(&user, None, &member(&["guests"])),
            2 => {
                let mut record = record(&user, Some("risk"), &member(&["ml-users", "ml-risk"]));
                record["target"]["domain_id"] = "d-risk00000001".into();
                record["target"]["user_profile_name"] = format!("risk--p{number}").into();
                record
            }
            _ => record(&user, Some("everyone"), &member(&["ml-users"])),
        });
    }
    files.write("audit.jsonl", lines(&records));
    let arguments = ["--config", "new.yaml", "--people", "audit.jsonl"];
    assert_eq!(
        files.text(&arguments),
        "studio
  100 people lose access: the rule `everyone` let them in, now no rule matches
      in `ml-users`, `temps`; not in `ml-risk`
  100 people land elsewhere: the rule `risk` lets them in as before
      domain_id: `d-risk00000001` → `d-risk00000002`
      in `ml-risk`

400 people judged, by 400 recorded decisions.
"
    );
    let report = files.json(&arguments);
    let changes = report["destinations"][0]["changes"].as_array().unwrap();
    assert_eq!(changes[0]["kind"], "loss");
    assert_eq!(changes[0]["people"], 100);
    assert_eq!(
        changes[1]["fields"][0]["values"],
        json!([{"from": "d-risk00000001", "to": "d-risk00000002"}])
    );
    assert!(changes[0].get("names").is_none());
    let named = files.json(&[&arguments[..], &["--names"]].concat());
    assert_eq!(named["destinations"][0]["changes"][0]["names"][0]["user"], "p0@corp.example");
}

#[test]
fn an_exit_status_tells_what_was_found() {
    let lose = (EVERYONE, "      - name: everyone\n        allow: \"claims.level == 3\"");
    let files = Files::new(&[lose]);
    files
        .write("audit.jsonl", lines(&[record("ada@corp.example", Some("everyone"), &member(&["ml-users"]))]));
    let arguments = ["--config", "new.yaml", "--people", "audit.jsonl", "--fail-on"];
    let status = |kinds: &str| files.run(&[&arguments[..], &[kinds]].concat()).status.code();
    assert_eq!(status("unknown"), Some(1));
    assert_eq!(status("gain,loss,change"), Some(0));
    assert_eq!(status("gain,unknown"), Some(1));
    assert_eq!(status("others"), Some(2));
    for (arguments, told) in [
        (&["--config", "new.yaml"][..], "--people"),
        (&["--config", "new.yaml", "--people", "none.jsonl"], "none.jsonl: No such file"),
        (&["--config", "none.yaml", "--people", "audit.jsonl"], "none.yaml"),
    ] {
        let output = files.run(arguments);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(told), "{told}: {said}");
    }
}

/// A fact that the record lacks is unknown and does not count as absent.
#[test]
fn what_is_not_on_record_is_named() {
    let files = Files::new(&[(
        EVERYONE,
        "      - name: everyone\n        allow: \"!has(claims.barred) && !('temps' in groups)\"",
    )]);
    let asked = |groups: &[&str]| {
        json!({"realm": "sandbox", "client_ip": "127.0.0.1", "groups": groups, "groups_asked": ["contractors", "ml-risk", "ml-users"],
            "claims": {"barred": null}})
    };
    let mut cut = record(
        "cut@corp.example",
        Some("everyone"),
        &json!({"realm": "sandbox", "client_ip": "127.0.0.1", "groups": []}),
    );
    cut["facts_cut"] = true.into();
    let mut without = record("early@corp.example", Some("everyone"), &Value::Null);
    without.as_object_mut().unwrap().remove("facts");
    let records = [
        record("asked@corp.example", Some("everyone"), &asked(&["ml-users"])),
        cut,
        without,
        // Absorbed: whatever the rest is, this one is let in by a rule before.
        record("sure@corp.example", Some("everyone"), &asked(&["ml-risk"])),
    ];
    files.write("audit.jsonl", lines(&records));
    let report = files.json(&["--config", "new.yaml", "--people", "audit.jsonl", "--names"]);
    let mut found = Vec::new();
    for change in report["destinations"][0]["changes"].as_array().unwrap() {
        let names: Vec<&str> =
            change["names"].as_array().unwrap().iter().map(|name| name["user"].as_str().unwrap()).collect();
        found.push(format!(
            "{} {}: {}",
            change["kind"].as_str().unwrap(),
            names.join(" "),
            change["not_on_record"]
        ));
    }
    found.sort();
    assert_eq!(
        found,
        [
            "change sure@corp.example: []",
            "unknown asked@corp.example: [\"the group `temps`\"]",
            "unknown cut@corp.example: [\"`claims.barred`\"]",
            "unknown early@corp.example: [\"the group `contractors`\"]",
        ]
    );
    assert_eq!(report["read"]["decisions_without_facts"], 1);
}

/// A gap counts only where the answer depends on it.
#[test]
fn a_claim_on_record_may_be_enough() {
    let rule = "      - name: everyone\n        allow: \"claims.team == 'ml' || claims.level == 3\"";
    let files = Files::new(&[(EVERYONE, rule)]);
    let of = |user: &str, team: &str| {
        let facts =
            json!({"realm": "sandbox", "client_ip": "127.0.0.1", "groups": [], "claims": {"team": team}});
        record(user, Some("everyone"), &facts)
    };
    files.write("audit.jsonl", lines(&[of("ada@corp.example", "ml"), of("max@corp.example", "hr")]));
    let report = files.json(&["--config", "new.yaml", "--people", "audit.jsonl", "--names"]);
    let changes = report["destinations"][0]["changes"].as_array().unwrap();
    let unknown: Vec<_> = changes.iter().filter(|change| change["kind"] == "unknown").collect();
    assert_eq!(unknown.len(), 1, "{report}");
    assert_eq!(unknown[0]["names"][0]["user"], "max@corp.example", "{report}");
    assert_eq!(unknown[0]["not_on_record"], json!(["`claims.level`"]), "{report}");
}

/// Decisions that differ in the address alone are one decision, unless a rule asks for the address.
#[test]
fn an_address_counts_where_a_rule_asks_for_it() {
    const ELSEWHERE: &str = "!in_cidr(client_ip, '10.20.0.0/16')";
    let at = |address: &str| {
        let facts = json!({"realm": "sandbox", "client_ip": address, "groups": ["contractors", "ml-users"]});
        let mut record = record("max@corp.example", Some("everyone"), &facts);
        record["client_ip"] = address.into();
        record
    };
    for (rule, decisions, losses) in [(ELSEWHERE, 2, 1), ("false", 1, 0)] {
        let files = Files::new(&[(ELSEWHERE, rule)]);
        files.write("audit.jsonl", lines(&[at("192.0.2.1"), at("10.20.0.1")]));
        let report = files.json(&["--config", "new.yaml", "--people", "audit.jsonl"]);
        let destinations = report["destinations"].as_array().unwrap().iter();
        let changes = destinations.flat_map(|destination| destination["changes"].as_array().unwrap());
        assert_eq!(changes.filter(|change| change["kind"] == "loss").count(), losses, "{report}");
        assert_eq!(report["distinct_decisions"], decisions, "{report}");
    }
}

#[test]
fn a_list_of_claims_is_judged_by_both_configurations() {
    let files = Files::new(&[
        (EVERYONE, "      - name: everyone\n        allow: \"'ml-scientists' in groups\""),
        ("  comet:\n", "  comet-two:\n"),
    ]);
    let claims = |name: &str, groups: &[&str]| json!({"sub": name, "email": format!("{name}@corp.example"), "email_verified": true, "groups": groups});
    let people = [
        claims("ada", &["ml-users"]),
        claims("zoe", &["ml-scientists"]),
        json!({"sub": "nobody"}),
        claims("max", &["contractors", "ml-scientists"]),
    ];
    files.write("people.jsonl", lines(&people));
    let arguments = ["--config", "new.yaml", "--against", "old.yaml", "--people", "people.jsonl", "--names"];
    assert_eq!(
        files.text(&arguments),
        "studio
  1 person loses access: the rule `everyone` let them in, now no rule matches
      in `ml-users`; not in `ml-risk`, `ml-scientists`
      ada@corp.example
  1 person gains access: no rule matched, now the rule `everyone` lets them in
      in `ml-scientists`; not in `ml-risk`, `ml-users`
      zoe@corp.example
  1 person cannot be judged: there is no record of `client_ip`, which the rule `vpn` asks for
      max@corp.example

comet-two
  1 person gains access: there was no such destination, now the rule `staff` lets them in
      in `ml-users`
      ada@corp.example

comet
  1 person loses access: the rule `staff` let them in, now there is no such destination
      in `ml-users`
      ada@corp.example

3 people judged, by 4 lines of claims.
note: 1 line of claims names nobody
"
    );
    let alone = files.run(&["--config", "new.yaml", "--people", "people.jsonl"]);
    assert_eq!(alone.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&alone.stderr),
        "people.jsonl:1: claims do not say what is decided today: name the present configuration by --against\n"
    );
}
