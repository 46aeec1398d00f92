//! What may be written in an expression, and every error that loading one can give.

use super::{AROUND, Around};
use serde_json::json;

/// The faults of one expression as one text.
pub(super) fn fault(expression: &str) -> String {
    AROUND.expression_faults(expression).join(" | ")
}

#[test]
fn what_the_rules_of_a_gateway_need_is_allowed() {
    for expression in [
        "true",
        "user == 'ada@corp.example'",
        "user != 'x' && (realm == 'staff' || issuer == 'corp')",
        "!('a' in groups)",
        "user in ['a', 'b']",
        "'a' in claims.roles",
        "'k' in claims",
        "has(claims.team) && claims.team == 'ml'",
        "has(claims.a.b.c)",
        "claims['a:b'] == 1",
        "claims.roles[0] == 'x'",
        "groups.exists(g, g.startsWith('ml-'))",
        "groups.all(g, g != 'x') && groups.exists_one(g, g == 'y')",
        "groups.filter(g, g.startsWith('ml-')).exists(g, g.endsWith('-lead'))",
        "size(groups.map(g, g + 'x')) > 2",
        "groups.filter(g, g != 'a').filter(g, g != 'b').map(g, g + 'x').exists(g, g == 'cx')",
        "size(groups) > 0 && groups.size() < 9",
        "user.lowerAscii().contains('x') ? claims.a : claims.b",
        "matches(user, '^a+$') || user.matches('^(b|c)$')",
        r"user.matches(r'\A[^@]+@corp\.example\z')",
        "in_cidr(client_ip, '10.0.0.0/8') || in_cidr(client_ip, '2001:db8::/32')",
        "claims.level + 1 > 2 && -1 < 1 && claims.x % 2 == 0 && claims.y / 2 * 3 - 1 >= 0",
        "'a' +\n 'b' == user // a comment",
    ] {
        assert_eq!(fault(expression), "", "{expression}");
    }
}

#[test]
fn unknown_names_are_errors_that_say_what_was_meant() {
    assert_eq!(fault("grups == 1"), "there is no variable `grups` (at character 1); did you mean `groups`?");
    assert_eq!(
        fault("'a' in group"),
        "there is no variable `group` (at character 8); did you mean `groups`?"
    );
    assert_eq!(
        fault("!zebra"),
        "there is no variable `zebra` (at character 2); there are `user`, `groups`, `claims`, `issuer`, `realm`, `client_ip`"
    );
    assert_eq!(
        fault("user == string"),
        "there is no variable `string` (at character 9); there are `user`, `groups`, `claims`, `issuer`, `realm`, `client_ip`"
    );
    assert_eq!(fault(".user == 'x'"), "there is no variable `.user` (at character 2); did you mean `user`?");
    assert_eq!(
        fault("in_cdir(user, '10.0.0.0/8')"),
        "there is no function `in_cdir` (at character 8); did you mean `in_cidr`?"
    );
    assert_eq!(
        fault("is_member('x')"),
        "there is no function `is_member` (at character 10); there are `contains`, `endsWith`, `startsWith`, `lowerAscii`, \
         `in_cidr`, `local_part`, `lookup`, `profile_name`, `join`, `shared_by`, `matches`, `size`, `has`, `all`, `exists`, `exists_one`, \
         `filter`, `map`"
    );
    let both = fault("usr == 'x' && realms == 'y'");
    assert!(both.contains("`usr`") && both.contains("`realms`"), "{both}");
}

#[test]
fn the_rest_of_cel_is_not_allowed() {
    for expression in [
        "string(user) == 'x'",
        "int('1') == 1",
        "type(user) == type('x')",
        "dyn(user) == 'x'",
        "timestamp('2026-01-01T00:00:00Z') > claims.t",
        "duration('1s') > claims.d",
        "optional.of(user).hasValue()",
        "base64.encode(b'x') == 'y'",
        "user.split('@')[0] == 'x'",
        "cel.bind(x, user, x == 'y')",
        "bytes('x') == claims.y",
        "max(1, 2) == 2",
        "prefixed_profile_name('a', user) == 'x'",
    ] {
        assert!(fault(expression).contains("there is no "), "{expression}: {}", fault(expression));
    }
    assert_eq!(
        fault("claims.x == b'x'"),
        "bytes are not allowed: nothing here is made of them (at character 13)"
    );
    let literal = "a map or message literal is not allowed: use a table of `lookups` (at character 9)";
    assert_eq!(fault("user in {'a': 1}"), literal);
    assert!(
        fault("claims.?a == 'x'").starts_with("is not a CEL expression"),
        "{}",
        fault("claims.?a == 'x'")
    );
}

#[test]
fn wrong_argument_counts_say_how_it_is_called() {
    let usage = "`local_part` is called as `local_part(email, 'domain')`";
    assert!(fault("local_part(user) == 'x'").starts_with(usage), "{}", fault("local_part(user) == 'x'"));
    assert!(fault("local_part(user, 'a', 'b') == 'x'").starts_with(usage));
    assert!(fault("user.local_part('a') == 'x'").starts_with(usage));
    let usage = "`profile_name` is called as `profile_name(text)` or `profile_name('prefix', text)`";
    assert!(fault("profile_name() == 'x'").starts_with(usage));
    assert!(fault("startsWith(user, 'x')").starts_with("`startsWith` is called as `text.startsWith(part)`"));
    assert!(fault("user.size(1) == 1").starts_with("`size` is called as `size(list)`"));
    assert!(fault("groups.exists(g)").contains("`exists` is called as `list.exists(element, condition)`"));
    assert!(fault("has(user)").starts_with("is not a CEL expression: invalid argument to has() macro"));
}

#[test]
fn arguments_that_decide_must_be_constants() {
    let constant = |usage: &str, at: usize| {
        format!("`{usage}` needs a constant where a text in quotes stands (at character {at})")
    };
    assert_eq!(fault("in_cidr(client_ip, claims.net)"), constant("in_cidr(ip, 'network')", 26));
    assert_eq!(fault("lookup(user, user) == 'x'"), constant("lookup('table', key)", 8));
    assert_eq!(fault("local_part(user, claims.d) == 'x'"), constant("local_part(email, 'domain')", 24));
    assert_eq!(fault("user.matches(claims.p)"), constant("matches(text, 'pattern')", 20));
    assert_eq!(fault("user.matches('^' + 'a$')"), constant("matches(text, 'pattern')", 18));
    assert_eq!(fault("profile_name(user, user) == 'x'"), constant("profile_name('prefix', text)", 14));
}

#[test]
fn networks_are_whole_and_out_of_the_proxies_reach() {
    let network = |written: &str| fault(&format!("in_cidr(client_ip, '{written}')"));
    assert_eq!(
        network("10.1.2.3/16"),
        "`10.1.2.3/16` has bits set behind its prefix (at character 20); write `10.1.0.0/16`"
    );
    assert_eq!(network("10.0.0.1"), "`10.0.0.1` is not a network such as `10.20.0.0/16` (at character 20)");
    assert_eq!(
        network("10.0.0.0/33"),
        "`10.0.0.0/33` is not a network such as `10.20.0.0/16` (at character 20)"
    );
    assert_eq!(network("10.20.0.0/16"), "");
    let behind = Around { trusted_proxies: &["10.0.0.0/8"], ..AROUND };
    let found = behind.expression_faults("in_cidr(client_ip, '10.20.0.0/16')").join("");
    let expected = "`10.20.0.0/16` lies in the trusted proxy network `10.0.0.0/8` (at character 20); whoever is in a \
                    trusted proxy network may claim any address: list the proxies' own subnets only";
    assert_eq!(found, expected);
    assert!(!behind.expression_faults("in_cidr(client_ip, '::ffff:10.20.0.0/112')").is_empty());
    assert!(behind.expression_faults("in_cidr(client_ip, '11.0.0.0/8')").is_empty());
    assert!(behind.expression_faults("in_cidr(client_ip, '0.0.0.0/0')").is_empty());
}

#[test]
fn a_client_address_that_nobody_can_know_is_an_error() {
    let blind = Around { client_ip_known: false, ..AROUND };
    let expected =
        "`client_ip` can never be known (at character 9); set `trusted_proxies` or `listen.direct_clients`";
    assert_eq!(blind.expression_faults("in_cidr(client_ip, '10.0.0.0/8')"), [expected]);
}

#[test]
fn a_pattern_matches_the_whole_text_or_does_not_load() {
    let pattern = |written: &str| fault(&format!("user.matches({})", json!(written)));
    for partial in ["corp", "^corp", "corp$", "^a|b$", "(?m)^a$", "^a$|b", "", "^(a$|b)"] {
        let expected = format!(
            "the pattern `{partial}` is not anchored at both ends: write `^(…)$`, since a partial match lets strangers \
             in (at character 14)"
        );
        assert_eq!(pattern(partial), expected);
    }
    for whole in ["^a$", "^(a|b)$", "^a$|^b$", r"\Aa\z", "(?i)^a$", "^(?:a|)$"] {
        assert_eq!(pattern(whole), "", "{whole}");
    }
    assert!(pattern("^(a$").contains("is not a regular expression: unclosed group"), "{}", pattern("^(a$"));
    assert!(pattern("^(?=a)$").contains("look-around"), "{}", pattern("^(?=a)$"));
    let huge = pattern(r"^(\w{500}){500}$");
    assert!(huge.contains("is not a regular expression: ") && huge.contains("size limit"), "{huge}");
}

#[test]
fn a_rule_that_is_not_a_yes_or_no_is_an_error() {
    for (expression, what) in [
        ("1", "a number"),
        ("1 + 1", "a number"),
        ("'ml-users'", "a string"),
        ("user", "a string"),
        ("groups", "a list"),
        ("claims", "a map"),
        ("null", "null"),
        ("['ml-users']", "a list"),
        ("local_part(user, 'a')", "a string"),
        ("groups.filter(g, g == 'a')", "a list"),
        ("user == 'a' ? 'yes' : 'no'", "a string"),
    ] {
        assert_eq!(fault(expression), format!("a rule asks yes or no, and this is {what}"));
    }
}

#[test]
fn what_can_never_be_true_or_always_is_an_error() {
    let same = |left: &str, right: &str, at: usize| {
        format!("compares {left} with {right}, which are never equal (at character {at})")
    };
    assert_eq!(fault("user == 1"), same("a string", "a number", 6));
    assert_eq!(fault("user != null"), same("a string", "null", 6));
    let order = "`groups` has no order: ask with `'name' in groups` (at character 8)";
    assert_eq!(fault("groups == 'contractors'"), order);
    assert_eq!(fault("groups == ['contractors']"), order);
    assert_eq!(
        fault("groups[0] == 'x'"),
        "`groups` has no order: ask with `'name' in groups` (at character 7)"
    );
    assert_eq!(fault("1 in groups"), "`groups` holds strings, never a number (at character 3)");
    assert_eq!(fault("user in []"), "nothing is in an empty list (at character 6)");
    assert_eq!(
        fault("'corp' in user"),
        "`in` asks a list: for a part of a string, write text.contains('part') (at character 8)"
    );
    assert_eq!(fault("user.startsWith('')"), "`startsWith('')` is true for every text (at character 17)");
    assert_eq!(fault("user.contains('')"), "`contains('')` is true for every text (at character 15)");
    assert_eq!(
        fault("user.name == 'x'"),
        "a string has no field `name` (at character 5); a claim is read by `claims.name`"
    );
    assert_eq!(fault("'a' && true"), "`&&` does not take a string (at character 1)");
    assert_eq!(fault("!user"), "`!` does not take a string (at character 2)");
    assert_eq!(
        fault("!user && !groups"),
        "`!` does not take a string (at character 2) | `!` does not take a list (at character 11)"
    );
    let mixed = "takes two numbers or two strings, not a string and a number";
    assert_eq!(fault("user < 1"), format!("`<` {mixed} (at character 8)"));
    assert_eq!(fault("user + 1 == 2"), format!("`+` {mixed} (at character 8)"));
    assert_eq!(fault("user + true == 'x'"), "`+` does not take a boolean (at character 8)");
    assert_eq!(
        fault("user - 'a' == 1"),
        "`-` does not take a string (at character 1) | `-` does not take a string (at character 8)"
    );
    assert_eq!(fault("user.all(c, c == 'x')"), "a string has no elements (at character 9)");
}

#[test]
fn comprehensions_have_one_level_and_names_of_their_own() {
    let nested = fault("groups.exists(g, claims.roles.exists(r, r == g))");
    assert_eq!(nested, "a comprehension inside another one is not allowed (at character 37)");
    let multiplied = fault("groups.map(g, g + g).map(g, g + g) == []");
    assert_eq!(
        multiplied,
        "a `map` of what another `map` made is not allowed: each could multiply it (at character 25)"
    );
    let shadow = fault("claims.roles.exists(user, user == 'root')");
    assert_eq!(shadow, "`user` has a meaning already: name the element otherwise (at character 20)");
    assert_eq!(
        fault("groups.exists(g, h == 'x')"),
        "there is no variable `h` (at character 18); there are `user`, `groups`, `claims`, `issuer`, `realm`, `client_ip`"
    );
    assert_eq!(
        fault("groups.exists(g, g == 'x') && g == 'y'"),
        "there is no variable `g` (at character 31); there are `user`, `groups`, `claims`, `issuer`, `realm`, `client_ip`"
    );
}

#[test]
fn size_and_depth_are_bounded_before_anything_recurses() {
    assert_eq!(fault(""), "the expression is empty, which would mean nobody or everybody");
    assert_eq!(fault(" \n"), "the expression is empty, which would mean nobody or everybody");
    let long = format!("user == '{}'", "a".repeat(2048));
    assert_eq!(fault(&long), "the expression has 2058 bytes; 2048 are allowed");
    let full = format!("user == '{}'", "a".repeat(2038));
    assert_eq!(fault(&full), "");
    let chain = format!("{}true", "1+".repeat(1000));
    assert_eq!(fault(&chain), "the expression has 1000 operators; 200 are allowed");
    for (open, close) in [("(", ")"), ("[", "]"), ("size(", ")"), ("{", "}")] {
        let deep = format!("{}true{}", open.repeat(9), close.repeat(9));
        assert_eq!(fault(&deep), "the expression has 9 brackets inside one another; 8 are allowed");
    }
    assert_eq!(fault(&format!("{}true{}", "(".repeat(8), ")".repeat(8))), "");
    let choices = format!("{}true", "true ? true : ".repeat(60));
    assert_eq!(fault(&choices), "is not a CEL expression: it is nested too deeply (at character 239)");
    let mixed = format!("{}true{}", "true ? true : (".repeat(8), ")".repeat(8));
    assert_eq!(fault(&mixed), "");
    let sum = format!("{}1 == 2", "1+".repeat(100));
    assert!(fault(&sum).starts_with("is nested more than 24 levels deep"), "{}", fault(&sum));
    let select = format!("claims{} == 1", ".a".repeat(190));
    assert!(fault(&select).contains("is nested more than 24 levels deep"), "{}", fault(&select));
    let many: Vec<String> = (0..60).map(|group| format!("'group-{group}' in groups")).collect();
    assert_eq!(fault(&many.join(" || ")), "");
}

#[test]
fn what_is_not_cel_is_an_error_with_a_place() {
    for expression in ["user ==", "'a", "a b", "user = 'x'", "&& true", "user == \"x'", "💥", "(", "'a' in"]
    {
        let fault = fault(expression);
        assert!(fault.starts_with("is not a CEL expression: "), "{expression}: {fault}");
        assert!(fault.len() < 200, "{fault}");
    }
    assert_eq!(
        fault("user = 'x'"),
        "is not a CEL expression: token recognition error at: '= ' (at character 6); `==` compares"
    );
}
