//! Slips of the pen: variables, placeholders and forms of other languages, which `check` recognises and explains.

use super::{Case, changed, each_is_refused, refused};

#[test]
fn what_stands_for_another_text_is_refused() {
    each_is_refused(CASES);
}

/// The help of every variable.
macro_rules! unexpanded {
    ($place:literal) => {
        concat!(
            $place,
            ": `${` stands here, and variables are not expanded | write the value, or render the file before it is read; only secrets are read from elsewhere: `{env: NAME}`, `{file: PATH}`"
        )
    };
}

/// A part of the legal configuration, the text that replaces it, and the findings that `check` then reports.
const CASES: &[Case] = &[
    (
        "  client_id: postern",
        "  client_id: \"${OAUTH_CLIENT_ID}\"",
        &[unexpanded!("22:14 sign_in.client_id")],
    ),
    (
        "    audience: [postern-api]",
        "    audience: [\"api-${STAGE}\", '{{ .Values.audience }}']",
        &[
            unexpanded!("9:16 issuers.corp.audience[0]"),
            "9:32 issuers.corp.audience[1]: `{{ .Values.audience }}` is a placeholder; allowed: the value itself",
        ],
    ),
    ("aliases: [ml.eu.corp.example]", "aliases: ['${ALIAS}']", &[unexpanded!("2:11 aliases[0]")]),
    ("    title: Studio", "    title: Studio of ${TEAM}", &[unexpanded!("40:12 destinations.studio.title")]),
    (
        "    expect: {rule: everyone}",
        "    expect: {user_profile_name: '${profile_name(claims.sub)}'}",
        &[unexpanded!("52:33 tests[0].expect.user_profile_name")],
    ),
    (
        "limits: {mints_per_minute: 30}",
        "limits: {mints_per_minute: \"${RATE}\"}",
        &[
            "37:28 limits.mints_per_minute: found the text \"${RATE}\"; allowed: a whole number from 1 to 6000 | write the value, or render the file before it is read; only secrets are read from elsewhere: `{env: NAME}`, `{file: PATH}`",
        ],
    ),
    (
        "  client_id: postern",
        "  client_id: <client-id>",
        &["22:14 sign_in.client_id: `<client-id>` is a placeholder; allowed: the value itself"],
    ),
    (
        "  client_id: postern",
        "  client_id: CHANGE_ME",
        &["22:14 sign_in.client_id: `CHANGE_ME` is a placeholder; allowed: the value itself"],
    ),
    (
        "        domain_id: d-abcdefghijkl",
        "        domain_id: d-xxxxxxxxxxxx",
        &[
            "43:20 destinations.studio.target.studio_domain.domain_id: `xxxxxxxxxxxx` is a placeholder; allowed: the value itself",
        ],
    ),
    // The name of a variable may be the secret itself.
    (
        "client_secret: {file: oidc-client}",
        "client_secret: {env: 'S3cret-<xxxx>'}",
        &[
            "23:24 sign_in.client_secret.env: a placeholder, or a variable in `${…}` | write the name itself: neither is replaced here",
        ],
    ),
    (
        "  client_id: postern",
        "  client_id: [postern]",
        &["22:14 sign_in.client_id: found a list; allowed: a text | write `postern`, without brackets"],
    ),
    (
        "    algorithms: [RS256]",
        "    algorithms: RS256, ES256",
        &[
            "10:17 issuers.corp.algorithms: found `RS256, ES256`; allowed: a list | a list is written `[RS256, ES256]`",
        ],
    ),
    (
        "allow: \"'ml-users' in groups\"",
        "allow: [ml-users, ML Leads]",
        &[
            "46:37 destinations.studio.rules[0].allow: found a list; allowed: a text | a list is no expression: for groups, write \"'ml-users' in groups || 'ML Leads' in groups\"",
        ],
    ),
    (
        "        user_profile_name: ${profile_name(claims.sub)}",
        "        user_profile_name: {user}",
        &[
            "44:28 destinations.studio.target.studio_domain.user_profile_name: found a map; allowed: a text | a text that begins with `{` needs quotes; what is computed is written \"${…}\"",
        ],
    ),
    (
        "allow: \"'ml-users' in groups\"",
        "allow: *",
        &[
            "46:37 : not YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character | a text that begins with `*` or `&` needs quotes: unquoted, YAML takes it for the name of another value",
        ],
    ),
    (
        "aliases: [ml.eu.corp.example]",
        "aliases: [*.corp.example]",
        &[
            "2:11 : not YAML: while parsing node, found unknown anchor | unquoted, `*name` stands for the value that `&name` marks above, and there is none; a text that begins with `*` needs quotes",
        ],
    ),
    (
        "aliases: [ml.eu.corp.example]",
        "aliases: ['*.corp.example']",
        &[
            "2:11 aliases[0]: found `*.corp.example`; allowed: a host name such as `ml.corp.example`, without scheme, port or path | no wildcard counts here: name each host",
        ],
    ),
    (
        "trusted_proxies: [10.0.100.0/24]",
        "trusted_proxies: ['10.0.*']",
        &[
            "5:19 trusted_proxies[0]: found `10.0.*`; allowed: a network such as `10.0.100.0/24`, or an address | name the load balancer's own subnets",
        ],
    ),
    (
        "    audience: [postern-api]",
        "    audience: ['*']",
        &["9:16 issuers.corp.audience[0]: `*` is compared as it is, and stands for no other | name each one"],
    ),
    (
        "listen: {address: \"127.0.0.1:8443\"}",
        "listen: {address: ':8443'}",
        &[
            "3:19 listen.address: found `:8443`; allowed: an IP address and a port, such as `127.0.0.1:8443` or `[::]:8443` | for all addresses of this machine, write `[::]:8443`",
        ],
    ),
    (
        "listen: {address: \"127.0.0.1:8443\"}",
        "listen: {address: 'localhost:8443'}",
        &[
            "3:19 listen.address: found `localhost:8443`; allowed: an IP address and a port, such as `127.0.0.1:8443` or `[::]:8443` | write `127.0.0.1:8443`",
        ],
    ),
    (
        "  role_arn: arn:aws:iam::111122223333:role/postern",
        "  role_arn: postern",
        &[
            "31:13 aws.role_arn: found `postern`; allowed: `arn:aws:iam::ACCOUNT:role/NAME`, ACCOUNT being 12 digits | this is a name or an id: write the whole ARN, as AWS shows it",
        ],
    ),
    (
        "  role_arn: arn:aws:iam::111122223333:role/postern",
        "  role_arn: arn:aws:sts::111122223333:assumed-role/postern/ada",
        &[
            "31:13 aws.role_arn: found `arn:aws:sts::111122223333:assumed-role/postern/ada`; allowed: `arn:aws:iam::ACCOUNT:role/NAME`, ACCOUNT being 12 digits | this is a session of the role `arn:aws:iam::111122223333:role/postern`",
        ],
    ),
];

/// Both issuers of the configuration have this name, so it is found twice.
#[test]
fn what_is_no_name_of_an_issuer_is_refused() {
    let said = |issuer: &str| {
        let text = super::LEGAL.replacen("https://sso.corp.example/staff", issuer, 1);
        refused(&text)
    };
    assert_eq!(
        said("https://sso.corp.example/staff/.well-known/openid-configuration"),
        [
            "8:13 issuers.corp.issuer: found `https://sso.corp.example/staff/.well-known/openid-configuration`; allowed: the issuer's own name, which its discovery document has under `issuer` | probably `https://sso.corp.example/staff`; `discovery_url` takes the address of a document"
        ]
    );
    for host in [
        "https:sso.corp.example/staff",
        "https:///sso.corp.example/staff",
        "https://sso..corp.example/staff",
        "https://sso.corp.example./staff",
        "https://-sso.corp.example/staff",
        "https://*.corp.example/staff",
        "https://$HOST/staff",
        "https://%73so.corp.example:0/staff",
        "https://127.1/staff",
        "https://0x7f.0.0.1/staff",
        "https://sso.corp.example:65536/staff",
        "sso.corp.example/staff",
    ] {
        let allowed = "allowed: an absolute `https` URL without user, query or fragment";
        assert_eq!(said(host), [format!("8:13 issuers.corp.issuer: found `{host}`; {allowed}")]);
    }
}

/// Nothing is refused that works.
#[test]
fn what_only_looks_like_a_placeholder_is_taken() {
    for (from, to) in [
        ("  client_id: postern", "  client_id: xxx-postern"),
        ("  client_id: postern", "  client_id: maxxxxine"),
        ("  client_id: postern", "  client_id: a<b"),
        ("    title: Studio", "    title: <Studio> xxxx"),
        ("  endpoint_url: https://vpce.example", "  endpoint_url: https://my_service.vpce.example:8443"),
        ("  session_tags: {team: ml}", "  session_tags: {team: 'a:b/c=d'}"),
    ] {
        super::accepted(&changed(from, to));
    }
}
