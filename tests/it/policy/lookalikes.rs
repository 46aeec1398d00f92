//! A letter that looks like another one is another one: nothing that rules compare with is folded or classed beyond ASCII.

use super::{AROUND, Around, person, studio_with};
use crate::support::lookalikes::lookalikes;
use serde_json::json;

#[test]
fn a_pattern_takes_no_lookalike() {
    let patterns = [
        r"^\w$",
        r"^\d$",
        r"^\s$",
        "^(?i)[a-z]$",
        "^(?i:k|s|i)$",
        r"^(?i)[\w.-]$",
        r"^[[:alpha:]]$",
        r"^[[:space:]]$",
        r"^(?:a\b.|\w+)$",
        r"^[^\D]$",
        r"^[^\W]$",
        r"^[\w--\d]$",
    ];
    let any = patterns.map(|pattern| format!("user.matches({})", json!(pattern))).join(" || ");
    let policy = AROUND.policy(&super::notebook_with(&format!("[{{name: only, allow: {}}}]", json!(any))));
    for found in lookalikes() {
        let explained = person(&found.to_string(), &[]).explained(&policy, "nb");
        assert_eq!(explained.reason, Some("no-rule"), "{found} U+{:04X}", u32::from(found));
    }
    for character in ["k", "K", "s", "7", "_", "\t", "-"] {
        assert_eq!(person(character, &[]).explained(&policy, "nb").decision, "grant", "{character}");
    }
}

#[test]
fn a_comparison_takes_no_lookalike() {
    let rules = json!([
        "user == 'a' || user in ['k', 's', 'i', '1']",
        "user.lowerAscii() in ['a', 'k', 's', 'i', 'o', '0', '1']",
        "user.startsWith('a') || user.endsWith('k') || user.contains('s') || user < 'z'",
        "user in groups || groups.exists(g, g == user)",
    ]);
    let any =
        rules.as_array().unwrap().iter().map(|rule| rule.as_str().unwrap()).collect::<Vec<_>>().join(" || ");
    let policy = AROUND.policy(&super::notebook_with(&format!("[{{name: only, allow: {}}}]", json!(any))));
    let table = Around {
        files: &[("t.yaml", "{a: aa, k: kk, s: ss, i: ii, o: oo, 'ada@corp.example': ada}")],
        ..AROUND
    };
    let lookups = "lookups: {t: {file: t.yaml}}\n";
    let looked_up = table.policy(&format!("{lookups}{}", studio_with("${lookup('t', user)}")));
    let local = AROUND.policy(&studio_with("${local_part(user, 'sia.example')}"));
    let network =
        AROUND.policy(&super::notebook_with("[{name: only, allow: \"in_cidr(claims.ip, '0.0.0.0/0')\"}]"));
    for found in lookalikes() {
        let (text, code) = (found.to_string(), format!("{found} U+{:04X}", u32::from(found)));
        let someone = |user: &str| person(user, &["a", "k", "s", "i", "o", "1"]);
        assert_eq!(someone(&text).explained(&policy, "nb").reason, Some("no-rule"), "{code}");
        assert_eq!(someone(&text).explained(&looked_up, "studio").reason, Some("rule-error"), "{code}");
        for user in [
            format!("ada@s{found}a.example"),
            format!("ada{found}sia.example"),
            format!("{found}@sia.example"),
        ] {
            assert_eq!(
                someone(&user).explained(&local, "studio").reason,
                Some("rule-error"),
                "{code} {user}"
            );
        }
        let address = someone("ada").claims(json!({"ip": format!("10.0.0.{found}")}));
        assert_eq!(address.explained(&network, "nb").reason, Some("rule-error"), "{code}");
    }
}

/// `profile_name` digests the whole text, and its stem is ASCII.
#[test]
fn a_name_is_that_of_no_lookalike() {
    let policy = AROUND.policy(&studio_with("${profile_name(user)}"));
    let named =
        |user: &str| person(user, &[]).explained(&policy, "studio").target["user_profile_name"].clone();
    let plain = ["a", "k", "s", "i", "o", "0", "1"].map(|plain| named(&format!("{plain}da")));
    for found in lookalikes() {
        assert!(!plain.contains(&named(&format!("{found}da"))), "U+{:04X}", u32::from(found));
    }
}

#[test]
fn a_pattern_that_names_characters_is_read_as_it_stands() {
    let asks =
        |user: &str, pattern: &str| person(user, &[]).asks(&format!("user.matches({})", json!(pattern)));
    assert_eq!(asks("k\u{e4}the", "^[a-z\u{e4}\u{f6}]+$"), "grant");
    assert_eq!(asks("k\u{c4}the", "^[a-z\u{e4}\u{f6}]+$"), "no-rule");
    assert_eq!(asks("\u{3b1}\u{3b2}", r"^\p{Greek}+$"), "grant");
    assert_eq!(asks("\u{e4}", r"^\x{e4}$"), "grant");
    // Any character is one character.
    assert_eq!(asks("\u{e4}\u{20ac}", "^..$"), "grant");
    assert_eq!(asks("\u{e4}", "^[^a]$"), "grant");
    assert_eq!(asks("\u{e4}", r"^\W$"), "grant");
    assert_eq!(asks("\u{e4}\u{20ac}", r"^\D{2}$"), "grant");
    assert_eq!(asks("a\u{e4}", r"^a\b.$"), "grant");
    assert_eq!(asks("a\n", "^a.$"), "no-rule");
    let fault =
        |pattern: &str| AROUND.expression_faults(&format!("user.matches({})", json!(pattern))).join(" | ");
    for mixed in ["^(?i)k\u{e4}the$", r"^[\w\u{e4}]+$", r"^\d\p{Greek}$", "^\u{e4}\\b$", r"^(?i:k)\x{e4}$"] {
        let expected = "names characters beyond ASCII, so `\\w`, `\\d`, `\\s`, `\\b` and `(?i)`, which mean ASCII, have no place \
                        in it: write the characters out";
        assert!(fault(mixed).contains(expected), "{mixed}: {}", fault(mixed));
    }
    assert!(
        fault(r"^(?u:\w)$").contains("has the flag `u`: name the characters that you mean"),
        "{}",
        fault(r"^(?u:\w)$")
    );
}
