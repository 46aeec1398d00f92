"""Envoy's configuration: tokens are verified every time on one listener and remembered on another; the other two, one with
TLS, redirect without a question."""

import json

EXTENSION = "type.googleapis.com/envoy.extensions."
# More than the tokens that are sent to it.
CACHED_TOKENS = 5000


def configuration(place):
    listeners = [
        listener("verified", place.port("envoy_tokens"), verifier(place, cached=False)),
        listener("remembered", place.port("envoy_tokens_cached"), verifier(place, cached=True)),
        listener("plain", place.port("envoy")),
        listener("tls", place.port("envoy_tls"), tls=transport(place)),
    ]
    return json.dumps({"static_resources": {"listeners": listeners}}, indent=1)


def verifier(place, cached):
    provider = {
        "issuer": place.issuer,
        "audiences": [place.audience],
        "local_jwks": {"inline_string": (place.data / "jwks.json").read_text()},
        "claim_to_headers": [{"header_name": "x-user", "claim_name": "preferred_username"}],
        "forward": False,
    }
    if cached:
        provider["jwt_cache_config"] = {"jwt_cache_size": CACHED_TOKENS}
    rules = [{"match": {"prefix": "/"}, "requires": {"provider_name": "provider"}}]
    config = {"providers": {"provider": provider}, "rules": rules}
    return typed("jwt_authn", "filters.http.jwt_authn.v3.JwtAuthentication", config)


def listener(name, port, verify=None, tls=None):
    person = "%REQ(x-user)%" if verify else "user-00000"
    location = {"key": "location", "value": f"https://studio.example/launch/{person}"}
    redirect = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 302},
        "response_headers_to_add": [{"header": location, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }
    router = typed("router", "filters.http.router.v3.Router", {"dynamic_stats": False})
    manager = {
        "stat_prefix": name,
        "generate_request_id": False,
        "common_http_protocol_options": {"idle_timeout": "600s"},
        "http_filters": [verify, router] if verify else [router],
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [redirect]}]},
    }
    kind = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    chain = {"filters": [typed("http", kind, manager)]}
    if tls:
        chain["transport_socket"] = tls
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"name": name, "address": address, "filter_chains": [chain]}


def transport(place):
    certificate = {
        "certificate_chain": {"filename": str(place.data / "tls.crt")},
        "private_key": {"filename": str(place.data / "tls.key")},
    }
    versions = {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"}
    config = {
        "disable_stateless_session_resumption": True,
        "common_tls_context": {"tls_params": versions, "tls_certificates": [certificate]},
    }
    return typed("tls", "transport_sockets.tls.v3.DownstreamTlsContext", config)


def typed(name, kind, config):
    return {"name": name, "typed_config": {"@type": EXTENSION + kind, **config}}
