//! One claim at a time in every shape: groups, the claims that rules read, the mark of an address, the name.

use super::{Decided, ada, ask, explained, object, odd_values, policy_tests_agree, stage, told};
use serde_json::{Map, Value, json};

/// A rule about a claim, and whether a value of that claim fulfils it for certain.
struct Rule {
    name: &'static str,
    rules: &'static str,
    opens: fn(&Value) -> bool,
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn lacks(value: &Value, name: &str) -> bool {
    texts(value).is_some_and(|texts| !texts.contains(&name))
}

fn has(value: &Value, name: &str) -> bool {
    texts(value).is_some_and(|texts| texts.contains(&name))
}

const OF_GROUPS: [Rule; 6] = [
    Rule {
        name: "deny-in",
        rules: r#"{name: contractors, deny: "'contractors' in groups"}, {name: staff, allow: "true"}"#,
        opens: |groups| lacks(groups, "contractors"),
    },
    Rule {
        name: "allow-in",
        rules: r#"{name: members, allow: "'ml-users' in groups"}"#,
        opens: |groups| has(groups, "ml-users"),
    },
    Rule {
        name: "allow-not-in",
        rules: r#"{name: no-contractors, allow: "!('contractors' in groups)"}"#,
        opens: |groups| lacks(groups, "contractors"),
    },
    Rule {
        name: "allow-all",
        rules: r#"{name: all, allow: "groups.all(g, g != 'contractors')"}"#,
        opens: |groups| lacks(groups, "contractors"),
    },
    Rule {
        name: "allow-few",
        rules: r#"{name: few, allow: "size(groups) < 3"}"#,
        opens: |groups| texts(groups).is_some_and(|texts| texts.len() < 3),
    },
    Rule {
        name: "no-groups",
        rules: r#"{name: everybody, allow: "user.endsWith('@corp.example')"}"#,
        opens: |_| true,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_another_shape_are_no_empty_list() {
    let rules: Vec<(&str, &str)> = OF_GROUPS.iter().map(|rule| (rule.name, rule.rules)).collect();
    let long = "n".repeat(700);
    let paths: [(String, fn(&str, Value) -> Map<String, Value>); 5] = [
        ("groups".to_owned(), |path, value| object(json!({path: value}))),
        ("realm_access.roles".to_owned(), |_, value| object(json!({"realm_access": {"roles": value}}))),
        ("resource.a.b/c.roles".to_owned(), |_, value| {
            object(json!({"resource": {"a.b/c": {"roles": value}}}))
        }),
        ("https://corp.example/claims/groups".to_owned(), |path, value| object(json!({path: value}))),
        (long, |path, value| object(json!({path: value}))),
    ];
    for (path, holding) in paths {
        let stage = stage(&format!("    claims: {{groups: \"{path}\"}}\n"), &rules).await;
        let good =
            [json!(["ml-users"]), json!(["contractors", "ml-users"]), json!([]), json!(["a", "b", "c"])];
        let values = good.into_iter().map(|value| (value, "")).chain(odd_values());
        let absent = [(Map::new(), json!(null), "is not there")];
        let mut decided = Vec::new();
        let cases = values.map(|(value, kind)| (holding(&path, value.clone()), value, kind)).chain(absent);
        for (more, value, kind) in cases {
            let claims = ada(&stage, &more);
            let before = stage.postern.audit(1).len();
            let said = ask(&stage, &claims).await;
            assert_eq!(said.status, 200, "{path} {value} {}", said.body);
            let known = texts(&value).is_some_and(|texts| texts.iter().all(|text| !text.is_empty()));
            for (row, rule) in said.rows.iter().zip(&OF_GROUPS) {
                assert_eq!(row.0, rule.name);
                assert_eq!(row.1.is_ok(), (rule.opens)(&value), "{path} {value} {row:?}");
                let unknown = !known && rule.name != "no-groups";
                assert_eq!(row.1 == Err("rule-error".to_owned()), unknown, "{path} {value} {row:?}");
            }
            let (rows, explanation) = explained(&stage, &claims);
            assert_eq!(rows, said.rows, "{path} {value} {explanation}");
            decided.extend(said.rows.iter().map(|row| Decided::row(&claims, row)));
            assert_eq!(said.who["groups_left_out"], false);
            if known {
                assert_eq!((&said.who["groups"], &said.who["groups_unbound"]), (&value, &json!(null)));
                continue;
            }
            // Whoever looks into it reads where the claim should be and what came, and never what it held.
            assert_eq!(said.who["groups"], json!(null));
            let unbound = said.who["groups_unbound"].as_str().expect("why");
            let refusals = said.rows.iter().filter(|row| row.1.is_err()).count();
            let trail = told(&stage, before, refusals);
            let log = stage.postern.log();
            let shown = if path.len() > 120 { "nnnn…`" } else { &path };
            for (reader, text) in
                [("whoami", unbound), ("explain", &explanation), ("audit", &trail), ("log", &log)]
            {
                assert!(text.contains(shown) && text.contains(kind), "{reader}: {path} {value}: {text}");
            }
            for (reader, text) in [("whoami", &said.body), ("audit", &trail), ("log", &log)] {
                assert!(
                    !text.contains("SECRET") && !text.contains("20304050"),
                    "{reader}: {path} {value}: {text}"
                );
            }
        }
        policy_tests_agree(&stage, decided);
    }
}

const OF_CLAIMS: [Rule; 8] = [
    Rule {
        name: "text",
        rules: r#"{name: no, deny: "claims.x == 'contractors'"}, {name: yes, allow: "true"}"#,
        opens: |x| x.as_str().is_some_and(|text| text != "contractors"),
    },
    Rule {
        name: "not-text",
        rules: r#"{name: yes, allow: "claims.x != 'contractors'"}"#,
        opens: |x| x.as_str().is_some_and(|text| text != "contractors"),
    },
    Rule {
        name: "one-of",
        rules: r#"{name: no, deny: "claims.x in ['contractors', 'leavers']"}, {name: yes, allow: "true"}"#,
        opens: |x| x.as_str().is_some_and(|text| text != "contractors"),
    },
    Rule {
        name: "list",
        rules: r#"{name: no, deny: "'contractors' in claims.x"}, {name: yes, allow: "true"}"#,
        opens: |x| lacks(x, "contractors"),
    },
    Rule {
        name: "each",
        rules: r#"{name: yes, allow: "claims.x.all(x, x != 'contractors')"}"#,
        opens: |x| lacks(x, "contractors"),
    },
    Rule {
        name: "number",
        rules: r#"{name: no, deny: "claims.x < 3"}, {name: yes, allow: "true"}"#,
        opens: |x| x.as_f64().is_some_and(|number| number >= 3.0),
    },
    Rule {
        name: "flag",
        rules: r#"{name: no, deny: "claims.x"}, {name: yes, allow: "true"}"#,
        opens: |x| *x == false,
    },
    Rule {
        name: "part",
        rules: r#"{name: no, deny: "claims.x.contains('contractors')"}, {name: yes, allow: "true"}"#,
        opens: |x| x.as_str().is_some_and(|text| !text.contains("contractors")),
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_another_shape_fulfils_no_rule() {
    for (written, holding) in [
        ("claims.x", (|value| object(json!({"x": value}))) as fn(Value) -> Map<String, Value>),
        ("claims.deep.er", |value| object(json!({"deep": {"er": value}}))),
        ("claims['https://corp.example/x']", |value| object(json!({"https://corp.example/x": value}))),
    ] {
        let rules: Vec<(&str, String)> =
            OF_CLAIMS.iter().map(|rule| (rule.name, rule.rules.replace("claims.x", written))).collect();
        let rules: Vec<(&str, &str)> = rules.iter().map(|(name, rules)| (*name, rules.as_str())).collect();
        let stage = stage("    claims: {groups: {path: groups, absent: none}}\n", &rules).await;
        let good = [
            json!("staff"),
            json!("contractors"),
            json!(["staff"]),
            json!(["staff", "contractors"]),
            json!(2),
        ];
        let values = good.into_iter().map(|value| (value, "")).chain(odd_values());
        let cases = values.map(|(value, kind)| (holding(value.clone()), value, kind));
        let blocked = match written {
            "claims.deep.er" => object(json!({"deep": "SECRET"})),
            _ => Map::new(),
        };
        let mut decided = Vec::new();
        for (more, value, kind) in cases.chain([(blocked, json!(null), "is not there")]) {
            let claims = ada(&stage, &more);
            let before = stage.postern.audit(1).len();
            let said = ask(&stage, &claims).await;
            assert_eq!(said.status, 200, "{written} {value} {}", said.body);
            for (row, rule) in said.rows.iter().zip(&OF_CLAIMS) {
                assert_eq!(row.1.is_ok(), (rule.opens)(&value), "{written} {value} {row:?}");
            }
            let (rows, explanation) = explained(&stage, &claims);
            assert_eq!(rows, said.rows, "{written} {value} {explanation}");
            decided.extend(said.rows.iter().map(|row| Decided::row(&claims, row)));
            let refusals = said.rows.iter().filter(|row| row.1.is_err()).count();
            let trail = told(&stage, before, refusals);
            if said.rows.iter().any(|row| row.1 == Err("rule-error".to_owned())) && !kind.is_empty() {
                let path = written.replace('\'', "\\\\\\\"");
                for (reader, text) in [("audit", &trail), ("explain", &explanation)] {
                    let named = text.contains(&format!("`{path}` {kind}"))
                        || text.contains(&format!("`{}` {kind}", written.replace('\'', "\\\"")));
                    assert!(named, "{reader}: {written} {value}: {text}");
                }
            }
            assert!(
                !trail.contains("SECRET") && !stage.postern.log().contains("SECRET"),
                "{written} {value}"
            );
        }
        policy_tests_agree(&stage, decided);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_marked_by_a_boolean_and_nothing_else() {
    let rules = [("all", r#"{name: all, allow: "true"}"#)];
    let stage = stage("", &rules).await;
    let values = odd_values().into_iter().map(|(value, _)| value);
    for value in values.chain([json!("true"), json!("TRUE"), json!(1)]) {
        let claims = ada(&stage, &object(json!({"email_verified": value})));
        let said = ask(&stage, &claims).await;
        if value == true {
            assert_eq!(said.rows, [("all".to_owned(), Ok(()))]);
            continue;
        }
        assert_eq!((said.status, said.who["reason"].as_str()), (401, Some("email-unverified")), "{value}");
        assert!(!said.body.contains("SECRET"), "{}", said.body);
        let (_, explanation) = explained(&stage, &claims);
        assert!(explanation.contains("the claim `email_verified` is"), "{explanation}");
    }
}

/// It is for pages only.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_another_shape_keeps_nobody_out() {
    let rules = [("all", r#"{name: all, allow: "true"}"#)];
    let stage = stage("    claims: {name: person.name}\n", &rules).await;
    for (value, _) in odd_values() {
        let said = ask(&stage, &ada(&stage, &object(json!({"person": {"name": value}})))).await;
        assert_eq!(said.rows, [("all".to_owned(), Ok(()))], "{value}");
        let shown = value.as_str().filter(|name| !name.is_empty() && name.len() <= 256);
        assert_eq!(said.who["name"].as_str(), shown, "{value}");
    }
}
