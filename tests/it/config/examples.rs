//! What is accepted, and what becomes of it.

use super::{LEGAL, accepted, changed, refused};
use postern::config::file::fields::Written;
use postern::config::{
    Algorithm, AuthorizedHost, ClaimPath, ClientAuthentication, GroupsClaim, KeySource, Loaded, SecretSource,
    StateConfig, ValkeyConfig, WhenAway, load, load_text, schema,
};
use postern::target::{EXPIRES_IN_SECONDS, Kind, USER_PROFILE_NAME};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The annotated configurations that are part of the project: every file of the folder but the page that explains them.
fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.is_file() && !path.ends_with("README.md")).collect();
    files.sort();
    files
}

pub(super) fn example(name: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    load(&path).unwrap_or_else(|refusal| panic!("{refusal}"))
}

#[test]
fn every_example_loads() {
    let files = examples();
    assert!(files.len() >= 7, "{files:?}");
    for path in files {
        load(&path).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
}

#[test]
fn defaults_are_filled_in() {
    let Loaded { gateway, policy, warnings, .. } = example("minimal.yaml");
    assert_eq!(warnings, []);
    assert_eq!(gateway.admin.to_string(), "127.0.0.1:9901");
    assert!(
        gateway.trusted_proxies.is_empty() && gateway.aliases.is_empty() && !gateway.listen.direct_clients
    );
    let credentials = &gateway.credentials;
    assert!(credentials.session && !credentials.bearer && !credentials.signed_header);
    let issuer = &gateway.issuers[0];
    assert!(matches!(issuer.keys, KeySource::Discovery));
    assert_eq!((&*issuer.realm, issuer.claims.user.as_slice()), ("corp", &["email".into()][..]));
    assert_eq!(
        (&issuer.claims.groups, &issuer.claims.name),
        (&GroupsClaim::from("groups"), &ClaimPath::from("name"))
    );
    let sign_in = gateway.sign_in.unwrap();
    assert_eq!(
        (sign_in.scopes.join(" ").as_str(), sign_in.rp_initiated_logout),
        ("openid profile email", true)
    );
    assert_eq!(gateway.session.lifetime, Duration::from_secs(8 * 3600));
    assert_eq!(gateway.session.idle, Duration::from_secs(3600));
    assert!(gateway.session.revalidate.is_none());
    assert_eq!(gateway.aws.timeout, Duration::from_secs(5));
    assert!(gateway.aws.source_identity && gateway.aws.scoped_session_policy);
    assert_eq!((gateway.limits.mints_per_minute, gateway.limits.connections), (30, 4_000));
    assert_eq!(gateway.state, StateConfig::Memory);
    assert!(policy.deny.is_empty() && policy.tests.is_empty());
}

#[test]
fn everything_written_arrives() {
    let Loaded { gateway, policy, tables, warnings, .. } = example("full.yaml");
    assert_eq!(warnings, []);
    assert_eq!(gateway.public_url.as_str(), "https://ml.corp.example/");
    assert_eq!(gateway.trusted_proxies[0].to_string(), "10.0.100.0/24");
    let [corp, balancer] = gateway.issuers.as_slice() else { panic!("two issuers") };
    assert_eq!(
        (corp.audience.as_slice(), corp.algorithms.as_slice()),
        (&["postern-api".to_owned()][..], &[Algorithm::Rs256][..])
    );
    assert!(corp.signed_header.is_none());
    assert_eq!((&*balancer.realm, balancer.algorithms.as_slice()), ("corp", &[Algorithm::Es256][..]));
    let KeySource::PemPerKey(keys) = &balancer.keys else { panic!("one PEM file per key") };
    assert_eq!(keys.as_str(), "https://public-keys.auth.elb.eu-west-1.amazonaws.com/");
    let header = balancer.signed_header.as_ref().unwrap();
    assert_eq!(header.header, "x-amzn-oidc-data");
    assert_eq!(header.aws_alb.as_ref().unwrap().client_id, "ml-balancer");
    let session_keys = [
        SecretSource::File("/run/secrets/session-key".into()),
        SecretSource::Env("POSTERN_OLD_SESSION_KEY".into()),
    ];
    assert_eq!(gateway.session.keys, session_keys);
    let revalidation = gateway.session.revalidate.expect("it is configured");
    let minutes = |count: u64| Duration::from_secs(count * 60);
    assert_eq!((revalidation.interval, revalidation.unconfirmed), (minutes(15), minutes(60)));
    assert_eq!(gateway.aws.session_tags[1], ("cost-center".to_owned(), "0042".to_owned()));
    let host = AuthorizedHost { host: ".sagemaker.corp.example".to_owned(), port: None };
    assert_eq!(gateway.aws.authorized_url_hosts, [host]);
    let valkey = ValkeyConfig {
        url: SecretSource::Env("POSTERN_VALKEY_URL".into()),
        timeout: Duration::from_millis(250),
        when_away: WhenAway::Refuse,
        ca_certificate: Some("/run/tls/valkey-ca.crt".into()),
        insecure_plaintext: false,
    };
    assert_eq!(gateway.state, StateConfig::Valkey(valkey));
    assert_eq!(gateway.audit_file.as_deref(), Some(Path::new("/var/log/postern/audit.jsonl")));
    assert!(gateway.audit_facts);
    let names: Vec<&str> = policy.destinations.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["studio", "experiments", "tracking", "notebook", "comet"]);
    let (_, experiments) = &policy.destinations.0[1];
    assert_eq!(experiments.target.kind, Kind::MlflowTrackingServer);
    let expires_in = experiments.target.fields.find(EXPIRES_IN_SECONDS).unwrap();
    assert_eq!(expires_in.value, Written::Number(20));
    assert_eq!(tables["lookups/profiles.yaml"].lines().last(), Some("grace@corp.example: g-hopper"));
}

#[test]
fn the_demo_can_put_its_own_addresses_into_the_sandbox() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.yaml");
    let mut text = std::fs::read_to_string(path).unwrap();
    let replaced = [
        ("http://localhost:8080", "http://localhost:41000"),
        ("127.0.0.1:8080", "127.0.0.1:41000"),
        ("http://127.0.0.1:8481", "http://127.0.0.1:41001"),
        ("http://127.0.0.1:8482", "http://127.0.0.1:41002"),
        ("http://127.0.0.1:8483", "http://127.0.0.1:41003"),
        ("127.0.0.1:8484", "127.0.0.1:41004"),
        ("sandbox-client-secret", "/tmp/sandbox/client-secret"),
    ];
    for (from, to) in replaced {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    let gateway =
        load_text("sandbox.yaml", &text, Path::new("")).unwrap_or_else(|refusal| panic!("{refusal}")).gateway;
    let host = AuthorizedHost { host: "127.0.0.1".to_owned(), port: Some(41004) };
    assert_eq!(gateway.aws.authorized_url_hosts, [host]);
    let secret = SecretSource::File("/tmp/sandbox/client-secret".into());
    assert!(
        matches!(gateway.sign_in.unwrap().client_authentication, ClientAuthentication::Secret(found) if found == secret)
    );
}

#[test]
fn full_explains_every_key() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/full.yaml")).unwrap();
    let mut keys = BTreeSet::new();
    collect_keys(&schema(), &mut keys);
    let is_written = |key: &str| text.contains(&format!("{key}:"));
    let unexplained: Vec<&String> = keys.iter().filter(|key| !is_written(key)).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
}

fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(keywords) => {
            if let Some(Value::Object(properties)) = keywords.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            keywords.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

#[test]
fn the_schema_refuses_null_and_names_what_it_refers_to() {
    let schema = schema();
    let text = schema.to_string();
    assert!(!text.contains("null"), "{text}");
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(schema.pointer(pointer).is_some(), "{pointer}");
    }
    assert_eq!(schema["additionalProperties"], Value::Bool(false));
}

#[test]
fn texts_are_taken_as_written() {
    for text in ["no", "off", "0123", "1e3", "0x1F", "2026-11-20", "true", "1_000", "0o17", ".5"] {
        let yaml = changed("client_id: postern", &format!("client_id: {text}"));
        assert_eq!(accepted(&yaml).gateway.sign_in.unwrap().client_id, text);
        let yaml = changed("${profile_name(claims.sub)}", text);
        let studio = accepted(&yaml).policy.destinations.0[0].1.target.value.clone();
        assert_eq!(studio.fields.text(USER_PROFILE_NAME).unwrap().value, text);
    }
    let yaml = changed("timeout: 5s", "source_identity: off\n  session_policy: off");
    let aws = accepted(&yaml).gateway.aws;
    assert!(!aws.source_identity && !aws.scoped_session_policy);
}

#[test]
fn expressions_stand_where_the_file_has_them() {
    let loaded = accepted(LEGAL);
    let allow = loaded.policy.destinations.0[0].1.rules[0].allow.clone().unwrap();
    assert_eq!((allow.location.line, allow.location.column), (46, 37));
    assert_eq!(&loaded.source.text[allow.location.start..allow.location.end], "\"'ml-users' in groups\"");
}

#[test]
fn anchors_aliases_and_merge_keys_work() {
    let yaml = format!(
        "x-tests: &test {{claims: {{sub: u1}}, destination: studio}}\n{LEGAL}  - {{<<: *test, name: two, expect: {{rule: x}}}}\n"
    );
    let tests = accepted(&yaml).policy.tests;
    assert_eq!((tests[1].name.as_str(), tests[1].destination.as_str()), ("two", "studio"));
    let own_first = yaml.replace("name: two", "name: two, destination: other");
    assert_eq!(accepted(&own_first).policy.tests[1].destination.as_str(), "other");
    assert!(refused(&LEGAL.replace("limits:", "limits-x:"))[0].contains("unknown key"));
}

#[test]
fn e_mail_addresses_and_hosts_are_folded() {
    let yaml = changed("aliases: [ml.eu", "aliases: [ML.eu").replacen("[corp.example]", "[Corp.Example]", 1);
    let gateway = accepted(&yaml).gateway;
    assert_eq!(gateway.aliases, ["ml.eu.corp.example"]);
    assert_eq!(gateway.issuers[0].user_domains.as_deref(), Some(&["corp.example".to_owned()][..]));
}

#[test]
fn another_user_claim_needs_no_domains() {
    let yaml = changed(
        "    algorithms: [RS256]\n    user_domains: [corp.example]\n",
        "    algorithms: [EdDSA, Ed25519]\n    claims: {user: identity.sub}\n",
    );
    let issuer = &accepted(&yaml).gateway.issuers[0];
    assert_eq!(issuer.claims.user, [ClaimPath::from("identity.sub")]);
    assert_eq!(
        (issuer.user_domains.as_deref(), issuer.algorithms.as_slice()),
        (None, &[Algorithm::EdDsa; 2][..])
    );
}

#[test]
fn load_balancer_keys_stand_where_the_partition_has_them() {
    let regions = [
        (
            "aws-us-gov",
            "us-gov-west-1",
            "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1/",
        ),
        ("aws-cn", "cn-north-1", "https://public-keys.auth.elb.cn-north-1.amazonaws.com.cn/"),
    ];
    for (partition, region, url) in regions {
        let yaml = changed(
            "arn:aws:elasticloadbalancing:eu-west-1",
            &format!("arn:{partition}:elasticloadbalancing:{region}"),
        );
        let yaml = yaml.replace("region: eu-west-1\n    signer", &format!("region: {region}\n    signer"));
        assert!(
            matches!(&accepted(&yaml).gateway.issuers[1].keys, KeySource::PemPerKey(found) if found.as_str() == url)
        );
    }
    let yaml = changed(
        "client_id: ml-balancer",
        "client_id: ml-balancer\n    keys_url: https://mirror.example/keys",
    );
    let keys = accepted(&yaml).gateway.issuers[1].keys.clone();
    assert!(matches!(keys, KeySource::PemPerKey(found) if found.as_str() == "https://mirror.example/keys/"));
}

#[test]
fn relative_paths_start_at_the_configuration() {
    let sign_in = accepted(LEGAL).gateway.sign_in.unwrap();
    let secret = SecretSource::File("/etc/postern/oidc-client".into());
    assert!(matches!(sign_in.client_authentication, ClientAuthentication::Secret(found) if found == secret));
}

#[test]
fn the_digest_covers_the_lookup_files() {
    let directory = tempfile::tempdir().unwrap();
    let yaml = changed("destinations:\n", "lookups: {profiles: {file: profiles.yaml}}\ndestinations:\n");
    let digest = |table: &str| {
        std::fs::write(directory.path().join("profiles.yaml"), table).unwrap();
        load_text("postern.yaml", &yaml, directory.path()).unwrap().digest
    };
    let first = digest("a: b\n");
    assert_eq!((first.len(), first == digest("a: b\n"), first == digest("a: c\n")), (64, true, false));
    assert_ne!(accepted(LEGAL).digest, accepted(&format!("{LEGAL}\n")).digest);
}

#[test]
fn someone_must_be_able_to_prove_who_they_are() {
    let yaml = changed("credentials: [bearer, session, signed_header]\n", "");
    let start = yaml.find("sign_in:").unwrap();
    let end = yaml.find("aws:\n").unwrap();
    let yaml = format!("{}{}", &yaml[..start], &yaml[end..]).replace("    audience: [postern-api]\n", "");
    assert_eq!(
        refused(&yaml),
        [
            "7:3 credentials: nobody can prove who they are: there is no `sign_in`, no issuer has an `audience`, and `credentials` does not name `signed_header`"
        ]
    );
}

/// Four times, and never to the end of a lifetime.
#[test]
fn how_long_a_session_goes_on_unconfirmed_follows_how_often_it_is_confirmed() {
    for (written, seconds) in [
        ("revalidate: 15m", 3600),
        ("revalidate: 3h", 8 * 3600),
        ("revalidate: 15m\n  unconfirmed: 15m", 900),
        ("revalidate: 15m\n  unconfirmed: 8h", 8 * 3600),
    ] {
        let loaded = accepted(&changed("idle: 1h", written));
        let revalidation = loaded.gateway.session.revalidate.expect("it is configured");
        assert_eq!(revalidation.unconfirmed, Duration::from_secs(seconds), "{written}");
    }
}
