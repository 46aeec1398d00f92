//! What our own functions answer.

use super::{AROUND, Around, person};
use serde_json::json;

#[test]
fn an_address_lies_in_a_network_or_is_an_error() {
    let from = |address: &str, network: &str| {
        person("ada", &[]).at(address).asks(&format!("in_cidr(client_ip, '{network}')"))
    };
    assert_eq!(from("10.20.255.255", "10.20.0.0/16"), "grant");
    assert_eq!(from("10.21.0.0", "10.20.0.0/16"), "no-rule");
    assert_eq!(from("10.20.0.1", "10.20.0.1/32"), "grant");
    assert_eq!(from("::ffff:10.20.0.1", "10.20.0.0/16"), "grant");
    assert_eq!(from("10.20.0.1", "::ffff:10.20.0.0/112"), "grant");
    assert_eq!(from("10.20.0.1", "::/0"), "no-rule");
    assert_eq!(from("2001:db8::1", "2001:db8::/32"), "grant");
    assert_eq!(from("2001:db8::1", "0.0.0.0/0"), "no-rule");
}

#[test]
fn a_client_address_is_its_canonical_text() {
    let asks =
        |address: &str, text: &str| person("ada", &[]).at(address).asks(&format!("client_ip == '{text}'"));
    assert_eq!(asks("::ffff:10.20.0.1", "10.20.0.1"), "grant");
    assert_eq!(asks("2001:DB8:0::1", "2001:db8::1"), "grant");
}

#[test]
fn an_address_that_is_not_known_or_not_one_denies() {
    let nowhere = person("ada", &[]).claims(json!({"ip": "10.20.0.1/16"}));
    let unknown = "rule-error: `client_ip` is not known for this request";
    assert_eq!(nowhere.asks("in_cidr(client_ip, '10.0.0.0/8')"), unknown);
    assert_eq!(nowhere.asks("!in_cidr(client_ip, '10.0.0.0/8')"), unknown);
    assert_eq!(nowhere.asks("client_ip == ''"), unknown);
    assert_eq!(
        nowhere.asks("in_cidr(claims.ip, '10.0.0.0/8')"),
        "rule-error: `in_cidr`: the text is not an IP address"
    );
}

#[test]
fn a_local_part_belongs_to_one_domain() {
    let local = |user: &str| person(user, &[]).profile(&AROUND, "${local_part(user, 'Corp.example')}");
    assert_eq!(local("ada@corp.example").as_deref(), Ok("ada"));
    let upper = person("ADA@CORP.EXAMPLE", &[]);
    assert_eq!(upper.asks("local_part(user, 'Corp.example') == 'ada'"), "grant");
    let failed = |reason: &str| Err(format!("`user_profile_name`: `local_part`: {reason}"));
    for stranger in [
        "ada@corp.example.evil.example",
        "ada@evilcorp.example",
        "ada@",
        "ada@corp.example.",
        "ada@corp.example\n",
    ] {
        assert_eq!(local(stranger), failed("the address is not of `Corp.example`"), "{stranger}");
    }
    for none in ["ada", "@corp.example", "ada@evil.example@corp.example", "ada@corp.example@corp.example", ""]
    {
        assert_eq!(local(none), failed("the text is not an e-mail address with exactly one `@`"), "{none}");
    }
    for domain in ["", "@corp.example", "corp example"] {
        let fault = AROUND.expression_faults(&format!("local_part(user, '{domain}') == 'x'")).join("");
        assert_eq!(
            fault,
            format!("`{domain}` is not a domain: write what follows the `@` (at character 18)")
        );
    }
}

#[test]
fn folding_is_ascii_only() {
    assert_eq!(person("K@x", &[]).asks("user.lowerAscii() == 'k@x'"), "grant");
    assert_eq!(person("\u{212a}@x", &[]).asks("user.lowerAscii() == 'k@x'"), "no-rule");
    assert_eq!(
        person("ada@\u{212a}.example", &[]).asks("local_part(user, 'k.example') == 'ada'"),
        "rule-error: `local_part`: the address is not of `k.example`"
    );
}

#[test]
fn a_pattern_never_matches_a_part() {
    let asks = |user: &str| person(user, &[]).asks("user.matches('^[a-z]+$')");
    assert_eq!(asks("ada"), "grant");
    assert_eq!(asks("ada1"), "no-rule");
    assert_eq!(asks("ada\n"), "no-rule");
    assert_eq!(asks("1\nada"), "no-rule");
}

const LOOKUPS: &str = "lookups: {profiles: {file: profiles.yaml}}\n";

fn with_table(table: &str, yaml: &str) -> Result<String, Vec<String>> {
    let files = [("profiles.yaml", table)];
    let around = Around { files: &files, ..AROUND };
    let faults = around.faults(&format!("{LOOKUPS}{yaml}"));
    if faults.is_empty() { Ok(table.to_owned()) } else { Err(faults) }
}

#[test]
fn a_table_gives_the_name_of_exactly_its_key() {
    let yaml = format!("{LOOKUPS}{}", super::studio_with("${lookup('profiles', user)}"));
    for table in ["ada@corp.example: AdaL\nmax: m2", r#"{"ada@corp.example": "AdaL", "max": "m2"}"#] {
        let policy = Around { files: &[("profiles.yaml", table)], ..AROUND }.policy(&yaml);
        let named = |user: &str| {
            let explanation = person(user, &[]).explained(&policy, "studio");
            let name =
                explanation.target.get("user_profile_name").map(|name| name.as_str().unwrap().to_owned());
            name.ok_or_else(|| explanation.steps[0].detail.clone().unwrap())
        };
        assert_eq!(named("ada@corp.example").as_deref(), Ok("AdaL"));
        assert_eq!(named("max").as_deref(), Ok("m2"));
        let missing = Err("`user_profile_name`: `lookup`: `profiles` has no such key".to_owned());
        assert_eq!(named("eve"), missing);
        assert_eq!(named("MAX"), missing);
        assert_eq!(named(""), missing);
    }
}

#[test]
fn a_table_in_which_two_people_could_meet_does_not_load() {
    let fault = |table: &str| with_table(table, "").unwrap_err().join(" | ");
    let at = "lookups.profiles.file: profiles.yaml";
    assert_eq!(
        fault("ada: a\nAda: b"),
        format!("{at}:2:1: the keys `ada` and `Ada` differ in nothing but case")
    );
    assert_eq!(
        fault("ada: a\nmax: A"),
        format!("{at}:2:1: `ada` and `max` share the name `A` (case does not count)")
    );
    assert_eq!(fault("ada: ''"), format!("{at}:1:1: `ada: ` has an empty side"));
    assert_eq!(fault("'': ada"), format!("{at}:1:1: `: ada` has an empty side"));
    assert_eq!(fault("ada: a\nada: b"), format!("{at}:2:1: the key `ada` is given twice"));
}

#[test]
fn a_table_is_one_map_that_holds_something() {
    let fault = |table: &str| with_table(table, "").unwrap_err().join(" | ");
    let at = "lookups.profiles.file: profiles.yaml";
    let no_map = "a table is one map from texts to texts";
    assert_eq!(fault("[ada]"), format!("{at}:1:1: {no_map}"));
    assert_eq!(fault("ada: a\nmax: [a]"), format!("{at}:2:6: {no_map}"));
    assert_eq!(fault("ada: a\n---\nmax: m"), format!("{at}:3:1: {no_map}"));
    let open = fault("max: m\nada: 'a");
    assert!(open.starts_with(&format!("{at}:2:6: not YAML: ")), "{open}");
    for empty in ["", "{}", "# nobody yet\n", "null"] {
        assert_eq!(
            fault(empty),
            format!("{at}: the table is empty, so every look-up in it would fail"),
            "{empty}"
        );
    }
}

#[test]
fn a_table_must_exist() {
    let faults = AROUND.faults(LOOKUPS);
    assert_eq!(faults, ["lookups.profiles.file: profiles.yaml: was not read"]);
    let rules = super::notebook_with("[{name: one, allow: \"lookup('profile', user) == 'x'\"}]");
    let faults = with_table("a: b", &rules).unwrap_err();
    let expected = "destinations.nb.rules[0].allow: there is no table `profile` in `lookups` (at character 8); did you \
                    mean `profiles`?";
    assert_eq!(faults, [expected]);
}
