"""Keys, tokens, sessions and certificates, for all servers alike. They are test data and live for a day."""

import base64
import dataclasses
import datetime
import functools
import hashlib
import hmac
import json
import multiprocessing
import os
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HOUR = 3600
LIFE = 20 * HOUR
KEPT_FOR = 12 * HOUR
PEOPLE = 1000
KEY_IDS = {"RS256": "rsa-1", "ES256": "p256-1"}


@dataclasses.dataclass(frozen=True)
class Amounts:
    """Tokens of each kind: the first `PEOPLE` are sent again and again, the others once at most in each round."""

    rs256: int
    es256: int


def make(place, amounts):
    """Fills the data folder, unless what is there will do."""
    made = place.data / "made.json"
    wanted = dataclasses.asdict(amounts)
    if made.exists() and made.stat().st_mtime > time.time() - KEPT_FOR and json.loads(made.read_text()) == wanted:
        return
    place.data.mkdir(parents=True, exist_ok=True)
    print("making keys and tokens ...", flush=True)
    keys = {"RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1())}
    publish(place, keys)
    certify(place)
    for algorithm, amount in (("RS256", amounts.rs256), ("ES256", amounts.es256)):
        name = algorithm.lower()
        tokens = sign_all(place, keys[algorithm], algorithm, amount)
        (place.data / f"{name}.tokens").write_text("\n".join(tokens) + "\n")
        (place.data / f"{name}.forged").write_text("\n".join(map(tampered, tokens)) + "\n")
        (place.data / f"{name}.forgeries.json").write_text(json.dumps(forgeries(place, keys[algorithm], algorithm)))
    seal_for_haproxy(place)
    (place.data / "client-secret").write_text("not a secret: nobody signs in here\n")
    made.write_text(json.dumps(wanted))


def publish(place, keys):
    """The public keys, as a JWK set for Postern and Envoy and as PEM files for HAProxy."""
    published = []
    for algorithm, key in keys.items():
        name, public = algorithm.lower(), key.public_key()
        jwk = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(public))
        jwk.pop("key_ops", None)
        published.append({**jwk, "kid": KEY_IDS[algorithm], "alg": algorithm, "use": "sig"})
        (place.data / f"{name}.pub").write_bytes(pem(public))
    (place.data / "jwks.json").write_text(json.dumps({"keys": published}))


def certify(place):
    """A P-256 certificate for every server with TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, place.host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(place.host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certified = certificate.public_bytes(serialization.Encoding.PEM)
    for file, content in (("tls.key", secret), ("tls.crt", certified), ("tls.pem", certified + secret)):
        (place.data / file).touch(mode=0o600)
        (place.data / file).write_bytes(content)


def claims(place, number, **changes):
    """Of about the size that a company's identity provider sends."""
    now = int(time.time())
    person = f"user-{number % PEOPLE:05}"
    groups = ["sagemaker-users", f"ds-team-{number % 37:02}", "emea-analytics", "vpn-users", "corp-all-staff"]
    said = {
        "iss": place.issuer,
        "aud": place.audience,
        "sub": f"00u{number % PEOPLE:017}",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + LIFE,
        "jti": f"{number:016x}",
        "preferred_username": person,
        "email": f"{person}@corp.example",
        "groups": groups + [f"corp-role-{(number * 7 + index) % 97:02}-reader" for index in range(6)],
    }
    return {**said, **changes}


def sign(place, key, algorithm, number=0, **changes):
    return jwt.encode(claims(place, number, **changes), key, algorithm, headers={"kid": KEY_IDS[algorithm]})


def sign_all(place, key, algorithm, amount):
    with multiprocessing.Pool() as pool:
        work = ((place, pem_of_secret(key), algorithm, number) for number in range(amount))
        return pool.map(sign_one, list(work), chunksize=500)


def sign_one(work):
    place, secret, algorithm, number = work
    return sign(place, loaded(secret), algorithm, number)


@functools.cache
def loaded(secret):
    """Once in each process: it takes longer than a signature."""
    return serialization.load_pem_private_key(secret, None)


def tampered(token):
    """The same token with one bit of its signature changed: nothing but the whole verification tells."""
    head, _, signature = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[len(raw) // 2] ^= 1
    return f"{head}.{text(bytes(raw))}"


def forgeries(place, key, algorithm):
    """One token of each kind that must not be believed, by name."""
    good = sign(place, key, algorithm)
    _, payload, signature = good.split(".")
    now = int(time.time())
    other = rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())
    somebody = text(json.dumps(claims(place, 999)).encode())
    symmetric = f"{head('HS256', algorithm)}.{payload}"
    digest = hmac.new(pem(key.public_key()), symmetric.encode(), hashlib.sha256).digest()
    return {
        "a changed signature": tampered(good),
        "a changed payload": f"{good.split('.')[0]}.{somebody}.{signature}",
        "another key": sign(place, other, algorithm),
        "another issuer": sign(place, key, algorithm, iss="https://elsewhere.example"),
        "another audience": sign(place, key, algorithm, aud="something-else"),
        "expired": sign(place, key, algorithm, iat=now - 2 * HOUR, nbf=now - 2 * HOUR, exp=now - HOUR),
        "no signature": f"{head('none', algorithm)}.{payload}.",
        "the public key as a secret": f"{symmetric}.{text(digest)}",
        "no token at all": "abc.def.ghi",
    }


def head(stated, algorithm):
    return text(json.dumps({"alg": stated, "typ": "JWT", "kid": KEY_IDS[algorithm]}).encode())


def seal_for_haproxy(place):
    """AES-256-GCM sessions in the form that servers/haproxy.cfg reads, and the map from people to their places."""
    key = AESGCM.generate_key(256)
    (place.data / "haproxy.key").write_text(base64.b64encode(key).decode())
    now = int(time.time())

    def sealed(number, expires, by=key):
        content = {"user": f"user-{number:05}", "sub": f"00u{number:017}", "exp": expires, "groups": ["staff"]}
        nonce = os.urandom(12)
        whole = AESGCM(by).encrypt(nonce, json.dumps(content).encode(), None)
        return ".".join(base64.b64encode(part).decode() for part in (nonce, whole[:-16], whole[-16:]))

    cookies = [f"session={sealed(number, now + LIFE)}" for number in range(PEOPLE)]
    (place.data / "haproxy.cookies").write_text("\n".join(cookies) + "\n")
    bad = {
        "another key": f"session={sealed(0, now + LIFE, AESGCM.generate_key(256))}",
        "expired": f"session={sealed(0, now - HOUR)}",
        "nothing sealed": "session=eHg=.eXk=.eno=",
    }
    (place.data / "haproxy.forgeries.json").write_text(json.dumps(bad))
    places = [f"user-{number:05} https://studio.example/launch/user-{number:05}\n" for number in range(PEOPLE)]
    (place.data / "people.map").write_text("".join(places))


def pem(public):
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem_of_secret(key):
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def text(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
