"""LemonLDAP::NG as an identity provider: `server.py OPTIONS`, as `provider.py` explains.

People are rows of a table. Claims are in UserInfo alone, which is its default. A changed key replaces the one before it at once, and
a refresh token that is gone is `invalid_request`.
"""

import json
import os
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import provider

OPTIONS = provider.options()
FOLDER = OPTIONS["folder"]
PORT = provider.free_port()
ISSUER = f"http://localhost:{PORT}/"
PORTAL = "/usr/share/lemonldap-ng/portal"
PEOPLE = os.path.join(FOLDER, "people.sqlite")


def at(name):
    return os.path.join(FOLDER, name)


def files(name):
    """Storage for sessions of one sort."""
    os.makedirs(at(f"{name}/lock"))
    return {
        "Directory": at(name),
        "LockDirectory": at(f"{name}/lock"),
        "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
    }


def new_key():
    """A private key and a certificate for it."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", at("key.pem"), "-out", at("key.crt")], check=True, capture_output=True)
    return [open(at(name)).read() for name in ("key.pem", "key.crt")]


class Configuration:
    """Each change of its configuration is a file of its own, with the next number."""

    def __init__(self):
        os.makedirs(at("configuration"))
        self.number = 0
        client = {
            "ClientID": provider.CLIENT_ID,
            "ClientSecret": OPTIONS["client_secret"],
            "RedirectUris": OPTIONS["redirect_uri"],
            "PostLogoutRedirectUris": OPTIONS["post_logout_redirect_uri"],
            "IDTokenSignAlg": "RS256",
            "RequirePKCE": 1,
            "RefreshToken": 1,
            "AllowOffline": 1,
            "BypassConsent": 1,
            "LogoutBypassConfirm": 1,  # where it asks, version 2.16 forgets where to go on to
        }
        self.settings = {
            "cfgVersion": "2.16.1",
            "portal": ISSUER,
            "domain": "localhost",
            "cookieName": "lemonldap",
            "securedCookie": 0,
            "key": os.urandom(16).hex(),
            "requireToken": 0,
            "cspFormAction": "*",
            "authentication": "DBI",
            "userDB": "Same",
            "passwordDB": "Null",
            "registerDB": "Null",
            "dbiAuthChain": f"dbi:SQLite:dbname={PEOPLE}",
            "dbiAuthTable": "people",
            "dbiAuthLoginCol": "uid",
            "dbiAuthPasswordCol": "password",
            "dbiExportedVars": {"uid": "uid", "mail": "mail", "cn": "cn", "team": "team"},
            "groups": {provider.GROUP: f"$team eq '{provider.GROUP}'", provider.OTHER_GROUP: "1"},
            "macros": {"mailVerified": "1", "_whatToTrace": "lc($_user)"},
            "whatToTrace": "_whatToTrace",
            "locationRules": {"localhost": {"default": "accept"}},
            "globalStorage": "Apache::Session::File",
            "globalStorageOptions": files("sessions"),
            "persistentStorage": "Apache::Session::File",
            "persistentStorageOptions": files("persistent"),
            "issuerDBOpenIDConnectActivation": 1,
            "oidcServiceAllowAuthorizationCodeFlow": 1,
            "oidcRPMetaDataOptions": {
                "postern": {f"oidcRPMetaDataOptions{name}": value for name, value in client.items()}
            },
            "oidcRPMetaDataExportedVars": {
                "postern": {
                    "email": "mail",
                    "email_verified": "mailVerified;bool;auto",
                    "name": "cn",
                    "groups": "groups;string;always",
                }
            },
            "oidcRPMetaDataOptionsExtraClaims": {"postern": {"groups": "groups"}},
        }

    def sign_with(self, private, public):
        self.number += 1
        self.settings.update(
            cfgNum=self.number,
            cfgDate=int(time.time()),
            oidcServicePrivateKeySig=private,
            oidcServicePublicKeySig=public,
            oidcServiceKeyIdSig=f"key-{self.number}",
        )
        with open(at(f"configuration/lmConf-{self.number}.json.new"), "w") as written:
            json.dump(self.settings, written)
        os.rename(written.name, written.name.removesuffix(".new"))


def people(statement, *values):
    with sqlite3.connect(PEOPLE, timeout=20) as table:
        table.execute(statement, values)
    table.close()


def add(user):
    row = (user, provider.PASSWORD, f"{user}@corp.example", user.capitalize(), provider.GROUP)
    people("INSERT INTO people VALUES (?, ?, ?, ?, ?)", *row)


def remove_group(user):
    people("UPDATE people SET team = 'other' WHERE uid = ?", user)


def lock(user):
    """Without the row there is no such person; their sessions and refresh tokens go, too."""
    people("DELETE FROM people WHERE uid = ?", user)
    for entry in os.scandir(at("sessions")):
        if entry.is_file() and f'"{user}"' in open(entry).read():
            os.unlink(entry)


def rotate():
    configuration.sign_with(*new_key())
    deadline = time.monotonic() + provider.PATIENCE_SECONDS
    while f'"key-{configuration.number}"' not in provider.wait_for(f"{ISSUER}oauth2/jwks").decode():
        if time.monotonic() > deadline:
            raise TimeoutError("the new key is not published")
        time.sleep(0.2)


people("CREATE TABLE people (uid TEXT PRIMARY KEY, password TEXT, mail TEXT, cn TEXT, team TEXT)")
configuration = Configuration()
configuration.sign_with(*new_key())
with open(at("lemonldap-ng.ini"), "w") as written:
    written.write(
        f"[all]\nlogLevel = notice\ncheckTime = 1\n"
        f"[configuration]\ntype = File\ndirName = {at('configuration')}\n"
        f"[portal]\nstaticPrefix = /static\ntemplateDir = {PORTAL}/templates\nlanguages = en\n"
    )
nginx = open(os.path.join(os.path.dirname(__file__), "nginx.conf")).read()
with open(at("nginx.conf"), "w") as written:
    written.write(nginx.replace("PORT", str(PORT)).replace("FOLDER", FOLDER))
environment = {
    **os.environ,
    "LLNG_DEFAULTCONFFILE": at("lemonldap-ng.ini"),
    "LLNG_DEFAULTLOGGER": "Lemonldap::NG::Common::Logger::Std",
}
# One process, without a manager: nobody would end its workers.
portal = ["plackup", "--env", "deployment", "--server", "FCGI", "--manager", "0", "--listen", at("portal.socket"), f"{PORTAL}/htdocs/index.psgi"]
provider.child(portal, env=environment)
while not os.path.exists(at("portal.socket")):
    time.sleep(0.05)
provider.child(["nginx", "-c", at("nginx.conf")])
provider.serve(ISSUER, {"add": add, "remove-group": remove_group, "lock": lock, "rotate": rotate})
