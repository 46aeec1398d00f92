//! The CloudFormation form before cfn-lint, which knows AWS's list of actions and how resources are written.

use super::{PRINCIPAL, ROLE, iam, studio, written};
use crate::support::elsewhere::peers;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn template(config: &Path, arguments: &[&str]) -> String {
    let output = iam(config, &[&["--format", "cloudformation"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn lint(peers: &Path, template: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("template.json");
    std::fs::write(&file, template).expect("the template");
    Command::new(peers.join("cfn-lint/bin/cfn-lint"))
        .args(["--regions", "eu-west-1", "--template"])
        .arg(&file)
        .output()
        .expect("POSTERN_PEERS holds what tests/peers/install made")
}

#[track_caller]
fn accepted(peers: &Path, what: &str, template: &str) {
    let linted = lint(peers, template);
    let said = String::from_utf8_lossy(&linted.stdout);
    assert!(linted.status.success(), "{what}: {said}{}\n{template}", String::from_utf8_lossy(&linted.stderr));
}

#[test]
fn cfn_lint_accepts_the_template_of_every_example() {
    let Some(peers) = peers("cfn-lint") else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let examples: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    assert!(examples.len() >= 6);
    for config in examples {
        accepted(&peers, &config.display().to_string(), &template(&config, &[]));
    }
}

#[test]
fn cfn_lint_accepts_other_shapes_and_would_see_a_misspelt_action() {
    let Some(peers) = peers("cfn-lint") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("postern.yaml");
    let own = studio("d-abc", "${profile_name(user)}");
    std::fs::write(&config, written("", &own)).unwrap();
    accepted(&peers, "without a role", &template(&config, &["--principal", PRINCIPAL]));
    let by_person = format!("{own}    role_arn: \"arn:aws:iam::${{claims.account}}:role/x\"\n");
    std::fs::write(&config, written("", &by_person)).unwrap();
    accepted(&peers, "a role by the person", &template(&config, &[]));
    std::fs::write(&config, written(&format!("{ROLE}, session_tags: {{team: ml}}"), &own)).unwrap();
    let tagged = template(&config, &[]);
    accepted(&peers, "session tags", &tagged);

    let misspelt = tagged.replace("sagemaker:DescribeUserProfile", "sagemaker:DescribeUserProfiel");
    assert_ne!(misspelt, tagged);
    let linted = lint(&peers, &misspelt);
    assert!(!linted.status.success(), "cfn-lint is not asked");
    assert!(String::from_utf8_lossy(&linted.stdout).contains("W3037"));
}
