//! What people write in expressions and templates who know other languages.

use super::AROUND;

#[test]
fn an_expression_that_means_something_else_is_told_how_it_is_written() {
    for (written, said) in [
        ("*", "`*` is not a CEL expression; `true` allows everybody"),
        (
            "ml-users",
            "`ml-users` is a word, and a rule asks yes or no; for a group, write \"'ml-users' in groups\"; `true` is for everybody",
        ),
        (
            "groups.contains('x')",
            "`contains` is not how groups are asked (at character 16); write 'x' in groups",
        ),
        (
            "groups.includes('x')",
            "`includes` is not how groups are asked (at character 16); write 'x' in groups",
        ),
        ("groups.has('x')", "`has` is not how groups are asked (at character 11); write 'x' in groups"),
        ("hasGroup('x')", "`hasGroup` is not how groups are asked (at character 9); write 'x' in groups"),
        (
            "groups.startsWith('ml-')",
            "`startsWith` is not how groups are asked (at character 18); write groups.exists(group, group.startsWith('ml-'))",
        ),
        (
            "'ml-*' in groups",
            "`ml-*` is compared as it is: `*` stands for no other text (at character 1); write groups.exists(group, group.startsWith('ml-'))",
        ),
        ("email == 'x'", "there is no variable `email` (at character 1); a claim is read by `claims.email`"),
        (
            "'x' in user.groups",
            "a string has no field `groups` (at character 12); `groups` is a variable of its own",
        ),
        (
            "${'x' in groups}",
            "is not a CEL expression: token recognition error at: '$' (at character 1); an expression stands without `${` and `}`",
        ),
    ] {
        let faults = AROUND.expression_faults(written);
        assert_eq!(faults.len(), 1, "{written}: {faults:?}");
        assert_eq!(faults[0], said, "{written}");
    }
}

fn template_faults(written: &str) -> Vec<String> {
    AROUND.faults(&format!(
        "destinations:\n  studio:\n    target: {{studio_domain: {{domain_id: d-abcdefghijkl, user_profile_name: \"{written}\"}}}}\n    rules: [{{name: all, allow: 'true'}}]\n"
    ))
}

#[test]
fn a_template_that_is_none_is_told_how_it_is_written() {
    let help = "what is computed is written `${…}`, such as `${profile_name(user)}`";
    for written in ["{user}", "a-{user}", "${profile_name(user)}-{realm}", "{{user}}"] {
        assert_eq!(
            template_faults(written),
            [format!(
                "destinations.studio.target.studio_domain.user_profile_name: `{written}` has a brace outside of `${{…}}`; {help}"
            )]
        );
    }
    let faults = template_faults("${{profile_name(user)}}");
    assert!(faults[0].ends_with("; one pair of braces is enough: `${user}`"), "{faults:?}");
    let faults = template_faults("arn:aws:sagemaker:eu-west-1:111122223333:user-profile/d-abcdefghijkl/ada");
    assert!(faults[0].ends_with("; this is an ARN: write what it ends in, `ada`"), "{faults:?}");
}
