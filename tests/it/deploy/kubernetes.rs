//! The manifests, as Kubernetes' own schemas and Checkov judge them, and the configuration in them.

use super::{filled_in, judged, outlasts, pass_checkov, said, shipped, text};
use crate::support::elsewhere::peers;
use crate::support::postern::BINARY;
use postern::config::load;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

fn manifest(name: &str) -> Value {
    serde_saphyr::from_str(&text(&format!("kubernetes/{name}")))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn manifests() -> Vec<PathBuf> {
    let entries = fs::read_dir(shipped("kubernetes")).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| !path.ends_with("kustomization.yaml")).collect();
    paths.sort();
    paths
}

fn validate(peers: &Path, files: &[PathBuf]) -> std::process::Output {
    judged(&peers.join("kubernetes-validate/bin/kubernetes-validate"), &["--strict"], files)
}

/// The configuration that replicas read, in a file.
fn configuration() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("postern.yaml");
    let map = manifest("config.yaml");
    fs::write(&path, map["data"]["postern.yaml"].as_str().expect("a text")).expect("the configuration");
    (folder, path)
}

#[test]
fn manifests_hold_to_the_schemas() {
    let Some(peers) = peers("Kubernetes manifests") else { return };
    let output = validate(&peers, &manifests());
    assert!(output.status.success(), "{}", said(&output));
    let folder = TempDir::new().expect("a folder");
    let misspelt = folder.path().join("deployment.yaml");
    let deployment = filled_in(&text("kubernetes/deployment.yaml"), &[("  replicas: 2", "  replica: 2")]);
    fs::write(&misspelt, deployment).expect("a manifest");
    assert!(!validate(&peers, &[misspelt]).status.success(), "a misspelt key is noticed");
}

#[test]
fn manifests_hold_to_good_practice() {
    let Some(peers) = peers("Kubernetes manifests") else { return };
    // CKV_K8S_21: the namespace is kubectl's argument, so no manifest names one.
    pass_checkov(&peers, "kubernetes", &["--skip-check", "CKV_K8S_21"], &manifests());
}

#[test]
fn kustomize_is_told_of_every_manifest() {
    let listed = manifest("kustomization.yaml")["resources"].clone();
    let there: Vec<_> = manifests()
        .iter()
        .map(|path| path.file_name().expect("a name").to_str().expect("UTF-8").to_owned())
        .collect();
    assert_eq!(listed, serde_json::json!(there));
}

#[test]
fn the_configuration_passes_its_own_check() {
    let (_folder, path) = configuration();
    let checked = Command::new(BINARY).args(["check", "--config"]).arg(&path).output().expect("postern");
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(said(&checked).contains("tests: 1 of 1 passed; warnings: 0"), "{}", said(&checked));
}

#[test]
fn manifests_and_configuration_agree() {
    let (_folder, path) = configuration();
    let settings = load(&path).expect("the configuration").gateway;
    let pod = &manifest("deployment.yaml")["spec"]["template"]["spec"];
    let seconds = pod["terminationGracePeriodSeconds"].as_u64().expect("seconds");
    outlasts(Duration::from_secs(seconds), settings.drain);
    let container = &pod["containers"][0];
    let port = |name: &str| {
        let ports = container["ports"].as_array().expect("ports");
        ports.iter().find(|port| port["name"] == name).expect("the port")["containerPort"].as_u64()
    };
    assert_eq!(port("http"), Some(settings.listen.address.port().into()));
    assert_eq!(port("admin"), Some(settings.admin.port().into()));
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "admin", "{probe}");
    }
    let mounted: Vec<_> = container["volumeMounts"].as_array().expect("mounts").iter().collect();
    let secrets =
        mounted.iter().find(|mount| mount["name"] == "secrets").expect("the secrets")["mountPath"].as_str();
    let needed = settings.files();
    assert_eq!(needed.len(), 3, "{needed:?}");
    for file in needed {
        assert_eq!(file.parent().and_then(Path::to_str), secrets, "{}", file.display());
    }
}
