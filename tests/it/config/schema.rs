//! The JSON Schema that editors show: it describes every key, and refuses nothing that loads.

use super::LEGAL;
use postern::config::{load_text, schema};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Each key of each definition, with what the schema says of it; references are followed.
fn properties() -> Vec<(String, Value)> {
    fn collect(schema: &Value, at: &str, root: &Value, found: &mut Vec<(String, Value)>) {
        match schema {
            Value::Object(keywords) => {
                for (keyword, value) in keywords {
                    match (keyword.as_str(), value) {
                        ("properties", Value::Object(properties)) => {
                            for (key, property) in properties {
                                let path = format!("{at}.{key}");
                                let mut described = resolved(property, root);
                                // A choice of one key is described where the choice is.
                                if let (1, Some(description)) =
                                    (properties.len(), keywords.get("description"))
                                {
                                    described
                                        .as_object_mut()
                                        .unwrap()
                                        .entry("description")
                                        .or_insert(description.clone());
                                }
                                found.push((path.clone(), described));
                                collect(property, &path, root, found);
                            }
                        }
                        ("$defs", Value::Object(definitions)) => {
                            definitions.iter().for_each(|(name, schema)| collect(schema, name, root, found));
                        }
                        _ => collect(value, at, root, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, at, root, found)),
            _ => {}
        }
    }
    let (root, mut found) = (schema(), Vec::new());
    collect(&root, "", &root, &mut found);
    found
}

/// The definition that `$ref` points to, together with the keywords beside the reference.
fn resolved(property: &Value, root: &Value) -> Value {
    let mut keywords: Map<String, Value> = Map::new();
    if let Some(pointer) = property["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        keywords.extend(root.pointer(pointer).unwrap().as_object().unwrap().clone());
    }
    keywords.extend(property.as_object().unwrap().clone());
    Value::Object(keywords)
}

#[test]
fn every_key_has_a_description() {
    let properties = properties();
    assert!(properties.len() > 150, "{}", properties.len());
    let is_described = |schema: &Value| schema["description"].as_str().is_some_and(|text| text.len() > 10);
    let silent: Vec<&String> =
        properties.iter().filter(|(_, schema)| !is_described(schema)).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// A description that names a unit in its bounds, and a key that is called a URL or a host, each have a pattern.
#[test]
fn every_time_size_url_and_host_has_its_pattern() {
    let texts = || {
        properties().into_iter().filter(|(_, schema)| schema["type"] == "string" || schema["type"] == "array")
    };
    let has_pattern =
        |schema: &Value| schema["pattern"].is_string() || schema["items"]["pattern"].is_string();
    let by_description = Regex::new(r"`\d+(ms|s|m|h|d|KiB|MiB)`").unwrap();
    let by_name =
        Regex::new(r"(_url|_uri|\.url|_hosts|_domains|aliases|address|region|proxies|realm|client_ip)$")
            .unwrap();
    // Templates, and what a secret refers to.
    let is_exempt = |path: &str| {
        ["landing_uri", "Set.region", "Set.role_arn", "Expect.region", "Destination.region", "Valkey.url"]
            .iter()
            .any(|exempt| path.ends_with(exempt))
    };
    let mut seen = 0;
    for (path, schema) in texts() {
        let description = schema["description"].as_str().unwrap_or_default();
        if by_description.is_match(description) || (by_name.is_match(&path) && !is_exempt(&path)) {
            seen += 1;
            assert!(has_pattern(&schema), "{path} has no pattern");
        }
    }
    assert!(seen >= 40, "{seen}");
}

/// For each definition of the schema, the place in [`LEGAL`] that uses it and the keys that have to stand beside it.
const USED: [(&str, &str); 20] = [
    ("", ""),
    ("Listen", "/listen"),
    ("Admin", "/admin"),
    ("Issuer", "/issuers/corp"),
    ("Programs", "/issuers/corp/programs"),
    ("SignIn", "/sign_in"),
    ("SecretReference", "/sign_in/client_secret"),
    ("Session", "/session"),
    ("Tokens", "/tokens"),
    ("Aws", "/aws"),
    ("Limits", "/limits"),
    ("Deadlines", "/limits/deadlines"),
    ("Drain", "/drain"),
    ("Valkey", "/state/valkey"),
    ("Branding", "/branding"),
    ("SupportContact", "/branding/support_contact"),
    ("Destination", "/destinations/studio"),
    ("Test", "/tests/0"),
    ("TrackingServer", "/mlflow_tracking_servers/one"),
    ("MlflowApp", "/mlflow_apps/one"),
];

/// Keys of load balancers.
const OF_BALANCERS: [&str; 4] = ["region", "signer", "client_id", "keys_url"];

/// Judged by the compiler of the policy, which is not asked here.
const OF_POLICY: [&str; 5] = [
    "Destination.endpoint_url",
    "Api.endpoint_url",
    "Api.s3_endpoint_url",
    "Api.body_size",
    "Test.client_ip",
];

const TEXTS: [&str; 62] = [
    "x",
    "a b",
    " x",
    "x\n",
    "*",
    "${X}",
    "0",
    "1",
    "5",
    "5s",
    "1m",
    "1h",
    "20ms",
    "1h 30m",
    "1h30m",
    " 2m ",
    "2 m",
    "1.5h",
    "-1s",
    "5S",
    "8KiB",
    "64 KiB",
    "+8KiB",
    "8kib",
    "1MiB",
    "64KB",
    "https://corp.example",
    "https://corp.example/",
    "https://corp.example/.",
    "https://corp.example//",
    "https://corp.example/x?y",
    "https://corp.example/x#y",
    "https://u:p@corp.example/",
    "HTTPS://corp.example",
    "http://localhost:1",
    "https:corp.example",
    "ftp://corp.example",
    "https://münchen.example",
    "corp.example",
    "corp.example.",
    ".corp.example",
    "corp_x.example",
    "corp.example:8443",
    "127.0.0.1",
    "127.0.0.1:1",
    "[::1]:1",
    "[fe80::1%3]:1",
    "::1",
    "[::1]",
    "10.0.0.0/8",
    "10.0.0.0/33",
    "2001:db8::/32",
    "ada@corp.example",
    "eu-west-1",
    "eu-west-1a",
    "RS256",
    "Ed25519",
    "HS256",
    "arn:aws:iam::111122223333:role/x",
    "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/ml/50dc6c495c0c9188",
    "s3://bucket/prefix",
    "Tue:03:30",
];

const MORE_TEXTS: [&str; 8] =
    ["tue:24:00", "111122223333", "3.0", "3", "#0b5cad", "#0b5ca", "d-abcdefghijkl", "alias/key"];

/// A configuration in which every definition is used.
fn base() -> Value {
    let mut base: Value = serde_saphyr::from_str(LEGAL).unwrap();
    base["issuers"]["corp"]["programs"] = json!({"claim": "azp", "user": "azp", "realm": "jobs"});
    base["issuers"]["balancer"].as_object_mut().unwrap().remove("realm");
    base["limits"]["deadlines"] = json!({});
    base["drain"] = json!({});
    base["tokens"] = json!({});
    base["branding"] = json!({"support_contact": {"name": "ML platform"}});
    base["session"]["revalidate"] = json!("1m");
    let role = "arn:aws:iam::111122223333:role/mlflow";
    base["mlflow_tracking_servers"] = json!({"one": {"artifact_store_uri": "s3://one/x", "role_arn": role}});
    base["mlflow_apps"] = json!({"one": {"artifact_store_uri": "s3://two/x", "role_arn": role}});
    base
}

/// A key whose texts have a pattern.
struct Patterned {
    path: String,
    is_list: bool,
    pattern: Regex,
    /// The path of the key in [`base`].
    place: &'static str,
    key: String,
}

impl Patterned {
    fn all() -> Vec<Self> {
        let with_pattern = |(path, schema): (String, Value)| {
            let is_list = schema["items"]["pattern"].is_string();
            let pattern = if is_list { &schema["items"]["pattern"] } else { &schema["pattern"] };
            let pattern = Regex::new(pattern.as_str()?).unwrap();
            let (definition, key) = path.rsplit_once('.').unwrap();
            if OF_POLICY.contains(&path.as_str()) {
                return None;
            }
            let used = USED.iter().find(|(used, _)| *used == definition);
            let place = used.unwrap_or_else(|| panic!("{path}: where is it used?")).1;
            let is_of_balancer = definition == "Issuer" && OF_BALANCERS.contains(&key);
            let place = if is_of_balancer { "/issuers/balancer" } else { place };
            let key = key.to_owned();
            Some(Self { path, is_list, pattern, place, key })
        };
        properties().into_iter().filter_map(with_pattern).collect()
    }

    fn put(&self, text: &str, configuration: &mut Value) {
        let value = if self.is_list { json!([text]) } else { json!(text) };
        let holder = configuration.pointer_mut(self.place).unwrap_or_else(|| panic!("{}", self.place));
        if self.path.starts_with("SecretReference") {
            *holder = json!({&self.key: value});
        } else {
            holder[&self.key] = value;
        }
    }

    /// Whether a finding is about it.
    fn is_told(&self, findings: &[String]) -> bool {
        let place = self.place.trim_start_matches('/').replace('/', ".");
        let path = if place.is_empty() { self.key.clone() } else { format!("{place}.{}", self.key) };
        findings.iter().any(|finding| finding.starts_with(&path))
    }
}

/// The paths of what loading finds.
fn findings(configuration: &Value) -> Vec<String> {
    let loaded = load_text("postern.json", &configuration.to_string(), Path::new("/etc/postern"));
    let findings = loaded.err().map(|refusal| refusal.findings).unwrap_or_default();
    findings.into_iter().map(|finding| finding.path).collect()
}

/// All keys get the text at one time. What is not told of one, because another one is wrong, is tried alone.
#[test]
fn what_a_pattern_refuses_does_not_load() {
    let (base, keys) = (base(), Patterned::all());
    assert_eq!(findings(&base), [""; 0]);
    assert!(keys.len() > 55, "{}", keys.len());
    let mut refused = 0;
    for text in TEXTS.into_iter().chain(MORE_TEXTS) {
        let wrong: Vec<&Patterned> = keys.iter().filter(|key| !key.pattern.is_match(text)).collect();
        let mut all = base.clone();
        wrong.iter().for_each(|key| key.put(text, &mut all));
        let told = findings(&all);
        refused += wrong.len();
        for key in wrong.iter().filter(|key| !key.is_told(&told)) {
            let mut alone = base.clone();
            key.put(text, &mut alone);
            assert!(!findings(&alone).is_empty(), "{}: the schema refuses {text:?}, and it loads", key.path);
        }
    }
    assert!(refused > 2000, "{refused}");
}

/// Each pattern takes what the documentation shows: no pattern is one that takes nothing.
#[test]
fn every_pattern_takes_something() {
    for (path, schema) in properties() {
        let pattern = schema["pattern"].as_str().or(schema["items"]["pattern"].as_str());
        let Some(pattern) = pattern.map(|pattern| Regex::new(pattern).unwrap()) else { continue };
        let mut texts = TEXTS.into_iter().chain(MORE_TEXTS);
        assert!(texts.any(|text| pattern.is_match(text)), "{path} takes nothing");
    }
}
