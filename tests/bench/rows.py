"""What is asked of whom. A row is one server doing one job; rows of the same job stand together in the table."""

import dataclasses

from credentials import PEOPLE
from servers import ENVOY, HAPROXY, HOP, NGINX, POSTERN, POSTERN_TLS, PYTHON, SIGNING_HOP

BEARER = "Authorization: Bearer "
COOKIE = "Cookie: "
# Of whom launches are measured: enough to spread over, few enough to have an assumed role each after the warm-up.
LAUNCHING = 100


@dataclasses.dataclass(frozen=True)
class Credentials:
    """One per request, from a file in the data folder. Those that are sent `once` are new to the server every time; of
    the others, the first `people` are sent again and again."""

    file: str
    prefix: str
    people: int = PEOPLE
    once: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    job: str
    # None for the bare call, which has none.
    server: object
    port: str = ""
    title: str = ""
    path: str = "/"
    credentials: Credentials | None = None
    headers: tuple = ()
    status: int = 302
    # What the answer's Location begins with; `{person}` is the one that the credential names.
    location: str = ""
    # What Postern's own metrics must call every single answer.
    outcome: str = ""
    # A file of credentials that must be answered with 401.
    forgeries: str = ""
    # A file in the data folder that is posted. Without one, the request is a GET.
    body: str = ""
    # A connection for each request, with a whole handshake.
    tls: bool = False
    # `PUT` or `GET` of a file of 100 MB.
    transfer: str = ""

    @property
    def is_new(self):
        """Whether the server never sees a credential twice."""
        return self.credentials is not None and self.credentials.once

    @property
    def name(self):
        return ", ".join(part for part in (self.server and self.server.name, self.title) if part)


BARE = "bare SDK call"
PLACE = "https://studio.example/launch/{person}"
SESSION = "session cookie, 1000 people"
RS256_NEW = "bearer RS256, every token new to the server"
RS256_SEEN = "bearer RS256, 1000 tokens seen before"
ES256_NEW = "bearer ES256, every token new to the server"
FORGED = "bearer with a forged signature, every token new"
LAUNCH = "whole launch: a fresh URL from SageMaker"
METRIC = "MLflow: a metric of 1 kB, signed and passed on"
BATCH = "MLflow: a batch of 1 MB, signed and passed on"
STORED = "MLflow: a file of 100 MB to the artifact store"
FETCHED = "MLflow: a file of 100 MB from the artifact store"
HANDSHAKE = "TLS 1.3, P-256: handshake, one answer, close"


def refused(**given):
    """Postern's decision with nothing behind it: the third rule denies, the answer is a problem document."""
    return Row(server=POSTERN, port="postern", path="/closed", status=403, outcome="rule-denied", **given)


def tokens(algorithm, once):
    return Credentials(f"{algorithm}.tokens", BEARER, once=once)


def forged(algorithm, **given):
    return Row(
        FORGED,
        POSTERN,
        "postern",
        algorithm.upper(),
        path="/closed",
        status=401,
        outcome="bad-signature",
        credentials=Credentials(f"{algorithm}.forged", BEARER, once=True),
        **given,
    )


def launch(title, credentials, **given):
    return Row(
        LAUNCH,
        POSTERN,
        "postern",
        title,
        path="/studio",
        credentials=credentials,
        location="{landing}",
        outcome="ok",
        **given,
    )


def verified(job, algorithm):
    asked = {"credentials": tokens(algorithm, once=True), "forgeries": f"{algorithm}.forgeries.json"}
    return [
        Row(job, HAPROXY, "haproxy_tokens", "jwt_verify", location=PLACE, **asked),
        Row(job, ENVOY, "envoy_tokens", "jwt_authn", location=PLACE, **asked),
        refused(job=job, **asked),
    ]


def logged(job, endpoint, file, seen):
    """One call of MLflow's client, as a person with a token that was seen before."""
    asked = {
        "path": f"/tracking/api/2.0/mlflow/runs/{endpoint}",
        "body": file,
        "status": 200,
        "headers": ("Content-Type: application/json",),
    }
    return [
        Row(job, SIGNING_HOP, "signing_hop", **asked),
        Row(job, POSTERN, "postern", credentials=seen, outcome="ok", forgeries="rs256.forgeries.json", **asked),
        Row(job, PYTHON, "python", credentials=seen, forgeries="rs256.forgeries.json", **asked),
    ]


def carried(job, method, seen):
    """A file of a run, streamed between the client and the artifact store."""
    asked = {"path": "/tracking/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/file", "status": 200, "transfer": method}
    return [
        Row(job, SIGNING_HOP, "signing_hop", **asked),
        Row(job, POSTERN, "postern", credentials=seen, outcome="ok", forgeries="rs256.forgeries.json", **asked),
    ]


def handshake(server, port, **given):
    return Row(HANDSHAKE, server, port, tls=True, **given)


def all_rows():
    sealed = {"credentials": Credentials("haproxy.cookies", COOKIE), "forgeries": "haproxy.forgeries.json"}
    session = {"credentials": Credentials("postern.cookies", COOKIE), "forgeries": "postern.forgeries.json"}
    seen = {"credentials": tokens("rs256", once=False), "forgeries": "rs256.forgeries.json"}
    launching = dataclasses.replace(seen["credentials"], people=LAUNCHING)
    return [
        Row("no question asked", NGINX, "nginx"),
        Row(SESSION, HAPROXY, "haproxy_sessions", "AES-GCM", location=PLACE, **sealed),
        Row(SESSION, HAPROXY, "haproxy_sessions_logged", "AES-GCM, access log", location=PLACE, **sealed),
        refused(job=SESSION, title="refused", **session),
        Row(
            SESSION,
            POSTERN,
            "postern",
            "granted, asks to continue",
            path="/studio",
            status=200,
            outcome="asked",
            headers=("Sec-Fetch-Site: cross-site",),
            **session,
        ),
        *verified(RS256_NEW, "rs256"),
        Row(RS256_SEEN, ENVOY, "envoy_tokens_cached", "cached", location=PLACE, **seen),
        refused(job=RS256_SEEN, **seen),
        *verified(ES256_NEW, "es256"),
        forged("rs256"),
        forged("es256"),
        Row(LAUNCH, None, title=BARE),
        Row(LAUNCH, HOP, "hop"),
        launch("bearer", launching),
        launch("session", Credentials("postern.cookies", COOKIE, people=LAUNCHING)),
        launch("first of each person", Credentials("postern.cookies", COOKIE, once=True)),
        Row(
            LAUNCH,
            PYTHON,
            "python",
            path="/studio",
            location="{landing}",
            credentials=launching,
            forgeries="rs256.forgeries.json",
        ),
        *logged(METRIC, "log-metric", "metric.json", launching),
        *logged(BATCH, "log-batch", "batch.json", launching),
        *carried(STORED, "PUT", launching),
        *carried(FETCHED, "GET", launching),
        handshake(NGINX, "nginx_tls"),
        handshake(HAPROXY, "haproxy_tls"),
        handshake(ENVOY, "envoy_tls"),
        handshake(POSTERN_TLS, "postern_tls", path="/-/live", status=200),
    ]
