//! Keys, types and ranges: what the shape of the file alone tells.

use super::{Case, each_is_refused};

#[test]
fn what_does_not_fit_the_schema_is_refused() {
    each_is_refused(CASES);
}

/// A part of the legal configuration, the text that replaces it, and the findings that `check` then reports.
const CASES: &[Case] = &[
    (
        "limits:",
        "limts:",
        &[
            "37:1 limts: unknown key `limts`; allowed: `admin`, `aliases`, `audit`, `aws`, `branding`, `credentials`, `deny`, `destinations`, `drain`, `insecure_trust_everyone`, `issuers`, `limits`, `listen`, `lookups`, `mlflow_apps`, `mlflow_tracking_servers`, `portal`, `public_url`, `session`, `sign_in`, `state`, `tests`, `tokens`, `trusted_proxies` | did you mean `limits`?",
        ],
    ),
    (
        "    audience:",
        "    audiences:",
        &[
            "9:5 issuers.corp.audiences: unknown key `audiences`; allowed: `access_tokens`, `algorithms`, `audience`, `claims`, `client_id`, `discovery_url`, `header`, `insecure_http`, `insecure_unmarked_email`, `issuer`, `jwks_file`, `jwks_uri`, `keys_url`, `preset`, `programs`, `realm`, `region`, `signer`, `user_domains` | did you mean `audience`?",
        ],
    ),
    (
        "    title: Studio",
        "    titel: Studio",
        &[
            "40:5 destinations.studio.titel: unknown key `titel`; allowed: `api`, `description`, `endpoint_url`, `paths`, `prewarm`, `region`, `role_arn`, `rules`, `sso_domain`, `start`, `target`, `title` | did you mean `title`?",
        ],
    ),
    (
        "    title: Studio",
        "    xyzzy: Studio",
        &[
            "40:5 destinations.studio.xyzzy: unknown key `xyzzy`; allowed: `api`, `description`, `endpoint_url`, `paths`, `prewarm`, `region`, `role_arn`, `rules`, `sso_domain`, `start`, `target`, `title`",
        ],
    ),
    ("public_url: https://ml.corp.example\n", "", &["1:1 : the key `public_url` is missing"]),
    (
        "    issuer: https://sso.corp.example/staff\n    audience",
        "    audience",
        &["7:3 issuers.corp: the key `issuer` is missing"],
    ),
    (
        "lifetime: 8h",
        "lifetime:",
        &[
            "27:3 session.lifetime: no value is given | give a value, in quotes if it is the word `null` or begins with `#`, or remove the key",
        ],
    ),
    (
        "lifetime: 8h",
        "lifetime: ~",
        &[
            "27:3 session.lifetime: no value is given | give a value, in quotes if it is the word `null` or begins with `#`, or remove the key",
        ],
    ),
    ("lifetime: 8h", r#"lifetime: """#, &["27:13 session.lifetime: an empty text"]),
    (
        "public_url:",
        "audit: {file: logs/}\npublic_url:",
        &["1:15 audit.file: found `logs/`; allowed: the path of a file"],
    ),
    (
        "public_url:",
        "tokens: {lifetime: 8d}\npublic_url:",
        &[
            "1:20 tokens.lifetime: found `8d`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 1s to 7d",
        ],
    ),
    (
        "public_url:",
        "tokens: {enabled: off}\npublic_url:",
        &["1:19 tokens.enabled: found `off`; allowed: `true` or `false`"],
    ),
    (
        "public_url:",
        "tokens: {life: 1h}\npublic_url:",
        &["1:10 tokens.life: unknown key `life`; allowed: `enabled`, `lifetime` | did you mean `lifetime`?"],
    ),
    (
        "public_url:",
        "audit: {facts: some}\npublic_url:",
        &["1:16 audit.facts: found `some`; allowed: `true` or `false`"],
    ),
    (
        "public_url:",
        "audit: {path: audit.jsonl}\npublic_url:",
        &["1:9 audit.path: unknown key `path`; allowed: `facts`, `file`"],
    ),
    (
        "claims: {sub: u1}",
        "claims: {sub: }",
        &["50:14 tests[0].claims.sub: no value is given | give a value, or remove the key"],
    ),
    (
        "lifetime: 8h",
        "lifetime: [8h]",
        &["27:13 session.lifetime: found a list; allowed: a text | write `8h`, without brackets"],
    ),
    (
        "aliases: [ml.eu.corp.example]",
        "aliases: ml.eu.corp.example",
        &[
            "2:10 aliases: found `ml.eu.corp.example`; allowed: a list | a list of one is written `[ml.eu.corp.example]`",
        ],
    ),
    ("limits: {mints_per_minute: 30}", "limits: many", &["37:9 limits: found `many`; allowed: a map"]),
    (
        "mints_per_minute: 30",
        r#"mints_per_minute: "30""#,
        &[r#"37:28 limits.mints_per_minute: found the text "30"; allowed: a whole number from 1 to 6000"#],
    ),
    (
        "mints_per_minute: 30",
        "mints_per_minute: 0",
        &["37:28 limits.mints_per_minute: found `0`; allowed: a whole number from 1 to 6000"],
    ),
    (
        "mints_per_minute: 30",
        "mints_per_minute: 3e1",
        &["37:28 limits.mints_per_minute: found `3e1`; allowed: a whole number from 1 to 6000"],
    ),
    (
        "mints_per_minute: 30",
        "mints_per_minute: 99999999999999999999",
        &[
            "37:28 limits.mints_per_minute: found `99999999999999999999`; allowed: a whole number from 1 to 6000",
        ],
    ),
    (
        "expires_in_seconds: 20",
        "expires_in_seconds: 301",
        &[
            "45:29 destinations.studio.target.studio_domain.expires_in_seconds: found `301`; allowed: a whole number from 5 to 300",
        ],
    ),
    (
        "credentials: [bearer, ",
        "credentials: [baerer, ",
        &[
            "19:15 credentials[0]: found `baerer`; allowed: `bearer`, `session`, `signed_header` | did you mean `bearer`?",
        ],
    ),
    (
        "credentials: [bearer, session, signed_header]",
        "credentials: []",
        &["19:1 credentials: an empty list; at least one entry is needed"],
    ),
    (
        "  - name: one\n",
        "  - name: one\n    name: two\n",
        &["50:5 tests[0].name: the key is given twice, first on line 49"],
    ),
    (
        "title: Studio",
        "title: !!str Studio",
        &[
            "40:18 destinations.studio.title: a YAML tag; the meaning of a value comes from its key | remove the word that starts with `!`; an expression that begins with `!` needs quotes",
        ],
    ),
    (
        "studio_domain:",
        "studio:",
        &[
            "42:7 destinations.studio.target.studio: unknown key `studio`; allowed: `studio_domain`, `mlflow_tracking_server`, `mlflow_app`, `notebook_instance`, `partner_app` | did you mean `studio_domain`?",
        ],
    ),
    (
        "    target:\n",
        "    target:\n      mlflow_app: {arn: x}\n",
        &[
            "41:5 destinations.studio.target: exactly one of `studio_domain`, `mlflow_tracking_server`, `mlflow_app`, `notebook_instance`, `partner_app` is needed; found 2",
        ],
    ),
    (
        r#"allow: "'ml-users' in groups""#,
        "remedy: x",
        &["46:13 destinations.studio.rules[0]: exactly one of `allow`, `deny` is needed; found none"],
    ),
    (
        r#"allow: "'ml-users' in groups""#,
        "allow: x, deny: y",
        &[
            "46:13 destinations.studio.rules[0]: exactly one of `allow`, `deny` is needed; found `allow`, `deny`",
        ],
    ),
    (
        "client_secret: {file: oidc-client}",
        "client_secret: hunter2hunter2",
        &[
            "23:18 sign_in.client_secret: a secret is never written in the configuration | name an environment variable, `{env: NAME}`, or a file, `{file: PATH}`",
        ],
    ),
    (
        "client_secret: {file: oidc-client}",
        "client_secret: {value: x}",
        &["23:19 sign_in.client_secret: an unknown key, which is not shown; allowed: `env`, `file`"],
    ),
    (
        "client_secret: {file: oidc-client}",
        "client_secret: {env: hunter-2}",
        &["23:24 sign_in.client_secret.env: not the name of an environment variable"],
    ),
    (
        "  client_secret: {file: oidc-client}\n",
        "",
        &["20:1 sign_in: exactly one of `client_secret`, `private_key_jwt` is needed; found none"],
    ),
    (
        "client_secret: {file: oidc-client}",
        "client_secret: {file: oidc-client, env: A}",
        &["23:3 sign_in.client_secret: exactly one of `env`, `file` is needed; found 2"],
    ),
    (
        "expect: {rule: everyone}",
        "expect: {}",
        &["52:5 tests[0].expect: an empty map; at least one entry is needed"],
    ),
    (
        r#"listen: {address: "127.0.0.1:8443"}"#,
        r#"listen: {address: "127.0.0.1:8443", proxy_protocl: off}"#,
        &[
            "3:37 listen.proxy_protocl: unknown key `proxy_protocl`; allowed: `address`, `direct_clients`, `proxy_protocol`, `tls` | did you mean `proxy_protocol`?",
        ],
    ),
    (
        r#"listen: {address: "127.0.0.1:8443"}"#,
        r#"listen: {address: "127.0.0.1:8443", proxy_protocol: optional}"#,
        &["3:53 listen.proxy_protocol: found `optional`; allowed: `off`, `required`"],
    ),
    (
        r#"listen: {address: "127.0.0.1:8443"}"#,
        r#"listen: {address: "127.0.0.1:8443", tls: {certificate: a.pem}}"#,
        &["3:37 listen.tls: the key `private_key` is missing"],
    ),
    (
        "limits: {",
        "limits: {connections: 0, streams: 1001, header_fields: 9, aws_calls: 0, ",
        &[
            "37:23 limits.connections: found `0`; allowed: a whole number from 1 to 1000000",
            "37:35 limits.streams: found `1001`; allowed: a whole number from 1 to 1000",
            "37:56 limits.header_fields: found `9`; allowed: a whole number from 10 to 1000",
            "37:70 limits.aws_calls: found `0`; allowed: a whole number from 1 to 10000",
        ],
    ),
    (
        "preset: aws_alb",
        "preset: aws_nlb",
        &["13:13 issuers.balancer.preset: found `aws_nlb`; allowed: `aws_alb` | did you mean `aws_alb`?"],
    ),
    (
        "timeout: 5s",
        "source_identity: yes",
        &["34:20 aws.source_identity: found `yes`; allowed: `user`, `off`"],
    ),
    (
        "    title: Studio",
        "    title: Studio\n    prewarm: yes",
        &["41:14 destinations.studio.prewarm: found `yes`; allowed: `true` or `false`"],
    ),
    (
        "algorithms: [RS256]",
        "algorithms: [RS256, null]",
        &[
            "10:25 issuers.corp.algorithms[1]: no value is given | give a value, in quotes if it is the word `null` or begins with `#`, or remove the key",
        ],
    ),
    (
        "session_tags: {team: ml}",
        "session_tags: {team: }",
        &[
            "33:18 aws.session_tags.team: no value is given | give a value, in quotes if it is the word `null` or begins with `#`, or remove the key",
        ],
    ),
    (
        "session_tags: {team: ml}",
        "session_tags: [team]",
        &["33:17 aws.session_tags: found a list; allowed: a map"],
    ),
    (
        "    rules: [{name: everyone, allow: \"'ml-users' in groups\"}]\n",
        "    rules: []\n",
        &["46:5 destinations.studio.rules: an empty list; at least one entry is needed"],
    ),
    (
        "    expect: {rule: everyone}",
        "    expect: {rule: everyone, user_profile: u1}",
        &[
            "52:30 tests[0].expect.user_profile: unknown key `user_profile`; allowed: `access`, `arn`, `deny`, `domain_id`, `expires_in_seconds`, `fragment`, `landing_uri`, `name`, `notebook_instance_name`, `region`, `role_arn`, `rule`, `session_expiration_duration_in_seconds`, `space_name`, `start`, `tracking_server_name`, `user_profile_name` | did you mean `user_profile_name`?",
        ],
    ),
    (
        r#"rules: [{name: everyone, allow: "'ml-users' in groups"}]"#,
        r#"rules: [{name: everyone, allow: "true", set: {domain: x}}]"#,
        &[
            "46:51 destinations.studio.rules[0].set.domain: unknown key `domain`; allowed: `arn`, `domain_id`, `expires_in_seconds`, `landing_uri`, `name`, `notebook_instance_name`, `region`, `role_arn`, `session_expiration_duration_in_seconds`, `space_name`, `tracking_server_name`, `user_profile_name` | did you mean `domain_id`?",
        ],
    ),
];
