//! The forms of texts as regular expressions, for editors. Loading judges by parsers, which are stricter and give
//! reasons: they refuse everything that a pattern refuses.

use serde_json::{Map, Value};

const URL: &str = r"^https?://[^\s@\\?#]+$";
const DOCUMENT_URL: &str = r"^https?://[^\s@\\#]+$";
const DURATION: &str = r"^(0|(\s*[0-9][0-9.]*\s*[A-Za-zµ]+)+\s*)$";
const SIZE: &str = r"^\+?[0-9]+\s*(KiB|MiB)$";
const LARGE_SIZE: &str = r"^\+?[0-9]+\s*(KiB|MiB|GiB)$";
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$";
const WORD: &str = r"^\S+$";
const LINE: &str = r"^[^\n]{1,64}$";
const NETWORK: &str = "^[0-9A-Fa-f.:]+(/[0-9]+)?$";
const ADDRESS: &str = "^[0-9A-Fa-f.:]+$";
const SOCKET: &str = r"^(\[[0-9A-Fa-f:.%]+\]|[0-9.]+):[0-9]+$";
const HOST: &str = "^[0-9A-Za-z._:-]+$";
const DOMAIN: &str = "^[0-9A-Za-z._-]+$";
const REGION: &str = "^[a-z]{2,}(-[a-z]{2,})+-[0-9]+$";
const ROLE: &str = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
const ALGORITHM: &str = "^(RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|EdDSA|Ed25519)$";
const LOAD_BALANCER: &str =
    "^arn:aws(-cn|-us-gov)?:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:loadbalancer/app/[^/]+/[0-9a-f]{16}$";
const SCOPE: &str = r"^[!#-\[\]-~]+$";
const STORE: &str = "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$";
const WINDOW: &str = "^[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]$";

/// A definition of the schema (the empty text is the configuration itself), its key, and the form of the texts there.
#[rustfmt::skip]
const FORMS: [(&str, &str, &str); 69] = [
    ("", "public_url", r"^https?://[^\s@\\?#/]+/?$"),
    ("", "aliases", HOST),
    ("", "trusted_proxies", NETWORK),
    ("Listen", "address", SOCKET),
    ("Admin", "address", SOCKET),
    ("Issuer", "issuer", URL),
    ("Issuer", "discovery_url", DOCUMENT_URL),
    ("Issuer", "jwks_uri", DOCUMENT_URL),
    ("Issuer", "keys_url", URL),
    ("Issuer", "audience", WORD),
    ("Issuer", "algorithms", ALGORITHM),
    ("Issuer", "user_domains", DOMAIN),
    ("Issuer", "realm", NAME),
    ("Issuer", "header", "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
    ("Issuer", "region", REGION),
    ("Issuer", "signer", LOAD_BALANCER),
    ("Issuer", "client_id", WORD),
    ("Programs", "realm", NAME),
    ("SignIn", "issuer", NAME),
    ("SignIn", "client_id", WORD),
    ("SignIn", "scopes", SCOPE),
    ("SecretReference", "env", VARIABLE),
    ("Session", "lifetime", DURATION),
    ("Session", "idle", DURATION),
    ("Session", "revalidate", DURATION),
    ("Session", "unconfirmed", DURATION),
    ("Tokens", "lifetime", DURATION),
    ("Aws", "region", REGION),
    ("Aws", "role_arn", ROLE),
    ("Aws", "external_id", "^[A-Za-z0-9_+=,.@:/-]{2,1224}$"),
    ("Aws", "timeout", DURATION),
    ("Aws", "endpoint_url", URL),
    ("Aws", "sts_endpoint_url", URL),
    ("Aws", "authorized_url_hosts", r"^\.?[0-9A-Za-z._:\[\]-]+$"),
    ("Limits", "head_size", SIZE),
    ("Limits", "body_size", SIZE),
    ("Deadlines", "first_byte", DURATION),
    ("Deadlines", "proxy_header", DURATION),
    ("Deadlines", "tls_handshake", DURATION),
    ("Deadlines", "request_head", DURATION),
    ("Deadlines", "request_body", DURATION),
    ("Deadlines", "request", DURATION),
    ("Deadlines", "write", DURATION),
    ("Deadlines", "idle", DURATION),
    ("Drain", "delay", DURATION),
    ("Drain", "grace", DURATION),
    ("Valkey", "timeout", DURATION),
    ("Branding", "product_name", LINE),
    ("Branding", "accent_color", "^#[0-9A-Fa-f]{6}$"),
    ("SupportContact", "name", LINE),
    ("SupportContact", "email", r"^[^@\s]+@[0-9A-Za-z._-]+$"),
    ("SupportContact", "url", r"^https://[^\s\\]+$"),
    ("Destination", "endpoint_url", URL),
    ("Api", "endpoint_url", URL),
    ("Api", "s3_endpoint_url", URL),
    ("Api", "body_size", LARGE_SIZE),
    ("Test", "client_ip", ADDRESS),
    ("TrackingServer", "region", REGION),
    ("TrackingServer", "artifact_store_uri", STORE),
    ("TrackingServer", "role_arn", ROLE),
    ("TrackingServer", "mlflow_version", r"^[0-9]+\.[0-9]+(\.[0-9]+)?$"),
    ("TrackingServer", "weekly_maintenance_window_start", WINDOW),
    ("TrackingServer", "s3_bucket_owner_account_id", "^[0-9]{12}$"),
    ("MlflowApp", "region", REGION),
    ("MlflowApp", "artifact_store_uri", STORE),
    ("MlflowApp", "role_arn", ROLE),
    ("MlflowApp", "weekly_maintenance_window_start", WINDOW),
    ("MlflowApp", "kms_key_id", "^[A-Za-z0-9:/_-]+$"),
    ("MlflowApp", "default_domain_id_list", "^d-[a-z0-9-]{1,61}$"),
];

/// Adds the pattern of each text, or of each text of a list.
pub(super) fn add(schema: &mut Value) {
    for (definition, key, pattern) in FORMS {
        let within = match definition {
            "" => Some(&mut *schema),
            name => schema.get_mut("$defs").and_then(|all| all.get_mut(name)),
        };
        if let Some(property) = within.and_then(|within| property(within, key)) {
            let texts = match property.get_mut("items") {
                Some(Value::Object(items)) => items,
                _ => property,
            };
            texts.insert("pattern".to_owned(), pattern.into());
        }
    }
}

/// The property of this name, of a map or of a choice of maps.
fn property<'s>(definition: &'s mut Value, key: &str) -> Option<&'s mut Map<String, Value>> {
    let is_here = definition.pointer(&format!("/properties/{key}")).is_some();
    if is_here {
        return definition.get_mut("properties")?.get_mut(key)?.as_object_mut();
    }
    let choices = definition.get_mut("oneOf")?.as_array_mut()?;
    choices.iter_mut().find_map(|choice| choice.get_mut("properties")?.get_mut(key)?.as_object_mut())
}
