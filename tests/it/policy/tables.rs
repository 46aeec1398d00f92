//! Tables: what they hold must fit where it is used.

use super::{AROUND, Around};

fn rules(profile: &str) -> String {
    format!(
        "lookups: {{profiles: {{file: profiles.yaml}}}}\ndestinations:\n  studio:\n    target: {{studio_domain: {{domain_id: d-abcdefghijkl, user_profile_name: \"{profile}\"}}}}\n    rules: [{{name: all, allow: 'true'}}]\n"
    )
}

fn around<'a>(
    files: &'a [(&'a str, &'a str)],
    issuers: &'a [(&'a str, &'a str, &'a [&'a str])],
) -> Around<'a> {
    Around { files, issuers, ..AROUND }
}

const BY_ADDRESS: &[(&str, &str, &[&str])] = &[("corp", "staff", &["corp.example"])];
const BY_NAME: &[(&str, &str, &[&str])] = &[("corp", "staff", &[])];

#[test]
fn a_value_that_its_field_does_not_take_is_refused_with_its_place() {
    let table = "ada@corp.example: ada\nmax@corp.example: max.mustermann\n\"grace@corp.example\": \
                 gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg\n";
    let files = [("profiles.yaml", table)];
    let at = "destinations.studio.target.studio_domain.user_profile_name";
    let allowed =
        "1 to 63 letters, digits and inner hyphens, without `.`, `_` or `@`, no hyphen first or last";
    let long = "g".repeat(64);
    let faults = around(&files, BY_ADDRESS).faults(&rules("${lookup('profiles', user)}"));
    assert_eq!(
        faults,
        [
            format!(
                "{at}: `max@corp.example` of the table `profiles` (profiles.yaml:2:19): `max.mustermann` is not allowed here: {allowed}"
            ),
            format!(
                "{at}: `grace@corp.example` of the table `profiles` (profiles.yaml:3:23): `{long}` is not allowed here: {allowed}"
            ),
        ]
    );
    // What stands around the value counts with it, and a name that is made of it is always legal.
    let faults = around(&files, BY_ADDRESS).faults(&rules("${'x-' + lookup('profiles', user)}"));
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("`x-max.mustermann` is not allowed here"), "{faults:?}");
    let faults = around(&files, BY_ADDRESS).faults(&rules("${profile_name('x', lookup('profiles', user))}"));
    assert_eq!(faults, [""; 0]);
}

#[test]
fn many_wrong_values_are_counted() {
    let table: String = (0..25).map(|number| format!("p{number}@corp.example: p.{number}\n")).collect();
    let files = [("profiles.yaml", table.as_str())];
    let faults = around(&files, BY_ADDRESS).faults(&rules("${lookup('profiles', user)}"));
    assert_eq!(faults.len(), 11, "{faults:?}");
    // The first ones in the order of the file.
    for (number, fault) in faults[..10].iter().enumerate() {
        assert!(fault.contains(&format!("`p{number}@corp.example` of the table")), "{number}: {faults:?}");
    }
    assert!(faults[10].ends_with("15 more values of tables are not allowed here"), "{faults:?}");
}

fn warnings(table: &str, profile: &str, issuers: &[(&str, &str, &[&str])]) -> Vec<String> {
    let files = [("profiles.yaml", table)];
    let compiled = around(&files, issuers).compile(&rules(profile));
    compiled.unwrap_or_else(|faults| panic!("{faults:#?}")).2
}

#[test]
fn a_key_that_nobody_can_have_is_warned_of() {
    let by_user = "${lookup('profiles', user)}";
    let said = |table, profile, issuers| warnings(table, profile, issuers);
    assert_eq!(
        said(
            "Ada@Corp.Example: ada\nMax@corp.example: max\ngrace@corp.example: grace\n",
            by_user,
            BY_ADDRESS
        ),
        [
            "lookups.profiles.file: nobody is looked up by the key `Ada@Corp.Example` (profiles.yaml:1), and 1 more like it; people arrive as `ada@corp.example`"
        ]
    );
    assert_eq!(
        said("ada@other.example: ada\n", by_user, BY_ADDRESS),
        [
            "lookups.profiles.file: nobody is looked up by the key `ada@other.example` (profiles.yaml:1); an address is in lower case, of one of the `user_domains`; there are no blanks around a name"
        ]
    );
    assert_eq!(
        said("'ada@corp.example ': ada\n", by_user, BY_ADDRESS),
        [
            "lookups.profiles.file: nobody is looked up by the key `ada@corp.example ` (profiles.yaml:1); people arrive as `ada@corp.example`"
        ]
    );
    let by_local_part = "${lookup('profiles', local_part(user, 'corp.example'))}";
    assert_eq!(said("ada@corp.example: ada\n", by_local_part, BY_ADDRESS).len(), 1);
    let by_folded = "${lookup('profiles', user.lowerAscii())}";
    assert_eq!(said("Ada: ada\n", by_folded, BY_NAME).len(), 1);
    let by_subject = "${lookup('profiles', claims.sub)}";
    assert_eq!(said("' u-1': ada\n", by_subject, BY_NAME).len(), 1);
}

#[test]
fn a_key_that_somebody_may_have_is_not_warned_of() {
    let none: [&str; 0] = [];
    let by_user = "${lookup('profiles', user)}";
    assert_eq!(warnings("ada@corp.example: ada\n", by_user, BY_ADDRESS), none);
    // A name that is no address keeps its case.
    assert_eq!(warnings("Ada: ada\n", by_user, BY_NAME), none);
    // Programs of a second issuer may have any name.
    let both: &[(&str, &str, &[&str])] = &[BY_ADDRESS[0], ("jobs", "jobs", &[])];
    let apart = "${realm == 'staff' ? lookup('profiles', user) : profile_name('jobs', user)}";
    assert_eq!(warnings("Nightly: nightly\nada@corp.example: ada\n", apart, both), none);
    // A claim holds whatever the provider puts there.
    assert_eq!(warnings("Ada@Elsewhere: ada\n", "${lookup('profiles', claims.sub)}", BY_ADDRESS), none);
}
