//! Groups of every form that a provider may send, read in every way that a configuration may say.

use crate::support::issuer_fixture::{claims_with, claims_without, issuer_config};
use postern::config::{Absent, ClaimPath, GroupsClaim, GroupsFormat};
use postern::provider::principal::{Groups, principal_from_claims};
use serde_json::{Value, json};

/// The groups between commas, or in words why they are not known.
fn read(claim: impl Into<GroupsClaim>, claims: &Value) -> String {
    let mut config = issuer_config();
    config.claims.groups = claim.into();
    match principal_from_claims(&config, claims.as_object().unwrap()).unwrap().groups {
        Groups::Known(groups) => format!("known: {}", groups.join(",")),
        Groups::LeftOut => "left out".to_owned(),
        Groups::Unbound(unbound) => unbound.to_string(),
    }
}

fn in_form(format: GroupsFormat, value: Value) -> String {
    read(GroupsClaim { format, ..GroupsClaim::from("groups") }, &claims_with("groups", value))
}

#[test]
fn a_claim_that_is_absent_is_no_empty_list_unless_the_configuration_says_so() {
    for absent in [claims_without("groups"), claims_with("groups", json!(null))] {
        assert_eq!(read("groups", &absent), "the claim `groups` is not there");
        let none = GroupsClaim { absent: Absent::None, ..GroupsClaim::from("groups") };
        assert_eq!(read(none, &absent), "known: ");
    }
    // Somewhere else is not nowhere.
    let deep = GroupsClaim { absent: Absent::None, ..GroupsClaim::from("groups.roles") };
    assert_eq!(
        read(deep, &claims_with("groups", "x")),
        "the claim `groups.roles` cannot be reached: `groups` is a text, not an object"
    );
    let none = GroupsClaim { absent: Absent::None, ..GroupsClaim::from("groups") };
    assert_eq!(
        read(none, &claims_with("groups", 5)),
        "the claim `groups` is a number, not a list of texts (`format: list`)"
    );
}

#[test]
fn a_list_is_one_of_texts_and_nothing_else() {
    let list = |value: Value| in_form(GroupsFormat::List, value);
    assert_eq!(list(json!(["a", "b"])), "known: a,b");
    assert_eq!(list(json!([])), "known: ");
    let not = |found: &str| format!("the claim `groups` is {found}, not a list of texts (`format: list`)");
    assert_eq!(list(json!("a")), not("a text"));
    assert_eq!(list(json!("[a, b]")), not("a text"));
    assert_eq!(list(json!(5)), not("a number"));
    assert_eq!(list(json!(true)), not("a boolean"));
    assert_eq!(list(json!({"a": 1})), not("an object"));
    let member =
        |found: &str| format!("the claim `groups` is a list with a member that is {found}, not a text");
    assert_eq!(list(json!(["a", 5])), member("a number"));
    assert_eq!(list(json!(["a", null])), member("null"));
    assert_eq!(list(json!([{"name": "a"}])), member("an object"));
    assert_eq!(list(json!([["a"]])), member("a list"));
    assert_eq!(list(json!(["a", ""])), "the claim `groups` has a member that is an empty text");
    assert!(list(json!(["x".repeat(256)])).starts_with("known: x"));
    let long = list(json!(["x".repeat(257)]));
    assert_eq!(long, "the claim `groups` has a member of more than 256 bytes");
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    assert_eq!(list(json!(many)), "the claim `groups` has more than 1000 members");
    assert!(list(json!(many[..1000])).starts_with("known: 0,1,"));
}

/// Active Directory Federation Services sends one group as a text.
#[test]
fn one_group_may_be_a_text_where_that_is_said() {
    let either = |value: Value| in_form(GroupsFormat::ListOrOne, value);
    assert_eq!(either(json!("Domain Users")), "known: Domain Users");
    assert_eq!(either(json!(["a", "b"])), "known: a,b");
    assert_eq!(either(json!("")), "the claim `groups` has a member that is an empty text");
    assert_eq!(
        either(json!(5)),
        "the claim `groups` is a number, not a list of texts or one text (`format: list_or_one`)"
    );
}

/// Amazon Cognito hands on an attribute with several values as `[a, b]`.
#[test]
fn a_text_is_read_as_names_between_commas() {
    let text = |value: &str| in_form(GroupsFormat::Text, json!(value));
    for written in [
        "[contractors, ml-users]",
        "contractors,ml-users",
        " contractors , ml-users ",
        "[contractors,ml-users]",
    ] {
        assert_eq!(text(written), "known: contractors,ml-users", "{written}");
    }
    for one in ["ml-users", "[ml-users]", " ml-users "] {
        assert_eq!(text(one), "known: ml-users", "{one}");
    }
    for none in ["", " ", "[]", "[ ]"] {
        assert_eq!(text(none), "known: ", "{none}");
    }
    // Where a name may hold a blank, a rule that denies `External Contractors` must not meet two other groups.
    for unclear in
        ["External Contractors", "a b", "Domain Users, ml-users", "[Domain Users]", "[Domain Users, b]"]
    {
        assert!(text(unclear).starts_with("the claim `groups` is a text with blanks in it"), "{unclear}");
    }
    for json in [r#"["contractors","ml-users"]"#, r#"{"a": 1}"#, "[[a]]", r#""a""#] {
        assert_eq!(
            text(json),
            "the claim `groups` is a text with quotes or brackets in it, like JSON",
            "{json}"
        );
    }
    for torn in ["[a, b", "a, b]"] {
        assert_eq!(text(torn), "the claim `groups` is a text with a bracket at one end only", "{torn}");
    }
    assert!(text("[").starts_with("the claim `groups` is "), "{}", text("["));
    for empty in ["a,,b", "a,", ",a", "[a, , b]", ","] {
        assert_eq!(text(empty), "the claim `groups` has a member that is an empty text", "{empty}");
    }
    let list = in_form(GroupsFormat::Text, json!(["a"]));
    assert_eq!(list, "the claim `groups` is a list, not a text (`format: text`)");
}

#[test]
fn words_stand_between_blanks() {
    let words = |value: &str| in_form(GroupsFormat::Words, json!(value));
    for written in ["contractors ml-users", " contractors  ml-users "] {
        assert_eq!(words(written), "known: contractors,ml-users", "{written}");
    }
    assert_eq!(words("ml-users"), "known: ml-users");
    assert_eq!(words(" "), "known: ");
    for unclear in ["a, b", "a,b", "[a b]", r#"["a" "b"]"#] {
        assert!(words(unclear).starts_with("the claim `groups` is a text with "), "{unclear}");
    }
}

#[test]
fn names_between_commas_may_hold_blanks() {
    let commas = |value: &str| in_form(GroupsFormat::Commas, json!(value));
    assert_eq!(commas("Domain Users, ml-users"), "known: Domain Users,ml-users");
    assert_eq!(commas("[Domain Users]"), "known: Domain Users");
    assert_eq!(commas("Domain Users"), "known: Domain Users");
    assert_eq!(commas(""), "known: ");
    assert!(commas(r#"["a","b"]"#).contains("like JSON"));
    assert!(in_form(GroupsFormat::Commas, json!(["a"])).contains("is a list, not a text"));
}

#[test]
fn a_text_of_json_is_a_list_of_texts() {
    let text = |value: &str| in_form(GroupsFormat::Json, json!(value));
    assert_eq!(text(r#"["contractors", "Domain Users"]"#), "known: contractors,Domain Users");
    assert_eq!(text("[]"), "known: ");
    for wrong in ["", "a", "[a, b]", r#"["a""#, "['a']"] {
        assert_eq!(text(wrong), "the claim `groups` is a text that holds no JSON", "{wrong}");
    }
    assert_eq!(text(r#"{"a": 1}"#), "the claim `groups` is a text that holds an object in JSON, not a list");
    assert_eq!(text(r#""a""#), "the claim `groups` is a text that holds a text in JSON, not a list");
    assert_eq!(text("null"), "the claim `groups` is a text that holds null in JSON, not a list");
    assert!(text(r#"["a", 5]"#).contains("a member that is a number"));
    assert!(in_form(GroupsFormat::Json, json!(["a"])).contains("is a list, not a text that holds JSON"));
}

/// Zitadel's roles are the names of an object's members.
#[test]
fn the_names_of_an_objects_members_may_be_the_groups() {
    let keys = |value: Value| in_form(GroupsFormat::Keys, value);
    assert_eq!(keys(json!({"ml-users": {"280150600000000002": "corp.example"}})), "known: ml-users");
    assert_eq!(keys(json!({})), "known: ");
    // A value that may as well deny it says nothing for certain, also of the others.
    for (denies, word) in [
        (json!(null), "null"),
        (json!(false), "the boolean false"),
        (json!(0), "the number 0"),
        (json!(-0.0), "the number 0"),
        (json!(""), "an empty text"),
        (json!([]), "an empty list"),
        (json!({}), "an empty object"),
    ] {
        let said = format!("the claim `groups` has a member that is {word}");
        assert_eq!(keys(json!({"ml-users": {"1": "corp.example"}, "b": denies})), said);
    }
    for states in [json!(true), json!(1), json!("member"), json!(["1"]), json!({"1": null})] {
        assert_eq!(keys(json!({"ml-users": states})), "known: ml-users");
    }
    assert_eq!(keys(json!({"": 1})), "the claim `groups` has a member that is an empty text");
    for other in [json!(["a"]), json!("a"), json!(5), json!(true)] {
        assert!(keys(other.clone()).ends_with(", not an object (`format: keys`)"), "{other}");
    }
}

#[test]
fn a_claim_may_be_called_anything() {
    for name in [
        "https://corp.example/claims/groups",
        "cognito:groups",
        "urn:zitadel:iam:org:project:roles",
        "a.b",
        &"n".repeat(900),
    ] {
        let claims = claims_with(name, json!(["ml-risk"]));
        assert_eq!(read(name, &claims), "known: ml-risk", "{name}");
    }
    let steps = ClaimPath::Steps(["https://corp.example", "roles"].map(str::to_owned).to_vec());
    let claims = claims_with("https://corp.example", json!({"roles": ["a"]}));
    assert_eq!(read(steps.clone(), &claims), "known: a");
    assert_eq!(
        read(steps, &claims_without("groups")),
        r#"the claim `["https://corp.example", "roles"]` is not there"#
    );
    let long = read(&*"n".repeat(900), &claims_without("groups"));
    assert!(long.len() < 200 && long.contains("nnn…` is not there"), "{long}");
}

#[test]
fn groups_that_the_provider_left_out_are_told_from_those_that_are_not_there() {
    for (name, value) in [
        ("_claim_names", json!({"groups": "src1"})),
        ("_claim_names", json!("groups")),
        ("hasgroups", json!(true)),
        ("hasgroups", json!("true")),
        ("hasgroups", json!(1)),
        ("groups:src1", json!("src1")),
    ] {
        assert_eq!(read("groups", &claims_with(name, value.clone())), "left out", "{name}: {value}");
        let none = GroupsClaim { absent: Absent::None, ..GroupsClaim::from("groups") };
        let mut claims = claims_without("groups");
        claims[name] = value;
        assert_eq!(read(none, &claims), "left out", "{name}");
    }
    assert_eq!(read("groups", &claims_with("_claim_names", json!({"address": "src1"}))), "known: ml-users");
    assert_eq!(read("groups", &claims_with("hasgroups", false)), "known: ml-users");
    let dotted = claims_with("_claim_names", json!({"https://corp.example/groups": "src1"}));
    assert_eq!(read("https://corp.example/groups", &dotted), "left out");
}
