//! Issuers: whose tokens are believed must be said without a doubt.

use super::{Case, each_is_refused};

#[test]
fn an_issuer_that_cannot_be_believed_is_refused() {
    each_is_refused(CASES);
}

/// A part of the legal configuration, the text that replaces it, and the findings that `check` then reports.
const CASES: &[Case] = &[
    (
        "  corp:\n",
        "  corp example:\n",
        &[
            "7:3 issuers.corp example: found `corp example`; allowed: 1 to 63 letters, digits, `-` and `_`, a letter or digit first",
        ],
    ),
    (
        "https://sso.corp.example/staff\n    audience",
        "http://sso.corp.example/staff\n    audience",
        &[
            "8:13 issuers.corp.issuer: found `http://sso.corp.example/staff`; allowed: an absolute `https` URL without user, query or fragment | `insecure_http: true` accepts `http`",
        ],
    ),
    (
        "https://sso.corp.example/staff\n    audience",
        "https://sso.corp.example/staff#x\n    audience",
        &[
            "8:13 issuers.corp.issuer: found `https://sso.corp.example/staff#x`; allowed: an absolute `https` URL without user, query or fragment",
        ],
    ),
    (
        "    audience: [postern-api]",
        "    audience: [postern-api]\n    jwks_uri: https://a.example\n    jwks_file: a.json",
        &["11:16 issuers.corp.jwks_file: `jwks_uri` is given, too: one of the two must go"],
    ),
    (
        "    audience: [postern-api]",
        "    audience: [postern-api]\n    jwks_file: /nowhere/a.json",
        &[
            "10:16 issuers.corp.jwks_file: `/nowhere/a.json` cannot be read: No such file or directory (os error 2)",
        ],
    ),
    (
        "algorithms: [RS256]",
        "algorithms: [HS256]",
        &[
            "10:18 issuers.corp.algorithms[0]: `HS256` is symmetric: whoever can check a token could also make one | allowed: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`, `Ed25519`",
        ],
    ),
    (
        "algorithms: [RS256]",
        "algorithms: [none]",
        &[
            "10:18 issuers.corp.algorithms[0]: `none` is no signature | allowed: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`, `Ed25519`",
        ],
    ),
    (
        "algorithms: [RS256]",
        "algorithms: [ES512]",
        &[
            "10:18 issuers.corp.algorithms[0]: found `ES512`; allowed: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`, `Ed25519` | did you mean `RS512`?",
        ],
    ),
    (
        "algorithms: [RS256]",
        "algorithms: [XY]",
        &[
            "10:18 issuers.corp.algorithms[0]: found `XY`; allowed: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`, `Ed25519`",
        ],
    ),
    ("    algorithms: [RS256]\n", "", &["7:3 issuers.corp: the key `algorithms` is missing"]),
    (
        "    algorithms: [RS256]\n    user_domains: [corp.example]\n",
        "    algorithms: [RS256]\n",
        &[
            "7:3 issuers.corp: the key `user_domains` is missing: the user is an e-mail address, and it says whose addresses this issuer may assert",
        ],
    ),
    (
        "algorithms: [RS256]",
        "algorithms: [RS256]\n    claims: {user: a..b}",
        &[
            "11:20 issuers.corp.claims.user: found `a..b`; allowed: the name of a claim, or a dotted path such as `realm_access.roles` | a list of names, one for each step, takes any name",
        ],
    ),
    (
        "algorithms: [RS256]\n    user_domains: [corp.example]",
        "algorithms: [RS256]\n    user_domains: [ada@corp.example]",
        &[
            "11:20 issuers.corp.user_domains[0]: found `ada@corp.example`; allowed: a domain such as `corp.example` | write what stands behind the `@`",
        ],
    ),
    (
        "algorithms: [RS256]",
        "algorithms: [RS256]\n    realm: a b",
        &[
            "11:12 issuers.corp.realm: found `a b`; allowed: 1 to 63 letters, digits, `-` and `_`, a letter or digit first",
        ],
    ),
    (
        "algorithms: [RS256]",
        "algorithms: [RS256]\n    region: eu-west-1",
        &["11:13 issuers.corp.region: `region` belongs to `preset: aws_alb`, which is not set"],
    ),
    (
        "    audience: [postern-api]\n",
        "    header: x-token\n",
        &[
            "7:3 issuers.corp: the key `audience` is missing: tokens in `header` are checked by it",
            "19:15 credentials[0]: no issuer without `header` has an `audience` for this credential",
        ],
    ),
    (
        "    audience: [postern-api]\n",
        "    audience: [postern-api]\n    header: Authorization\n",
        &[
            "10:13 issuers.corp.header: `authorization` is not a load balancer's own header | tokens in `Authorization` are the credential `bearer`",
            "20:15 credentials[0]: no issuer without `header` has an `audience` for this credential",
        ],
    ),
    (
        "    audience: [postern-api]\n",
        "    audience: [postern-api]\n    header: \"a b\"\n",
        &[
            "10:13 issuers.corp.header: found `a b`; allowed: the name of a request header, such as `x-amzn-oidc-data`",
            "20:15 credentials[0]: no issuer without `header` has an `audience` for this credential",
        ],
    ),
    (
        "    region: eu-west-1\n    signer",
        "    signer",
        &["12:3 issuers.balancer: the key `region` is missing: `preset: aws_alb` needs it"],
    ),
    (
        "    region: eu-west-1\n    signer",
        "    region: us-east-1\n    signer",
        &["15:13 issuers.balancer.signer: this load balancer is in `eu-west-1`, `region` is `us-east-1`"],
    ),
    (
        "    client_id: ml-balancer\n",
        "",
        &["12:3 issuers.balancer: the key `client_id` is missing: `preset: aws_alb` needs it"],
    ),
    (
        "    client_id: ml-balancer\n",
        "    client_id: ml-balancer\n    audience: [x]\n    algorithms: [ES256]\n    jwks_uri: https://a.example\n",
        &[
            "18:16 issuers.balancer.audience: `audience` cannot be set beside `preset: aws_alb`",
            "19:18 issuers.balancer.algorithms: `algorithms` cannot be set beside `preset: aws_alb`",
            "20:15 issuers.balancer.jwks_uri: `jwks_uri` cannot be set beside `preset: aws_alb`",
        ],
    ),
    (
        "loadbalancer/app/ml/50dc6c495c0c9188",
        "loadbalancer/net/ml/50dc6c495c0c9188",
        &[
            "15:13 issuers.balancer.signer: found `arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/net/ml/50dc6c495c0c9188`; allowed: `arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID`, all of it",
        ],
    ),
    (
        "    preset: aws_alb\n    region: eu-west-1\n    signer: arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/ml/50dc6c495c0c9188\n    issuer: https://sso.corp.example/staff\n    client_id: ml-balancer\n",
        "    issuer: https://sso.corp.example/staff\n    audience: [b]\n    algorithms: [RS256]\n",
        &[
            "13:13 issuers.balancer.issuer: issuer `corp` has the same `issuer` and reads tokens from the same place",
            "17:32 credentials[2]: no issuer has a `header` for this credential",
        ],
    ),
    (
        "    client_id: ml-balancer\n",
        "    client_id: ml-balancer\n    keys_url: http://127.0.0.1:8000/\n",
        &[
            "18:15 issuers.balancer.keys_url: found `http://127.0.0.1:8000/`; allowed: an absolute `https` URL without user, query or fragment | `insecure_http: true` accepts `http`",
        ],
    ),
    (
        "    audience: [postern-api]\n",
        "    audience: [\"a b\"]\n",
        &["9:16 issuers.corp.audience[0]: found `a b`; allowed: at most 1024 characters without spaces"],
    ),
];
