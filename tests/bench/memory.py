"""What a server costs before it does anything: its start, its idle memory, and the memory of connections at rest."""

import contextlib
import dataclasses
import socket
import ssl
import statistics
import time

from process import ask_for
from servers import ENVOY, HAPROXY, NGINX, POSTERN, POSTERN_TLS

STARTS = 7
# Opened and measured well before any server closes what is idle. A handshake in Python takes its time.
PLAIN, TLS = 8000, 3000
SAMPLES = 50


@dataclasses.dataclass(frozen=True)
class Idle:
    """A server that is asked only whether it is there."""

    server: object
    port: str
    tls: tuple = ()
    path: str = "/"
    status: int = 302


SERVERS = [
    Idle(NGINX, "nginx", (NGINX, "nginx_tls")),
    Idle(HAPROXY, "haproxy", (HAPROXY, "haproxy_tls")),
    Idle(ENVOY, "envoy", (ENVOY, "envoy_tls")),
    Idle(POSTERN, "postern", (POSTERN_TLS, "postern_tls"), path="/-/live", status=200),
]


def footprint(idle, place, starts=STARTS, scale=1.0):
    """Milliseconds from the start to the first answer, MiB when idle, KiB of each further connection at rest."""
    waits, resident = [], []
    for _ in range(starts):
        with started(idle, place, idle.server, idle.port) as (process, waited):
            waits.append(waited)
            time.sleep(0.5)
            resident.append(process.resident_mib())
    figures = {
        "start_ms": statistics.median(waits) * 1000,
        "idle_mib": statistics.median(resident),
        "plain_kib": at_rest(idle, place, idle.server, idle.port, int(PLAIN * scale)),
    }
    if idle.tls:
        figures["tls_kib"] = at_rest(idle, place, *idle.tls, int(TLS * scale), tls=True)
    return figures


@contextlib.contextmanager
def started(idle, place, server, port, tls=False):
    with server.running(place) as process:
        waited = process.answers(lambda: ask_for(place.port(port), idle.path, {"Host": place.host}, tls), idle.status)
        yield process, waited


def at_rest(idle, place, server, port, amount, tls=False):
    """KiB of one connection which has had an answer and is kept open."""
    request = f"GET {idle.path} HTTP/1.1\r\nHost: {place.host}\r\n\r\n".encode()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def connect(held):
        connection = held.enter_context(socket.create_connection(("127.0.0.1", place.port(port)), timeout=5))
        if tls:
            connection = held.enter_context(context.wrap_socket(connection, server_hostname=place.host))
        return asked(connection)

    def asked(connection):
        connection.sendall(request)
        if not connection.recv(4096):
            raise SystemExit(f"{server.name} closed a connection instead of answering")
        return connection

    with started(idle, place, server, port, tls) as (process, _), contextlib.ExitStack() as held:
        for _ in range(SAMPLES):
            connect(held)
        before = process.resident_mib()
        connections = [connect(held) for _ in range(amount)]
        after = process.resident_mib()
        for connection in connections[:: max(1, amount // SAMPLES)]:
            asked(connection)
        return (after - before) * 1024 / amount
