//! Files that mean harm, or come from a broken editor: an error or a complete load, soon, and never a panic.

use super::{LEGAL, changed, refused};
use postern::config::{load, load_text};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Generous for an unoptimised build on a busy machine; what is not bounded takes minutes.
const SOON: Duration = Duration::from_secs(5);

/// The legal configuration with something put before it.
fn with(prefix: &str) -> String {
    format!("{prefix}\n{LEGAL}")
}

/// The first line of the first finding.
fn soon_refused(yaml: &str) -> String {
    let start = Instant::now();
    let findings = refused(yaml);
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    findings.into_iter().next().expect("a refusal says why")
}

fn loads(yaml: &str) {
    load_text("postern.yaml", yaml, Path::new("")).unwrap_or_else(|refusal| panic!("{refusal}"));
}

/// Loads the bytes from a file, and says the first finding's message.
fn file_refused(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("postern.yaml");
    File::create(&path).unwrap().write_all(bytes).unwrap();
    load(&path).expect_err("this must be refused").findings.remove(0).message
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = "x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("x-{level}: &a{level} [{items}]\n"));
    }
    let refusal = soon_refused(&with(&bomb));
    assert_eq!(refusal, "5:46 x-4[7]: more than 100000 values, with aliases written out");
}

#[test]
fn a_bomb_of_merge_keys_is_refused() {
    let keys: String = (0..1000).map(|key| format!("k{key}: 1, ")).collect();
    let maps = "- {<<: *wide}\n".repeat(50_000);
    let refusal = soon_refused(&with(&format!("x-wide: &wide {{{keys}}}\nx-maps:\n{maps}")));
    assert!(refusal.ends_with("more than 100000 values, with aliases written out"), "{refusal}");
}

#[test]
fn a_bomb_of_one_long_text_is_refused() {
    let text = "a".repeat(1_000_000);
    let items = vec!["*long"; 10_000].join(", ");
    let refusal = soon_refused(&with(&format!("x-long: &long {text}\nx-all: [{items}]")));
    assert!(refusal.ends_with("more than 100000 values, with aliases written out"), "{refusal}");
}

#[test]
fn an_alias_inside_of_what_it_names_is_refused() {
    assert_eq!(soon_refused(&with("x-a: &a [*a]")), "1:10 x-a[0]: this alias stands inside of what it names");
}

#[test]
fn an_alias_of_nothing_is_refused() {
    let refusal = soon_refused(&with("x-a: *nothing"));
    assert!(refusal.starts_with("1:6 : not YAML: "), "{refusal}");
}

#[test]
fn deep_nesting_is_refused() {
    let flow = format!("x-a: {}{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(soon_refused(&with(&flow)), "1:261 : not YAML: recursion limit exceeded");
    let maps = format!("x-a: {}1{}", "{a: ".repeat(5000), "}".repeat(5000));
    assert_eq!(soon_refused(&with(&maps)), "1:194 : lists and maps are nested deeper than 48 levels");
    let block: String = (0..5000).map(|depth| format!("{}a:\n", " ".repeat(depth % 1500))).collect();
    soon_refused(&with(&format!("x-a:\n{block}")));
    soon_refused(&with(&format!("x-a: {}", "- ".repeat(5000))));
    soon_refused(&with(&format!("x-a: {}", "? ".repeat(5000))));
}

#[test]
fn many_errors_are_refused_soon() {
    let unknown: String = (0..40_000).map(|key| format!("isuers{key}: 1\n")).collect();
    let start = Instant::now();
    assert_eq!(refused(&with(&unknown)).len(), 200);
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    let twice = "aliases: []\n".repeat(40_000);
    let start = Instant::now();
    let refusal = load_text("postern.yaml", &with(&twice), Path::new("")).unwrap_err().to_string();
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    assert!(refusal.ends_with("40000 errors in postern.yaml, the first 50 are shown"), "{refusal}");
}

#[test]
fn nul_is_refused() {
    assert_eq!(
        soon_refused(&changed("Studio", "Stu\0dio")),
        "0:0 : the file holds a NUL character, at byte 1082"
    );
}

#[test]
fn other_control_characters_are_refused() {
    soon_refused(&changed("Studio", "Stu\u{1}dio"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    loads(&format!("\u{feff}{LEGAL}"));
    let refusal = soon_refused(&format!("\u{feff}{}", changed("public_url", "public_uri")));
    assert!(refusal.starts_with("1:1 public_uri: unknown key"), "{refusal}");
}

#[test]
fn carriage_returns_end_lines() {
    loads(&LEGAL.replace('\n', "\r\n"));
    let refusal =
        load_text("postern.yaml", &changed("8h", "8").replace('\n', "\r\n"), Path::new("")).unwrap_err();
    assert!(refusal.to_string().contains("27 |   lifetime: 8\n   |             ^\n"), "{refusal}");
}

#[test]
fn tabs_do_not_indent() {
    let refusal = soon_refused(&changed("    title: Studio", "\ttitle: Studio"));
    assert!(refusal.contains("not YAML"), "{refusal}");
}

#[test]
fn utf_16_is_refused() {
    let little: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(LEGAL.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(file_refused(&little), "the file is not UTF-8 text, from line 1, column 1 on");
    let bare: Vec<u8> = LEGAL.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(file_refused(&bare), "the file holds a NUL character, at byte 0");
}

#[test]
fn what_is_not_utf_8_is_found() {
    assert_eq!(
        file_refused(b"a: \xc3\xa4\nb: \xc3\xa4 \xe4\n"),
        "the file is not UTF-8 text, from line 2, column 6 on"
    );
}

#[test]
fn what_was_probably_meant_is_said() {
    let help = |from, to| soon_refused(&changed(from, to)).split_once(" | ").map(|(_, help)| help.to_owned());
    let template = help("{rule: everyone}", "{rule: everyone, user_profile_name: ${user}}");
    assert_eq!(template.as_deref(), Some("inside `{…}` a template needs quotes: \"${…}\""));
    let comment = "what stands behind ` #` is a comment; a text with that in it needs quotes";
    assert_eq!(help("{team: ml}", "{team: #ml}").as_deref(), Some(comment));
    assert_eq!(help("{team: ml}", "{team: ml"), None);
}

#[test]
fn only_maps_are_merged() {
    for value in ["5", "[5]", "*five"] {
        let refusal = refused(&with(&format!("x-a: &five 5\nx-b: {{x: 1, <<: {value}}}")));
        assert!(
            refusal.contains(&"2:17 x-b.<<: `<<` takes a map or a list of maps".to_owned()),
            "{refusal:?}"
        );
    }
}

#[test]
fn a_second_document_is_refused() {
    let refusal = soon_refused(&format!("{LEGAL}---\n{LEGAL}"));
    assert_eq!(refusal, "53:1 : a second document; a configuration is one document");
    loads(&format!("---\n{LEGAL}...\n"));
}

#[test]
fn tags_are_refused() {
    for tag in ["!!str", "!!binary", "!secret", "!", "!<tag:yaml.org,2002:python/object>"] {
        let refusal = soon_refused(&changed("title: Studio", &format!("title: {tag} U3R1ZGlv")));
        assert!(refusal.contains("a YAML tag"), "{tag}: {refusal}");
    }
    let refusal = soon_refused(&with("%TAG ! tag:evil.example,2000:\n---"));
    assert!(refusal.contains("not YAML"), "{refusal}");
}

#[test]
fn a_map_as_a_key_is_refused() {
    let refusal = soon_refused(&with("? {a: 1}\n: 2"));
    assert_eq!(refusal, "1:3 : a list or map as a key; a key is a text");
}

#[test]
fn nothing_is_refused() {
    for nothing in ["", "\n", "# only a comment\n", "---\n", "...\n"] {
        soon_refused(nothing);
    }
    assert_eq!(soon_refused("[]"), "1:1 : found a list; allowed: a map");
    assert_eq!(soon_refused("postern"), "1:1 : found `postern`; allowed: a map");
}

#[test]
fn a_huge_file_is_refused_unread() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("postern.yaml");
    File::create(&path).unwrap().set_len(100 * 1024 * 1024).unwrap();
    let start = Instant::now();
    let refusal = load(&path).unwrap_err();
    assert!(start.elapsed() < SOON);
    assert_eq!(
        refusal.to_string(),
        format!("error: the file is larger than 4 MiB\n--> {0}\n\n1 error in {0}", path.display())
    );
}

#[test]
fn a_file_of_one_long_line_is_refused_soon() {
    let refusal = soon_refused(&format!("{{a: {}}}", "b".repeat(4_000_000)));
    assert!(refusal.starts_with("1:1 : the key `public_url` is missing"), "{refusal}");
}

#[test]
fn a_folder_is_no_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = load(directory.path()).unwrap_err();
    assert!(refusal.findings[0].message.starts_with("the file is a folder, and only regular files are read"));
}
