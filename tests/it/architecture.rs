//! The invariants of `src/lib.rs`: what the compiler holds (`compile_fail`), the walls between rooms (`rooms`), and the rest.

mod compile_fail;
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
/// `word` stands once, in the file `place`.
#[track_caller]
fn known_once(word: &str, place: &str) {
    let found: Vec<_> = code().filter(|(_, line)| line.contains(word)).map(|(place, _)| place).collect();
    assert!(matches!(&found[..], [one] if one.starts_with(place)), "`{word}` stands in {found:#?}");
}

#[test]
fn the_sdk_is_known_to_the_room_of_aws_alone() {
    for word in ["aws_sdk_", "aws_config", "aws_credential_types", "aws_sigv4", "aws_smithy"] {
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

/// The room of AWS signs what it is told to, so it is told by the one room that forwards for a grant.
#[test]
fn calls_to_mlflow_are_signed_for_its_room_alone() {
    known_only_to("sign_call(", &["src/aws/call.rs", "src/mlflow/exchange.rs"]);
    known_only_to("StreamingClient", &["src/http_client", "src/mlflow.rs"]);
}

/// Requests to an artifact store are signed for the one room that takes a grant and judges paths. No request is presigned.
#[test]
fn stores_are_asked_for_the_room_of_mlflow_alone() {
    known_only_to("sign_for_store(", &["src/aws/artifacts.rs", "src/mlflow/artifacts"]);
    known_only_to("ArtifactPath::new(", &["src/mlflow/"]);
    known_only_to(".try_store(", &["src/doctor/"]);
    known_only_to(".try_api(", &["src/doctor/"]);
    for (place, line) in code() {
        assert!(
            !line.contains("SignatureLocation"),
            "{place}: a signature in a URL works for whoever reads it"
        );
    }
}

/// The room of AWS starts and creates what it is told to, so it is told by the one room that takes grants for that.
#[test]
fn targets_are_started_and_created_for_their_room_alone() {
    known_only_to(".start_session(", &["src/wake.rs"]);
    known_only_to(".creation_session(", &["src/wake.rs"]);
    known_only_to("StartGrant::new(", &["src/policy/start.rs"]);
}

/// `PublicKey::proves` asks AWS-LC, and one place asks it. `jsonwebtoken` reads PEM there; elsewhere it only signs.
#[test]
fn one_function_proves_signatures() {
    known_only_to("aws_lc_rs::signature", &["src/tokens/public_key.rs", "src/sandbox/keys.rs"]);
    known_once(".verify_sig(", "src/tokens/public_key.rs");
    known_once(".proves(", "src/tokens/jwks.rs");
    known_once("SignedToken {", "src/tokens/jwks.rs");
    // `provider/client.rs` signs: how this gateway authenticates to the token endpoint (RFC 7523).
    known_only_to("jsonwebtoken", &["src/tokens/jwks.rs", "src/provider/client.rs", "src/sandbox/"]);
    known_only_to("DecodingKey", &["src/tokens/jwks.rs", "src/sandbox/"]);
    for (place, line) in code() {
        for word in ["jsonwebtoken::decode", "jsonwebtoken::crypto", "jsonwebtoken::dangerous"] {
            assert!(!line.contains(word), "{place}: `{word}` is another way to believe a token");
        }
    }
}

/// Claims are checked by one function, of a token that a key of its issuer proved.
#[test]
fn one_function_checks_claims() {
    known_once("Ok(Claims {", "src/tokens/claims.rs");
    known_only_to("claims::check(", &["src/provider/issuer.rs"]);
}

#[test]
fn time_is_asked_in_one_file() {
    known_only_to("SystemTime::now", &["src/clock.rs"]);
}

/// What outsiders cannot do is held by `compile_fail`; this holds who is inside.
#[test]
fn only_the_policy_makes_a_grant() {
    let (_, grant) = sources().into_iter().find(|(file, _)| file == "policy/grant.rs").expect("grant.rs");
    assert!(grant.contains("pub(super) fn new("), "the constructor is private to the policy");
    let fields =
        grant.split("pub struct Grant {").nth(1).and_then(|rest| rest.split('}').next()).expect("the fields");
    assert!(!fields.contains("pub"), "no field of a grant is public: {fields}");
    assert_eq!(grant.matches("Self { principal").count(), 1, "a grant is written down in one place");
}

/// What is no grant may be minted by way of trial, by the doctor.
#[test]
fn rehearsing_is_for_the_doctor() {
    known_only_to(".rehearse(", &["src/doctor/"]);
}

/// What outsiders cannot do is held by `compile_fail`; this holds that the room's own functions consume the URL, and that
/// nothing serializes it.
#[test]
fn an_authorized_url_is_only_consumed() {
    let (_, text) = sources()
        .into_iter()
        .find(|(file, _)| file == "presign/authorized_url.rs")
        .expect("authorized_url.rs");
    let declaration = text.split("pub struct AuthorizedUrl").next().expect("the declaration");
    let last_lines: Vec<_> = declaration.lines().rev().take(3).collect();
    assert!(!last_lines.join("\n").contains("derive"), "nothing is derived: {last_lines:?}");
    assert!(text.contains("pub struct AuthorizedUrl(Zeroizing<String>);"), "its text is private to the file");
    assert!(!text.contains("Serialize for") && !text.contains("derive(Serialize"));
    let functions = text.split("impl AuthorizedUrl {").nth(1).and_then(|rest| rest.split("\n}").next());
    let functions = functions.expect("its functions");
    for way_out in ["fn into_location(self)", "fn into_api_answer(self)"] {
        assert!(functions.contains(way_out), "{way_out} consumes the URL");
    }
    assert!(!["(&self)", "(&self,", "(&mut self"].iter().any(|by| functions.contains(by)), "{functions}");
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
    // The browser of a terminal gets none.
    known_only_to("stderr", &["src/cli", "src/telemetry.rs", "src/terminal/browser.rs"]);
}

/// The commands for people at a terminal are a gateway's client: they see nothing of a gateway's configuration or secrets.
#[test]
fn a_terminal_knows_nothing_of_a_server() {
    let allowed = ["terminal", "http_client", "clock", "secret", "digest"];
    let mut seen = 0;
    for (place, line) in code().filter(|(place, _)| place.starts_with("src/terminal")) {
        for room in line.split("crate::").skip(1) {
            let room = room.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap();
            assert!(allowed.contains(&room), "{place}: a terminal has no business with `{room}`");
            seen += 1;
        }
    }
    assert!(seen > 5, "this test has lost its object");
}

/// A run token gives what the rules give, and never more: a grant is narrowed, in one place.
#[test]
fn a_run_token_only_narrows() {
    known_once(".narrowed(", "src/gateway/call.rs");
    known_only_to("fn narrowed(", &["src/policy/grant.rs"]);
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
