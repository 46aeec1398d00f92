//! The invariants of `src/lib.rs` that the compiler does not hold.

mod imports;
mod rooms;

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file below `src`, by its path there, without unit tests.
fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 40, "the sources were not found");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source file");
        let tests = ["\n#[cfg(test)]\nmod tests {", "\n#[cfg(test)]\nimpl "];
        let end = tests.iter().filter_map(|start| text.find(start)).min().unwrap_or(text.len());
        let text = text[..end].to_owned();
        (path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned(), text)
    };
    let is_tests = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
    files.into_iter().map(read).filter(|(file, _)| !is_tests(file)).collect()
}

/// The lines that are code, with their place.
fn code() -> impl Iterator<Item = (String, String)> {
    sources().into_iter().flat_map(|(file, text)| {
        let lines: Vec<_> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, line)| (format!("src/{file}:{}", index + 1), line.to_owned()))
            .collect();
        lines
    })
}

/// `word` stands only in files whose place begins with one of `places`.
#[track_caller]
fn known_only_to(word: &str, places: &[&str]) {
    let found: Vec<_> = code().filter(|(_, line)| line.contains(word)).map(|(place, _)| place).collect();
    assert!(!found.is_empty(), "`{word}` stands nowhere: this test has lost its object");
    let foreign: Vec<_> =
        found.iter().filter(|place| !places.iter().any(|allowed| place.starts_with(allowed))).collect();
    assert!(foreign.is_empty(), "`{word}` is known outside {places:?}: {foreign:#?}");
}

/// The log names the SDK's targets, to cap them.
#[test]
fn the_sdk_is_known_to_the_room_of_aws_alone() {
    for word in ["aws_sdk_", "aws_config", "aws_credential_types", "aws_smithy"] {
        known_only_to(word, &["src/aws/", "src/aws.rs", "src/telemetry.rs"]);
    }
}

#[test]
fn the_sdk_outputs_with_urls_stay_in_one_file() {
    known_only_to("output.authorized_url", &["src/aws/sagemaker.rs"]);
    known_only_to("output.url", &["src/aws/sagemaker.rs"]);
}

/// The room of AWS presigns what it is told to, so it is told by the one room that takes a grant.
#[test]
fn aws_is_asked_for_urls_by_presigning_alone() {
    known_only_to("presigned_url(", &["src/aws.rs", "src/aws/sagemaker.rs", "src/presign.rs"]);
}

#[test]
fn tokens_are_verified_in_tokens_alone() {
    // `provider/client.rs` signs with it: how this gateway authenticates to the token endpoint (RFC 7523).
    known_only_to("jsonwebtoken", &["src/tokens/", "src/provider/client.rs", "src/sandbox/"]);
}

#[test]
fn time_is_asked_in_one_file() {
    known_only_to("SystemTime::now", &["src/clock.rs"]);
}

#[test]
fn only_the_policy_makes_a_grant() {
    known_only_to("Grant::new(", &["src/policy.rs", "src/policy/"]);
    let (_, grant) = sources().into_iter().find(|(file, _)| file == "policy/grant.rs").expect("grant.rs");
    assert!(grant.contains("pub(super) fn new("), "the constructor is private to the policy");
    let fields =
        grant.split("pub struct Grant {").nth(1).and_then(|rest| rest.split('}').next()).expect("the fields");
    assert!(!fields.contains("pub"), "no field of a grant is public: {fields}");
    assert_eq!(grant.matches("Self { principal").count(), 1, "a grant is written down in one place");
}

#[test]
fn presigning_takes_a_grant_and_nothing_less() {
    let (_, presign) = sources().into_iter().find(|(file, _)| file == "presign.rs").expect("presign.rs");
    for door in ["pub async fn presign(", "pub fn prewarm(", "pub async fn describe("] {
        let parameters =
            presign.split(door).nth(1).and_then(|rest| rest.split(')').next()).expect("the function");
        assert!(parameters.contains("grant: &Grant") || parameters.contains("grant: Grant"), "{parameters}");
        assert!(!parameters.contains("Mint"), "{parameters}");
    }
}

/// What is no grant may be minted by way of trial, and then nothing comes out but that it can be done.
#[test]
fn a_rehearsed_url_ends_where_it_was_minted() {
    let (_, text) =
        sources().into_iter().find(|(file, _)| file == "presign/examination.rs").expect("examination.rs");
    let signature = text.split("pub async fn rehearse(").nth(1).and_then(|rest| rest.split('{').next());
    assert!(signature.expect("the function").contains("-> Result<MintFacts, PresignError>"));
    let facts = sources().into_iter().find(|(file, _)| file == "presign/presigned.rs").expect("facts").1;
    let facts =
        facts.split("pub struct MintFacts {").nth(1).and_then(|rest| rest.split('}').next()).expect("facts");
    assert!(!facts.contains("Url"), "{facts}");
    known_only_to(".rehearse(", &["src/doctor/"]);
}

#[test]
fn an_authorized_url_cannot_be_shown() {
    let (_, text) = sources()
        .into_iter()
        .find(|(file, _)| file == "presign/authorized_url.rs")
        .expect("authorized_url.rs");
    let declaration = text.split("pub struct AuthorizedUrl").next().expect("the declaration");
    let last_lines: Vec<_> = declaration.lines().rev().take(3).collect();
    assert!(!last_lines.join("\n").contains("derive"), "nothing is derived: {last_lines:?}");
    assert!(!text.contains("Display for AuthorizedUrl"));
    assert!(!text.contains("Clone for AuthorizedUrl"));
    assert!(!text.contains("Serialize for") && !text.contains("derive(Serialize"));
    for way_out in ["fn into_location(self)", "fn into_api_answer(self)"] {
        assert!(text.contains(way_out), "{way_out} consumes the URL");
    }
}

#[test]
fn deciding_is_pure() {
    for (place, line) in code().filter(|(place, _)| place.starts_with("src/policy")) {
        for word in ["async ", ".await", "tokio", "hyper", "std::net::Tcp", "Clock", "rand::"] {
            assert!(!line.contains(word), "{place}: `{word}` has no place in a pure decision");
        }
    }
    known_only_to(
        "fs::read",
        &[
            "src/config",
            "src/policy/lookup.rs",
            "src/provider/issuer.rs",
            "src/cli/",
            "src/state/",
            "src/server/tls.rs",
        ],
    );
}

#[test]
fn standard_streams_are_written_by_the_command_line_and_the_audit_trail_alone() {
    known_only_to("stdout()", &["src/cli"]);
    known_only_to("stderr", &["src/cli", "src/telemetry.rs"]);
}

#[test]
fn files_stay_readable() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 400, "src/{file} has {lines} lines: would a reader know where to look?");
    }
}

#[test]
fn names_say_something() {
    for (file, _) in sources() {
        for word in ["utils", "common", "helpers", "types", "manager", "misc"] {
            assert!(!file.contains(word), "src/{file}: `{word}` tells nothing");
        }
    }
}
