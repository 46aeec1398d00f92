"""Glewlwyd as an identity provider: `server.py OPTIONS`, as `provider.py` explains.

Its answer to a refresh has no ID token and a new refresh token. It refreshes tokens of people whose account is disabled, so
`/lock` removes the account. It says `invalid_code` or `unauthorized_client` where RFC 6749 has `invalid_grant` and `invalid_client`.
Its logout tokens are those of draft 06: without `exp`.
"""

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import provider

OPTIONS = provider.options()
FOLDER = OPTIONS["folder"]
PROGRAM = os.path.join(OPTIONS["peer"], "root")
DOCUMENTS = os.path.join(PROGRAM, "usr/share/doc/glewlwyd")
SHARED = "/usr/share/glewlwyd"
PORT = provider.free_port()
API = f"http://localhost:{PORT}/api"
ISSUER = f"{API}/oidc"
SIGNER = {}


def at(name):
    return os.path.join(FOLDER, name)


class Administrator:
    """Signed in at the API as the account that a new database has."""

    def __init__(self):
        self.cookies = {}
        self.asks("POST", "/auth/", {"username": "admin", "password": "password"})

    def asks(self, method, path, body=None):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(API + path, method=method, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                for cookie in answer.headers.get_all("Set-Cookie") or []:
                    self.cookies.update([cookie.split(";")[0].split("=", 1)])
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()[:400]}") from error


def start():
    program = provider.child([os.path.join(PROGRAM, "usr/bin/glewlwyd"), "--config-file", at("glewlwyd.conf")])
    provider.wait_for(f"http://localhost:{PORT}/config")
    return program


def new_key():
    subprocess.run(["openssl", "genrsa", "-out", at("key.pem"), "2048"], check=True, capture_output=True)
    subprocess.run(
        ["openssl", "rsa", "-in", at("key.pem"), "-pubout", "-out", at("key.pub")], check=True, capture_output=True
    )
    return {"key": open(at("key.pem")).read(), "cert": open(at("key.pub")).read()}


def data_format(multiple):
    return {"multiple": multiple, "read": True, "write": True, "profile-read": True, "profile-write": False}


def describe_people_and_clients(administrator):
    """Fields beyond those that every user and client has. They count from the next start on."""
    users = administrator.asks("GET", "/mod/user/database")
    users["parameters"]["data-format"].update(groups=data_format(True), email_verified=data_format(False))
    administrator.asks("PUT", "/mod/user/database", users)
    clients = administrator.asks("GET", "/mod/client/database")
    clients["parameters"]["data-format"]["post_logout_redirect_uris"] = data_format(True)
    administrator.asks("PUT", "/mod/client/database", clients)


def plugin():
    always = {"mandatory": True, "on-demand": False, "scope": []}
    marked = {"type": "boolean", "boolean-value-true": "1", "boolean-value-false": "0"}
    return {
        "module": "oidc",
        "name": "oidc",
        "display_name": "OpenID Connect",
        "enabled": True,
        "parameters": {
            "iss": ISSUER,
            "jwt-type": "rsa",
            "jwt-key-size": "256",
            **SIGNER,
            "jwks-show": True,
            "jwks-x5c": [],
            "access-token-duration": 3600,
            "refresh-token-duration": 1209600,
            "code-duration": 600,
            "refresh-token-rolling": True,
            "refresh-token-one-use": "always",
            "allow-non-oidc": False,
            "auth-type-code-enabled": True,
            "auth-type-refresh-enabled": True,
            **{
                f"auth-type-{kind}-enabled": False
                for kind in ("token", "implicit", "password", "client", "device")
            },
            "subject-type": "public",
            "allowed-scope": provider.SCOPES,
            "request-parameter-allow": False,
            "pkce-allowed": True,
            "pkce-required": True,
            "pkce-method-plain-allowed": False,
            "pkce-scopes": [],
            "session-management-allowed": True,
            "back-channel-logout-allowed": True,
            "front-channel-logout-allowed": False,
            "session-cookie-name": "GLEWLWYD2_OIDC_SESSION",
            "session-cookie-expiration": 2419200,
            "name-claim": "mandatory",
            "email-claim": "mandatory",
            "scope-claim": "no",
            "additional-parameters": [],
            "claims": [
                {"name": "groups", "user-property": "groups", "type": "string", **always},
                {"name": "email_verified", "user-property": "email_verified", **marked, **always},
            ],
            "client-pubkey-parameter": "pubkey",
            "client-jwks-parameter": "jwks",
            "client-jwks_uri-parameter": "jwks_uri",
            "oauth-as-iss-id": True,
        },
    }


def client():
    return {
        "client_id": provider.CLIENT_ID,
        "name": "ML portal",
        "confidential": True,
        "enabled": True,
        "client_secret": OPTIONS["client_secret"],
        "redirect_uri": [OPTIONS["redirect_uri"]],
        "post_logout_redirect_uris": [OPTIONS["post_logout_redirect_uri"]],
        "backchannel_logout_uri": OPTIONS["backchannel_logout_uri"],
        "backchannel_logout_session_required": "1",
        "authorization_type": ["code", "refresh_token"],
        "token_endpoint_auth_method": ["client_secret_basic"],
        "scope": [],
    }


def person(user, **more):
    return {
        "username": user,
        "name": f"{user.capitalize()} Example",
        "email": f"{user}@corp.example",
        "email_verified": "1",
        "enabled": True,
        "groups": [provider.GROUP, provider.OTHER_GROUP],
        "scope": [*provider.SCOPES, "g_profile"],
        **more,
    }


def add(user):
    administrator.asks("POST", "/user/", person(user, password=provider.PASSWORD))


def remove_group(user):
    administrator.asks("PUT", f"/user/{user}", person(user, groups=[provider.OTHER_GROUP]))


def lock(user):
    administrator.asks("DELETE", f"/user/{user}")


def rotate():
    SIGNER.update(new_key())
    administrator.asks("PUT", "/mod/plugin/oidc", plugin())
    for action in ("disable", "enable"):
        administrator.asks("PUT", f"/mod/plugin/oidc/{action}")


os.mkdir(at("none"))
shutil.copytree(os.path.join(SHARED, "webapp"), at("webapp"), ignore=shutil.ignore_patterns("config.json"))
shutil.copy(os.path.join(SHARED, "templates/config.json"), at("webapp/config.json"))
configuration = open(os.path.join(os.path.dirname(__file__), "glewlwyd.conf")).read()
for name, value in (("PORT", str(PORT)), ("FOLDER", FOLDER), ("PROGRAM", PROGRAM)):
    configuration = configuration.replace(name, value)
with open(at("glewlwyd.conf"), "w") as written:
    written.write(configuration)
with gzip.open(os.path.join(DOCUMENTS, "database/init.sqlite3.sql.gz"), "rt") as schema:
    sqlite3.connect(at("glewlwyd.sqlite")).executescript(schema.read()).close()
SIGNER.update(new_key())
first = start()
describe_people_and_clients(Administrator())
first.terminate()
first.wait()
start()
administrator = Administrator()
for scope in provider.SCOPES[1:]:
    described = {"name": scope, "display_name": scope, "description": scope}
    administrator.asks("POST", "/scope/", {**described, "password_required": False, "password_max_age": 0, "scheme": {}})
administrator.asks("POST", "/mod/plugin/", plugin())
administrator.asks("POST", "/client/", client())
provider.serve(ISSUER, {"add": add, "remove-group": remove_group, "lock": lock, "rotate": rotate})
