"""What Postern promises, each as a ratio within one run, and what was reached."""

import dataclasses
from collections.abc import Callable

from rows import (
    BARE, BATCH, ES256_NEW, FETCHED, FORGED, HANDSHAKE, LAUNCH, METRIC, RS256_NEW, RS256_SEEN, SESSION, STORED
)

LAUNCHES = (LAUNCH, "Postern, bearer")


@dataclasses.dataclass(frozen=True)
class Goal:
    what: str
    bound: float
    unit: str
    value: Callable
    at_least: bool = False

    def verdict(self, results):
        """One line of Markdown."""
        value = self.value(results)
        bound = f"{'at least' if self.at_least else 'at most'} {self.bound:g} {self.unit}"
        if value is None:
            return f"| {self.what} | {bound} | not measured | – |"
        reached = value >= self.bound if self.at_least else value <= self.bound
        return f"| {self.what} | {bound} | {value:.3g} {self.unit} | {'PASS' if reached else 'MISS'} |"


def cost(one, other):
    """How many times the CPU time per request of the other row a row takes."""

    def value(results):
        above, below = results.median(*one, "cpu_us"), results.median(*other, "cpu_us")
        return above / below if above and below else None

    return value


def beside_memory(results):
    """Of what is forged, nothing is kept: less memory than after a thousand tokens that were remembered."""
    forged = results.median(FORGED, "Postern, RS256", "resident_mib")
    seen = results.median(RS256_SEEN, "Postern", "resident_mib")
    return forged / seen if forged and seen else None


def added_latency(results):
    launch, bare = (results.median(*row, "single_p50_us") for row in (LAUNCHES, (LAUNCH, BARE)))
    return launch - bare if launch and bare else None


def added_to_a_call(results):
    bridge, hop = (results.median(METRIC, server, "single_p50_us") for server in ("Postern", "bare hyper hop"))
    return bridge - hop if bridge and hop else None


def rate(job):
    """How many times the bare hop's rate Postern's is."""

    def value(results):
        bridge, hop = (results.median(job, server, "per_second") for server in ("Postern", "bare hyper hop"))
        return bridge / hop if bridge and hop else None

    return value


def grown(job):
    """The memory of each transfer, above what the server held before."""
    return lambda results: results.median(job, "Postern", "transfer_mib")


def footprint(figure):
    return lambda results: results.footprint("Postern", figure)


def beside(job, postern, other):
    return cost((job, postern), (job, other))


GOALS = [
    Goal(
        "session cookie: HAProxy AES-GCM with access log",
        0.85,
        "×",
        beside(SESSION, "Postern, refused", "HAProxy, AES-GCM, access log"),
    ),
    Goal("RS256 new: HAProxy", 0.95, "×", beside(RS256_NEW, "Postern", "HAProxy, jwt_verify")),
    Goal("RS256 new: Envoy", 0.65, "×", beside(RS256_NEW, "Postern", "Envoy, jwt_authn")),
    Goal("RS256 seen before: Envoy with its cache", 0.6, "×", beside(RS256_SEEN, "Postern", "Envoy, cached")),
    Goal("ES256 new: Envoy", 0.87, "×", beside(ES256_NEW, "Postern", "Envoy, jwt_authn")),
    Goal("forged RS256: a valid one", 1, "×", cost((FORGED, "Postern, RS256"), (RS256_NEW, "Postern"))),
    Goal("forged ES256: a valid one", 1, "×", cost((FORGED, "Postern, ES256"), (ES256_NEW, "Postern"))),
    Goal("forged RS256: memory after seen tokens", 1, "×", beside_memory),
    Goal("whole launch: the bare SDK call", 2, "×", beside(LAUNCH, "Postern, bearer", BARE)),
    Goal("Python service: whole launch", 15, "×", beside(LAUNCH, "Python service", "Postern, bearer"), at_least=True),
    Goal("latency that a launch adds to the bare SDK call, p50", 150, "µs", added_latency),
    Goal("metric of 1 kB: a bare hop that signs", 1.3, "×", beside(METRIC, "Postern", "bare hyper hop")),
    Goal("batch of 1 MB: a bare hop that signs", 1.3, "×", beside(BATCH, "Postern", "bare hyper hop")),
    Goal("rate of a file of 100 MB to the store: a bare hop", 0.9, "×", rate(STORED), at_least=True),
    Goal("rate of a file of 100 MB from the store: a bare hop", 0.9, "×", rate(FETCHED), at_least=True),
    Goal("memory of a transfer to the store", 4, "MiB", grown(STORED)),
    Goal("memory of a transfer from the store", 4, "MiB", grown(FETCHED)),
    Goal("Python service: metric of 1 kB", 15, "×", beside(METRIC, "Python service", "Postern"), at_least=True),
    Goal("latency that the bridge adds to the bare hop, p50", 200, "µs", added_to_a_call),
    Goal("TLS handshake: HAProxy", 0.55, "×", beside(HANDSHAKE, "Postern", "HAProxy")),
    Goal("TLS handshake: Envoy", 0.8, "×", beside(HANDSHAKE, "Postern", "Envoy")),
    Goal("start to first answer", 30, "ms", footprint("start_ms")),
    Goal("idle memory", 16, "MiB", footprint("idle_mib")),
    Goal("memory of a connection at rest", 24, "KiB", footprint("plain_kib")),
    Goal("the same with TLS", 32, "KiB", footprint("tls_kib")),
]
HEAD = "| goal: beside what | bound | measured | |"


def verdicts(results):
    return "\n".join([HEAD, "|---|---|---|---|", *(goal.verdict(results) for goal in GOALS)])
