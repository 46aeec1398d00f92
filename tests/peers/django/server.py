"""django-oauth-toolkit as an identity provider: `server.py OPTIONS`, as `provider.py` explains.

It refreshes tokens of people whose account is inactive, so `/lock` removes the person's tokens too, as its documentation advises.
"""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import provider
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

OPTIONS = provider.options()
PORT = provider.free_port()
SITE = f"http://localhost:{PORT}"
ISSUER = f"{SITE}/o"


def new_key():
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return rsa.generate_private_key(65537, 2048).private_bytes(*form).decode()


def toolkit(keys):
    return {
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": ISSUER,
        "OIDC_RSA_PRIVATE_KEY": keys[0],
        "OIDC_RSA_PRIVATE_KEYS_INACTIVE": keys[1:],
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OAUTH2_VALIDATOR_CLASS": "urls.Validator",
        "SCOPES": {scope: scope for scope in provider.SCOPES},
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
    }


KEYS = [new_key()]

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["localhost"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(OPTIONS["folder"], "db.sqlite"),
            "OPTIONS": {"timeout": 20},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    LOGIN_URL="/login/",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    OAUTH2_PROVIDER=toolkit(KEYS),
    ROOT_URLCONF="urls",
    SECRET_KEY=os.urandom(32).hex(),
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "DIRS": [os.path.dirname(__file__)],
            "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
        }
    ],
    USE_TZ=True,
)

import django

django.setup()

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.servers.basehttp import run
from django.core.signals import setting_changed
from django.core.wsgi import get_wsgi_application
from oauth2_provider.models import AccessToken, Application, RefreshToken


# SQLite refuses at once a transaction that begins to write while another one writes.
ALONE = threading.Lock()
APPLICATION = get_wsgi_application()


def alone(environment, start_response):
    with ALONE:
        return APPLICATION(environment, start_response)


def in_turn(order):
    def carried_out(**arguments):
        with ALONE:
            order(**arguments)

    return carried_out


def add(user):
    person = User.objects.create_user(user, f"{user}@corp.example", provider.PASSWORD, first_name=user.capitalize())
    for name in (provider.GROUP, provider.OTHER_GROUP):
        person.groups.add(Group.objects.get_or_create(name=name)[0])


def remove_group(user):
    User.objects.get(username=user).groups.remove(Group.objects.get(name=provider.GROUP))


def lock(user):
    person = User.objects.get(username=user)
    person.is_active = False
    person.save()
    for model in (RefreshToken, AccessToken):
        model.objects.filter(user=person).delete()


def rotate():
    KEYS.insert(0, new_key())
    settings.OAUTH2_PROVIDER = toolkit(KEYS)
    setting_changed.send(sender=None, setting="OAUTH2_PROVIDER", value=settings.OAUTH2_PROVIDER, enter=True)


call_command("migrate", verbosity=0)
Application.objects.create(
    name="ML portal",
    client_id=provider.CLIENT_ID,
    client_secret=OPTIONS["client_secret"],
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
    redirect_uris=OPTIONS["redirect_uri"],
    post_logout_redirect_uris=OPTIONS["post_logout_redirect_uri"],
    algorithm=Application.RS256_ALGORITHM,
)
provider.in_background(run, "127.0.0.1", PORT, alone, False, True)
orders = {"add": add, "remove-group": remove_group, "lock": lock, "rotate": rotate}
provider.serve(ISSUER, {name: in_turn(order) for name, order in orders.items()})
