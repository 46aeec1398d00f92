//! The examples for pipelines: their commands run as they stand, in a repository with a change. Only what is elsewhere is
//! replaced: the image by the binary, and the programs that fetch the trail and post the table by ones that copy files.

use crate::support::postern::BINARY;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Stand for programs of the pipeline's machine.
const PROGRAMS: &[(&str, &str)] = &[
    // The arguments of `docker run` end with the image.
    ("docker", "while [ \"$1\" != \"$IMAGE\" ]; do shift; done; shift; exec \"$POSTERN\" \"$@\""),
    ("aws", "[ \"$1 $2 $3\" = \"s3 cp $TRAIL\" ] && cp \"$AUDIT\" \"$4\""),
    ("apk", "true"),
    (
        "curl",
        "case \"$*\" in *body@change.md*) cp change.md posted.md;; *\"--output audit.jsonl.gz $TRAIL_URL\") cp \"$AUDIT\" audit.jsonl.gz;; *) false;; esac",
    ),
    ("gh", "[ \"$1 $2 $3 $4\" = \"pr comment 7 --body-file\" ] && cp \"$5\" posted.md"),
];

fn example(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/ci").join(name);
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn git(folder: &Path, arguments: &[&str]) {
    let author = ["-c", "user.name=t", "-c", "user.email=t@corp.example", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").args(author).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The comment that the pipeline posts for a change that takes Grace's access.
fn posted(script: &[&str], image: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (origin, work, bin) =
        (folder.path().join("origin"), folder.path().join("work"), folder.path().join("bin"));
    fs::create_dir(&origin).unwrap();
    fs::create_dir(&bin).unwrap();
    let sandbox =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.yaml")).unwrap();
    let rest = "\n  - {name: everyone, claims: {sub: g, email: grace@corp.example, email_verified: true, groups: [ml-users]}, destination: studio, expect: {rule: everyone}}\
                \n  - {name: grace, claims: {sub: g, email: grace@corp.example, email_verified: true, groups: [ml-users]}, destination: notebook, expect: {rule: grace}}";
    let staff = ["experiments", "archive", "tracking", "comet"].map(|name| {
        format!("\n  - {{name: staff, claims: {{sub: g, email: grace@corp.example, email_verified: true, groups: [ml-users]}}, destination: {name}, expect: {{rule: staff}}}}")
    });
    let before = format!("{}{rest}{}\n", sandbox.trim_end(), staff.concat());
    fs::write(origin.join("postern.yaml"), &before).unwrap();
    git(&origin, &["init", "--quiet"]);
    git(&origin, &["add", "."]);
    git(&origin, &["commit", "--quiet", "--message", "before"]);
    git(folder.path(), &["clone", "--quiet", "origin", "work"]);
    let after = before
        .replace("        allow: \"'ml-users' in groups\"", "        allow: \"'ml-scientists' in groups\"");
    let after = after
        .replace("groups: [ml-users]}, destination: studio", "groups: [ml-scientists]}, destination: studio");
    assert_ne!(before, after);
    fs::write(work.join("postern.yaml"), after).unwrap();
    let record = json!({"time": "2026-11-25T18:06:42.117Z", "event": "grant", "issuer": "sandbox", "subject": "g",
        "user": "grace@corp.example", "destination": "studio", "rule": "everyone", "target": {},
        "facts": {"realm": "sandbox", "client_ip": null, "groups": ["ml-users"]}});
    let audit = folder.path().join("audit.jsonl");
    fs::write(&audit, format!("{record}\n")).unwrap();
    for (name, program) in PROGRAMS {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{program}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-ec", &script.join("\n")])
        .current_dir(&work)
        .env("PATH", path)
        .env("POSTERN", BINARY)
        .env("AUDIT", &audit)
        .env("IMAGE", image)
        .envs([
            ("TRAIL", "s3://corp-audit/postern/audit.jsonl.gz"),
            ("TRAIL_URL", "https://audit.corp.example/audit"),
        ])
        .envs([
            ("GITHUB_BASE_REF", "main"),
            ("PULL_REQUEST", "7"),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
        ])
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    fs::read_to_string(work.join("posted.md")).unwrap_or_else(|error| panic!("{error}: {said}"))
}

const EXPECTED: &str = "```text
studio
  1 person loses access: the rule `everyone` let them in, now no rule matches
      in `ml-users`; not in `ml-risk`, `ml-scientists`

1 person judged, by 1 recorded decision.
```
";

#[test]
fn the_workflow_of_github_posts_who_loses() {
    let workflow = example("github-actions.yaml");
    let steps = workflow["jobs"]["change"]["steps"].as_array().unwrap();
    let script: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(script.len(), 3);
    // GitHub pastes an expression into a script as code. A variable of the environment stays a value.
    assert!(script.iter().all(|run| !run.contains("${{")), "{script:?}");
    assert_eq!(posted(&script, workflow["env"]["IMAGE"].as_str().unwrap()), EXPECTED);
}

#[test]
fn the_job_of_gitlab_posts_who_loses() {
    let job = &example("gitlab.yaml")["postern"];
    let script: Vec<&str> =
        job["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(posted(&script, job["variables"]["IMAGE"].as_str().unwrap()), EXPECTED);
}
