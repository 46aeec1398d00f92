//! Configurations that are accepted with a warning.

use super::examples::example;
use super::{LEGAL, accepted, changed, in_a_line};
use postern::config::{Loaded, StateConfig, WhenAway};
use std::time::Duration;

fn warned_paths(loaded: &Loaded) -> Vec<&str> {
    loaded.warnings.iter().map(|warning| warning.path.as_str()).collect()
}

#[test]
fn the_sandbox_warns_of_what_it_weakens() {
    let loaded = example("sandbox.yaml");
    let weakened = ["public_url", "issuers.sandbox.insecure_http", "session.insecure_ephemeral_session_key"];
    assert_eq!(warned_paths(&loaded), weakened);
    assert_eq!(loaded.gateway.issuers[0].issuer, "http://127.0.0.1:8481");
    assert!(loaded.gateway.session.keys.is_empty());
}

#[test]
fn insecure_keys_are_warned_of_and_only_when_true() {
    let cases = [
        ("10.0.100.0/24]\n", "0.0.0.0/0]\ninsecure_trust_everyone: true\n", "insecure_trust_everyone"),
        (
            "algorithms: [RS256]\n",
            "algorithms: [RS256]\n    insecure_http: true\n",
            "issuers.corp.insecure_http",
        ),
        (
            "algorithms: [RS256]\n",
            "algorithms: [RS256]\n    insecure_unmarked_email: true\n",
            "issuers.corp.insecure_unmarked_email",
        ),
        (
            "keys: [{env: SESSION_KEY}]",
            "insecure_ephemeral_session_key: true",
            "session.insecure_ephemeral_session_key",
        ),
        ("audience: [postern-api]", "audience: [postern]", "issuers.corp.audience"),
        (
            "credentials: [bearer, session, signed_header]",
            "credentials: [bearer, session]",
            "issuers.balancer",
        ),
        ("credentials: [bearer, session, signed_header]", "credentials: [bearer, signed_header]", "sign_in"),
        ("state: {valkey: {url: {env: VALKEY_URL}, timeout: 250ms}}\n", "", "state"),
        ("timeout: 250ms}", "insecure_plaintext: true}", "state.valkey.insecure_plaintext"),
    ];
    assert_eq!(accepted(LEGAL).warnings, []);
    for (from, to, path) in cases {
        assert_eq!(warned_paths(&accepted(&changed(from, to))), [path]);
    }
    let unset = changed("algorithms: [RS256]\n", "algorithms: [RS256]\n    insecure_http: false\n");
    assert_eq!(accepted(&unset).warnings, []);
}

#[test]
fn state_is_shared_or_said_not_to_be() {
    let written = "state: {valkey: {url: {env: VALKEY_URL}, timeout: 250ms}}\n";
    let StateConfig::Valkey(valkey) = accepted(LEGAL).gateway.state else { panic!("a server") };
    assert_eq!((valkey.when_away, valkey.ca_certificate), (WhenAway::Refuse, None));
    let serve = changed("timeout: 250ms", "when_away: serve, ca_certificate: ca.pem");
    let StateConfig::Valkey(valkey) = accepted(&serve).gateway.state else { panic!("a server") };
    assert_eq!((valkey.when_away, valkey.timeout), (WhenAway::Serve, Duration::from_millis(250)));
    assert_eq!(valkey.ca_certificate, Some("/etc/postern/ca.pem".into()));
    let memory = accepted(&changed(written, "state: {memory: {}}\n"));
    assert_eq!((memory.gateway.state, memory.warnings), (StateConfig::Memory, vec![]));
    let unsaid = accepted(&changed(written, ""));
    assert_eq!(
        unsaid.warnings.iter().map(in_a_line).collect::<Vec<_>>(),
        [
            "21:3 state: sign-out and back-channel logout end sessions in this process only | with several replicas, set `state.valkey`; `state: {memory: {}}` says that there is one"
        ]
    );
    // Without sessions there is nothing to share but rates.
    let programs = changed("credentials: [bearer, session, signed_header]", "credentials: [bearer]");
    assert!(!warned_paths(&accepted(&programs.replace(written, ""))).contains(&"state"));
}

/// AWS publishes for three partitions where its presigned URLs stand. Elsewhere no launch can end well without a list.
#[test]
fn a_partition_whose_hosts_nobody_knows_is_warned_of() {
    let minimal = include_str!("../../../config/minimal.yaml");
    let in_region =
        |aws: &str| accepted(&minimal.replace("aws: {region: eu-west-1}", &format!("aws: {{{aws}}}")));
    for region in ["eu-west-1", "us-gov-west-1", "cn-north-1", "cn-northwest-1"] {
        assert_eq!(in_region(&format!("region: {region}")).warnings, [], "{region}");
    }
    for (region, partition) in [("us-iso-east-1", "aws-iso"), ("eusc-de-east-1", "aws-eusc")] {
        let loaded = in_region(&format!("region: {region}"));
        let [warning] = loaded.warnings.as_slice() else { panic!("{region}: {:?}", loaded.warnings) };
        let told = in_a_line(warning);
        assert!(told.contains("aws.region: ") && told.contains(partition), "{told}");
        assert!(told.contains("`aws.authorized_url_hosts`"), "{told}");
        let listed = in_region(&format!("region: {region}, authorized_url_hosts: [.sagemaker.corp.example]"));
        assert_eq!(listed.warnings, [], "{region}");
    }
}
