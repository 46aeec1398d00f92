//! Expressions as they are evaluated: types, failures, and the values that are never compared.

use super::expressions::fault;
use super::person;
use serde_json::json;

#[test]
fn a_value_that_is_not_a_yes_or_no_denies() {
    let ada = person("ada", &[]).claims(json!({"a": "true", "n": 1, "t": true, "l": [], "z": null}));
    assert_eq!(ada.asks("claims.t"), "grant");
    let not = |found: &str, kind: &str| {
        format!("rule-error: the value is of type {found}, not boolean: `claims.{}", kind)
    };
    assert_eq!(ada.asks("claims.a"), not("string", "a` is a text"));
    assert_eq!(ada.asks("claims.n"), not("int", "n` is a number"));
    assert_eq!(ada.asks("claims.l"), not("list", "l` is a list"));
    for absent in ["z", "none"] {
        let missing = "rule-error: a claim that the expression asks for is missing: `claims.";
        assert_eq!(ada.asks(&format!("claims.{absent}")), format!("{missing}{absent}` is not there"));
    }
}

#[test]
fn a_failure_tells_types_and_no_values() {
    let ada = person("ada", &[]).claims(json!({"token": "eyJhbGciOi", "n": 7, "list": ["eyJhbGciOi"]}));
    for expression in [
        "claims.token > 1",
        "claims.token + 1 == 2",
        "1 + claims.token == 2",
        "claims.token && true",
        "claims.n.startsWith('x')",
        "claims[claims.token] == 1",
        "claims.list[7] == 'x'",
        "claims.list[claims.token] == 'x'",
        "'x' in claims.token",
        "claims.token.all(c, true)",
        "in_cidr(claims.token, '10.0.0.0/8')",
        "local_part(claims.token, 'a.example') == 'x'",
        "-claims.token == 1",
        "claims.n / 0 == 1",
        "claims.list < claims.token",
        "claims.n.matches('^a$')",
        "claims.token.x == 1",
        "size(claims.n) == 1",
        "profile_name(claims.list) == 'x'",
    ] {
        let answer = ada.asks(expression);
        assert!(answer.starts_with("rule-error: "), "{expression}: {answer}");
        assert!(!answer.contains("eyJ") && !answer.contains('7'), "{expression}: {answer}");
    }
}

#[test]
fn claims_keep_their_types() {
    let claims = json!({
        "n": 3, "big": 18_446_744_073_709_551_615_u64, "half": 0.5, "yes": true, "none": null,
        "roles": ["a", "b"], "mixed": ["a", 1], "deep": {"er": {"est": "x"}}, "https://corp.example/team": "ml",
    });
    let ada = person("ada", &[]).claims(claims);
    for expression in [
        "claims.n == 3 && claims.half < 1.0 && claims.big > 3u && claims.yes && !has(claims.none)",
        "'a' in claims.roles && !('c' in claims.roles) && claims.roles == ['a', 'b'] && ['a', 'b'] == claims.roles",
        "claims.roles[1] == 'b' && size(claims.roles) == 2 && claims.roles.exists(r, r == 'b')",
        "claims.mixed[0] == 'a' && claims.mixed[1] == 1 && claims.n == 3.0 && claims.n in [1, 3.0]",
        "claims.deep.er.est == 'x' && has(claims.deep.er) && !has(claims.deep.other)",
        "claims['https://corp.example/team'] == 'ml'",
        "'n' in claims && !('m' in claims) && !('none' in claims)",
        "'b' in claims.roles + claims.roles && claims.n + 1 == 4 && claims.deep.er.est + 'y' == 'xy'",
        "claims.roles.all(r, r != 'c') && claims.roles.filter(r, r != 'a').exists_one(r, r == 'b')",
        "claims.roles.exists(r, r in ['b', 'c']) && claims.roles.map(r, r + 'x').exists(r, r == 'bx')",
        "claims.roles != ['a'] && claims.deep.er.est in ['x']",
    ] {
        assert_eq!(ada.asks(expression), "grant", "{expression}");
    }
}

/// In CEL a number is unequal to every text, and no text is in a list of numbers. A claim of another type than the rule has in
/// mind would so pass a rule that denies.
#[test]
fn values_of_different_types_are_not_compared() {
    let claims = json!({
        "number": 7, "text": "contractors", "flag": true, "object": {"contractors": 1}, "list": ["contractors"],
        "numbers": [7], "mixed": ["staff", 7], "named": [{"name": "contractors"}], "holey": ["staff", null], "none": null,
    });
    let ada = person("ada", &["staff"]).claims(claims);
    for expression in [
        "claims.number != 'contractors'",
        "!(claims.number == 'contractors')",
        "'contractors' != claims.flag",
        "claims.object != 'contractors'",
        "claims.list != 'contractors'",
        "claims.none != 'contractors'",
        "claims.absent != 'contractors'",
        "claims.text != 7",
        "claims.text != true",
        "claims.text != claims.number",
        "user != claims.number",
        "!(user == claims.number)",
        "user != claims.number + claims.number",
        "claims.list + claims.list != user",
        "claims.numbers != ['contractors']",
        "claims.mixed != ['contractors']",
        "claims.named != ['contractors']",
        "claims.mixed != claims.mixed",
        "!('contractors' in claims.numbers)",
        "!('contractors' in claims.mixed)",
        "'staff' in claims.mixed",
        "!('contractors' in claims.named)",
        "!('contractors' in claims.holey)",
        "!('contractors' in claims.text)",
        "!('staff' in claims.object)",
        "!('contractors' in claims.flag)",
        "!('contractors' in claims.none)",
        "!(claims.number in ['contractors'])",
        "!(claims.list in ['contractors'])",
        "!(claims.number in groups)",
        "!(claims.list in groups)",
        "!('x' in (claims.list + claims.object))",
        "!('x' in (claims.list + claims.text))",
        "!('x' in (claims.list + claims.numbers))",
        "claims.text + claims.number != 'x'",
        "claims.object.all(r, r != 'x')",
        "!claims.object.exists(r, r == 'x')",
        "!claims.text.exists(r, r == 'x')",
        "claims.numbers.all(r, r != 'contractors')",
        "claims.named.all(r, r != 'contractors')",
        "!claims.mixed.exists(r, r == 'contractors')",
        "claims.mixed.filter(r, r != 'staff') != ['x']",
        "!claims.object.map(r, r).exists(r, r == 'x')",
        "groups.all(g, g != claims.number)",
        "groups.all(g, !(claims.number in [g]))",
        "claims.number < 'x'",
        "claims.text.startsWith('x') || claims.number.startsWith('x')",
        "!claims.number.startsWith('x')",
        "!claims.list.contains('x')",
        "!has(claims.text.contractors)",
        "!has(claims.list.contractors)",
        "!has(claims.absent.contractors)",
        "claims.number ? true : true",
        "!claims.text",
        "!claims.none",
    ] {
        let answer = ada.asks(expression);
        assert!(answer.starts_with("rule-error: "), "{expression}: {answer}");
        assert!(!answer.contains('7'), "{expression}: {answer}");
        assert_eq!(ada.asks(&format!("true || {expression}")), "grant", "{expression}");
        assert!(ada.asks(&format!("false || {expression}")).starts_with("rule-error"), "{expression}");
    }
    assert_eq!(
        ada.asks("claims.number != 'contractors'"),
        "rule-error: a number is compared with a text: `claims.number` is a number"
    );
    assert_eq!(
        ada.asks("!('contractors' in claims.mixed)"),
        "rule-error: a text is looked for in a list with a number in it: `claims.mixed` is a list"
    );
    assert_eq!(
        ada.asks("claims.object.all(r, r != 'x') || claims.a['b c'].d"),
        "rule-error: a claim that the expression asks for is missing: `claims.object` is an object, \
         `claims.a[\"b c\"].d` is not there"
    );
}

#[test]
fn nothing_is_equal_to_null() {
    let help = "a claim that is `null` counts as absent: ask `has(claims.name)`";
    assert_eq!(fault("claims.x == null"), format!("nothing is equal to null (at character 10); {help}"));
    assert_eq!(fault("null != claims.x"), format!("nothing is equal to null (at character 6); {help}"));
}

#[test]
fn nothing_in_a_claim_is_taken_for_a_variable() {
    let ada = person("ada", &["staff"])
        .claims(json!({"user": "root", "groups": ["root"], "deep": {"user": "root"}}));
    assert_eq!(ada.asks("user == 'ada' && 'staff' in groups && !('root' in groups)"), "grant");
}

#[test]
fn the_deepest_expression_that_loads_can_be_evaluated() {
    let ada = person("ada", &[]).claims(json!({"n": 1}));
    let sum = |terms: usize| format!("{}claims.n == {terms}", "claims.n + ".repeat(terms - 1));
    assert_eq!(ada.asks(&sum(22)), "grant");
    assert!(fault(&sum(23)).contains("is nested more than 24 levels deep"));
    let brackets = format!("{}claims.n == 1{}", "true && (".repeat(8), ")".repeat(8));
    assert_eq!(ada.asks(&brackets), "grant");
}

#[test]
fn a_rule_may_ask_for_the_issuer_and_the_realm() {
    let ada = person("ada", &[]);
    for (expression, decision) in [
        ("realm == 'staff'", "grant"),
        ("realm == 'corp'", "no-rule"),
        ("issuer == 'corp'", "grant"),
        ("issuer == 'staff'", "no-rule"),
    ] {
        assert_eq!(ada.asks(expression), decision, "{expression}");
    }
}
