//! The pages in Markdown: links lead somewhere, configurations pass their check, and commands are run or say that they are not.

use crate::support::postern::BINARY;
use crate::support::program::Process;
use crate::support::visitor::Visitor;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use url::Url;

const README: &str = "README.md";
/// Says in a command's comment that no test runs it.
const NOT_RUN: &str = "not run here";

/// Commands that another test or script runs: the command, the file, and the text there that runs it.
const RUN_ELSEWHERE: &[(&str, &str, &str)] = &[
    ("cargo run -- demo", "tests/it/documentation.rs", "\"demo\", \"--port\", \"0\""),
    ("cargo test", "tests/run", "cargo test"),
    ("tests/run", ".ci/run", "tests/run"),
    ("postern doctor --config postern.yaml --as ada.json", "tests/it/doctor.rs", "\"doctor\""),
    ("postern serve --config postern.yaml", "tests/it/support/postern.rs", "\"serve\""),
    (
        "sed \"s/'contractors' in groups/'ml-risk' in groups/\" config/sandbox.yaml > new.yaml",
        "tests/it/diff.rs",
        "config/sandbox.yaml > new.yaml",
    ),
    (
        "cargo run -- diff --config new.yaml --people demo.jsonl --names",
        "tests/it/diff.rs",
        "\"--people\", \"demo.jsonl\", \"--names\"",
    ),
    ("deploy/container/build postern dev", "tests/run", "deploy/container/build postern dev"),
    ("haproxy -c -f deploy/haproxy/haproxy.cfg", "tests/it/deploy/balanced.rs", "&[\"-c\", \"-dW\", \"-f\"]"),
    ("nginx -t -c deploy/nginx/nginx.conf", "tests/it/deploy/balanced.rs", "\"-t\", \"-c\""),
    (
        "promtool check rules deploy/prometheus/postern.rules.yaml",
        "tests/it/observing.rs",
        "\"check\", \"rules\"",
    ),
    ("tests/bench/run --check", "tests/it/speed.rs", "\"--check\""),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every page, by its path in the repository.
fn pages() -> Vec<PathBuf> {
    fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                into.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    let mut pages = vec![PathBuf::from(README)];
    for folder in ["config", "deploy", "src", "tests"] {
        collect(&root().join(folder), &mut pages);
    }
    assert!(pages.len() >= 6, "{pages:?}");
    pages
}

/// The blocks between fences of this language.
fn fenced<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("\n```{language}\n");
    page.split(opening.as_str()).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(|&c| kept(c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    let mut in_fence = false;
    let mut anchors = BTreeSet::new();
    for line in page.lines() {
        in_fence ^= line.starts_with("```");
        if let (false, Some(heading)) = (in_fence, line.strip_prefix('#')) {
            anchors.insert(anchor(heading.trim_start_matches('#').trim()));
        }
    }
    anchors
}

#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for page in pages() {
        let text = read(&page);
        let folder = root().join(page.parent().unwrap());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(&page) } else { folder.join(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            let found = fragment.is_empty() || anchors(&read(&target)).contains(fragment);
            assert!(found, "{}: {link}: there is no such heading", page.display());
            followed += 1;
        }
    }
    assert!(followed > 30, "{followed}");
}

#[test]
fn the_readme_stays_short() {
    assert!(read(README).lines().count() <= 160);
}

/// People copy them. A fragment without `public_url` takes the place of its top-level keys in `minimal.yaml`.
#[test]
fn configurations_pass_their_check() {
    let mut whole = 0;
    for page in pages() {
        for fragment in fenced(&read(&page), "yaml") {
            let folder = tempfile::tempdir().unwrap();
            let is_whole = fragment.contains("public_url:");
            let text = if is_whole { fragment.to_owned() } else { grafted(fragment) };
            fs::write(folder.path().join("postern.yaml"), &text).unwrap();
            let checked = run("postern check --config postern.yaml", folder.path());
            let said = told(&checked);
            assert!(checked.status.success(), "{}: {fragment}\n{said}", page.display());
            if is_whole {
                whole += 1;
                assert!(said.contains("tests: 1 of 1 passed"), "{}: {said}", page.display());
            }
        }
    }
    assert!(whole >= 2, "{whole}");
}

fn grafted(fragment: &str) -> String {
    let key = |line: &str| line.split_once(':').map(|(key, _)| key.to_owned());
    let top = |line: &str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let replaced: BTreeSet<_> = fragment.lines().filter(|line| top(line)).map(key).collect();
    let (mut text, mut kept) = (String::new(), true);
    for line in read("config/minimal.yaml").lines() {
        if top(line) {
            kept = !replaced.contains(&key(line));
        }
        if kept {
            text.push_str(line);
            text.push('\n');
        }
    }
    text + fragment + "\n"
}

/// In the order of the page, in one folder that holds the README's configuration.
#[test]
fn commands_are_run_or_say_that_they_are_not() {
    let readme = read(README);
    let configuration = fenced(&readme, "yaml").remove(0);
    let (mut ran, mut used) = (0, BTreeSet::new());
    for page in pages() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("postern.yaml"), configuration).unwrap();
        for line in fenced(&read(&page), "sh").into_iter().flat_map(str::lines) {
            let (command, comment) = line.split_once("  #").unwrap_or((line, ""));
            let command = command.trim();
            if comment.contains(NOT_RUN) {
                continue;
            }
            if let Some((listed, file, how)) = RUN_ELSEWHERE.iter().find(|(listed, ..)| *listed == command) {
                assert!(read(file).contains(how), "{file} no longer runs `{command}`");
                used.insert(listed);
                continue;
            }
            let output = run(command, folder.path());
            assert!(output.status.success(), "{}: `{command}`: {}", page.display(), told(&output));
            ran += 1;
        }
    }
    assert!(ran >= 10, "{ran}");
    let stale: Vec<_> = RUN_ELSEWHERE.iter().filter(|(listed, ..)| !used.contains(listed)).collect();
    assert!(stale.is_empty(), "no page names these any more: {stale:?}");
}

#[test]
fn commands_that_are_named_exist() {
    let mut named = BTreeSet::new();
    for page in pages() {
        let text = read(&page);
        let words = text.split("`postern ").skip(1).filter_map(|rest| rest.split([' ', '`', '\n']).next());
        named.extend(words.map(str::to_owned));
    }
    assert!(named.len() >= 8, "{named:?}");
    for name in named {
        let output = Command::new(BINARY).args([&name, "--help"]).output().unwrap();
        assert!(output.status.success(), "`postern {name}`: {}", told(&output));
    }
}

/// Files move; the page that says which ones a new field or key touches must follow.
#[test]
fn files_that_the_tests_page_names_exist() {
    let page = read("tests/README.md");
    let mut found = 0;
    // Between backquotes is every other part.
    for name in
        page.split('`').skip(1).step_by(2).filter(|name| name.contains('/') && !name.contains([' ', '*']))
    {
        let Some(folder) = name.split('/').next() else { continue };
        let path = match folder {
            "it" | "browser" | "fuzz" | "peers" | "bench" => root().join("tests").join(name),
            "src" | "config" | "deploy" | "tests" => root().join(name),
            _ => continue,
        };
        assert!(path.exists(), "tests/README.md names {name}, which is not there");
        found += 1;
    }
    assert!(found > 30, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_answers() {
    let demo = Process::start(BINARY, &["demo", "--port", "0"], &[], |said| said.contains("Open http"))
        .unwrap_or_else(|said| panic!("{said}"));
    let said = demo.printed();
    let studio = said.split("Open ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let asked = Visitor::person().get(&Url::parse(studio).unwrap()).await;
    assert_eq!(asked.status, 302);
    assert!(asked.location().contains("response_type=code"), "{}", asked.location());
}

fn run(command: &str, folder: &Path) -> Output {
    let programs = Path::new(BINARY).parent().unwrap().to_string_lossy().into_owned();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    Command::new("sh")
        .args(["-ec", command])
        .current_dir(folder)
        .env("PATH", path)
        .env("CLIENT_SECRET", "a-secret-of-the-provider")
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
