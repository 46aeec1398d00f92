"""Canaille, on Authlib, as an identity provider: `server.py OPTIONS`, as `provider.py` explains.

It does not say `email_verified`. Its answer to a refresh has no ID token, and for a locked person it is `invalid_request`.
"""

import datetime
import logging
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import provider
from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc.jwk import RSAKey
from werkzeug.serving import run_simple

OPTIONS = provider.options()
PORT = provider.free_port()
ISSUER = f"http://localhost:{PORT}"


def new_key():
    return RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)


logging.disable(logging.WARNING)
app = create_app(
    {
        "SECRET_KEY": os.urandom(32).hex(),
        "SERVER_NAME": f"localhost:{PORT}",
        "PREFERRED_URL_SCHEME": "http",
        "SESSION_COOKIE_SECURE": False,
        "CANAILLE": {
            "DATABASE": "memory",
            "TIMEZONE": "UTC",
            "ENABLE_PASSWORD_COMPROMISSION_CHECK": False,
            # Otherwise a script replaces its pages after the address has changed, and a button may be of either page.
            "HTMX": False,
        },
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [new_key()], "INACTIVE_JWKS": []},
    }
)


# Its backend in memory is for one request at a time.
ALONE = threading.Lock()


def alone(environment, start_response):
    with ALONE:
        return list(app(environment, start_response))


def in_backend(order):
    def carried_out(**arguments):
        with ALONE, app.app_context(), Backend.instance.session():
            order(**arguments)

    return carried_out


def set_up():
    client = models.Client(
        client_id=provider.CLIENT_ID,
        client_secret=OPTIONS["client_secret"],
        client_name="ML portal",
        client_uri="https://ml.corp.example",
        redirect_uris=[OPTIONS["redirect_uri"]],
        post_logout_redirect_uris=[OPTIONS["post_logout_redirect_uri"]],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=provider.SCOPES,
        token_endpoint_auth_method="client_secret_basic",
        id_token_signed_response_alg="RS256",
    )
    Backend.instance.save(client)
    client.audience = [client]  # otherwise its ID tokens are for nobody
    Backend.instance.save(client)


def person(user):
    return Backend.instance.get(models.User, user_name=user)


def add(user):
    created = models.User(
        user_name=user,
        given_name=user.capitalize(),
        family_name="Example",
        formatted_name=f"{user.capitalize()} Example",
        emails=[f"{user}@corp.example"],
    )
    Backend.instance.save(created)
    Backend.instance.set_user_password(created, provider.PASSWORD)
    for name in (provider.GROUP, provider.OTHER_GROUP):
        group = Backend.instance.get(models.Group, display_name=name) or models.Group(display_name=name)
        group.members = [*(group.members or []), created]
        Backend.instance.save(group)


def remove_group(user):
    group = Backend.instance.get(models.Group, display_name=provider.GROUP)
    group.members = [member for member in group.members if member.user_name != user]
    Backend.instance.save(group)


def lock(user):
    locked = person(user)
    locked.lock_date = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    Backend.instance.save(locked)


def rotate():
    keys = app.config["CANAILLE_OIDC"]
    keys["INACTIVE_JWKS"] = [*keys["ACTIVE_JWKS"], *keys["INACTIVE_JWKS"]]
    keys["ACTIVE_JWKS"] = [new_key()]


in_backend(set_up)()
provider.in_background(lambda: run_simple("localhost", PORT, alone, threaded=True))
orders = {"add": add, "remove-group": remove_group, "lock": lock, "rotate": rotate}
provider.serve(ISSUER, {name: in_backend(order) for name, order in orders.items()})
