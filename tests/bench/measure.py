"""One row: a fresh server, its answers looked at, warmed up, and then loaded; what that cost."""

import contextlib
import itertools
import json
import os
import re
import resource
import subprocess
import time

from credentials import PEOPLE
from place import PEERS, ROOT
from process import ask_for, busy_seconds, settle
from servers import key
from transfers import LENGTH, transfer

CONNECTIONS = 64
# Files that are carried in all, and at once.
TRANSFERS, AT_ONCE = 16, 4
# Of credentials that are sent once, what is kept for the single connection.
KEPT_FOR_SINGLE = 0.25


def measure(row, place, seconds):
    """The figures of one round, by name."""
    if not row.server:
        return measure_bare_calls(place, seconds)
    if row.transfer:
        return measure_transfers(row, place)
    with started(row, place) as process:
        warm_up, many, single = portions(row, place)
        load(row, place, CONNECTIONS, 1, *warm_up)
        before = account(process)
        outcomes = counted(row, place)
        loaded = load(row, place, CONNECTIONS, 1 if row.is_new else seconds, *many)
        after = account(process)
        confirm(row, loaded, counted(row, place) - outcomes)
        alone = load(row, place, 1, 1, *single)
        server, machine, client = (now - then for now, then in zip(after, before, strict=True))
        return {
            "cpu_us": server / loaded["requests"] * 1e6,
            "per_second": loaded["requests"] / loaded["duration_us"] * 1e6,
            "p50_us": loaded["p50_us"],
            "p99_us": loaded["p99_us"],
            "single_p50_us": alone["p50_us"],
            "single_p99_us": alone["p99_us"],
            "resident_mib": process.resident_mib(),
            "foreign": (machine - server - client) / loaded["duration_us"] * 1e6,
            "unlogged": unlogged(row, place),
        }


def measure_transfers(row, place):
    """The same figures of whole files, several at once."""
    with started(row, place) as process:
        wish = (place.port(row.port), row.transfer, row.path, {"Host": place.host, **credential(row, place, 0)})
        transfer(*wish, AT_ONCE)
        before, held = account(process), process.resident_mib()
        process.forget_peak()
        began = time.perf_counter()
        waits = sorted(wait for _ in range(TRANSFERS // AT_ONCE) for wait in transfer(*wish, AT_ONCE))
        took = time.perf_counter() - began
        after = account(process)
        grown = process.peak_mib() - held
        alone = [wait for _ in range(3) for wait in transfer(*wish, 1)]
        return {
            "cpu_us": (after[0] - before[0]) / TRANSFERS * 1e6,
            "per_second": TRANSFERS / took,
            "p50_us": waits[len(waits) // 2] * 1e6,
            "p99_us": waits[-1] * 1e6,
            "single_p50_us": sorted(alone)[1] * 1e6,
            "single_p99_us": max(alone) * 1e6,
            "resident_mib": process.resident_mib(),
            "transfer_mib": grown / AT_ONCE,
            "unlogged": unlogged(row, place),
        }


@contextlib.contextmanager
def started(row, place):
    """A fresh server that has given one good answer."""
    first = credential(row, place, 0)
    with row.server.running(place) as process:
        process.answers(lambda: ask(row, place, first), row.status)
        yield process


def measure_bare_calls(place, seconds):
    """The same figures of the SDK's call in a loop, without any server."""
    many, single = (
        repeated(place, place.server_core, "calls", place.sandbox["sagemaker"], time, callers)
        for time, callers in ((seconds, CONNECTIONS), (1, 1))
    )
    return {
        "cpu_us": many["cpu_us"] / many["requests"],
        "per_second": many["requests"] / many["duration_us"] * 1e6,
        "p50_us": many["p50_us"],
        "p99_us": many["p99_us"],
        "single_p50_us": single["p50_us"],
        "single_p99_us": single["p99_us"],
    }


def repeated(place, core, *words):
    """What the stage's loops print at their end."""
    command = [str(word) for word in (place.stage, *words)]
    environment = {**os.environ, **key(place)}
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, preexec_fn=lambda: settle(core))
    if ran.returncode:
        raise SystemExit(f"{words[0]}: failed, see above")
    return json.loads(ran.stdout)


def portions(row, place):
    """First line and number of lines for the warm-up, for many connections and for one. Of new credentials, only the
    first thousand may come again: they are for the warm-up."""
    if not row.is_new:
        people = row.credentials.people if row.credentials else 0
        return ((0, people),) * 3
    lines = int(subprocess.check_output(["wc", "-l", place.data / row.credentials.file]).split()[0])
    single = int((lines - PEOPLE) * KEPT_FOR_SINGLE)
    return (0, PEOPLE), (PEOPLE, lines - PEOPLE - single), (lines - single, single)


def load(row, place, connections, seconds, first, count):
    """Asks over and over: answers, microseconds, and the latencies' p50 and p99."""
    if not row.tls:
        return load_by_wrk(row, place, connections, seconds, first, count)
    question = (place.port(row.port), place.host, row.path, row.status)
    return repeated(place, place.load_core, "handshakes", *question, place.data / "tls.crt", seconds, connections)


def load_by_wrk(row, place, connections, seconds, first, count):
    """With `count` of the row's credentials, from line `first` on."""
    file = place.data / row.credentials.file if row.credentials else "-"
    headers = [f"Host: {place.host}", *row.headers]
    command = [
        *(PEERS / "wrk/wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"),
        *("-s", ROOT / "tests/bench/wrk.lua", f"http://127.0.0.1:{place.port(row.port)}{row.path}", "--"),
        *(file, first, count, row.credentials.prefix if row.credentials else "", posted(row, place) or "-", *headers),
    ]
    ran = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, preexec_fn=lambda: settle(place.load_core)
    )
    result = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", ran.stdout)}
    if not result.get("requests"):
        raise SystemExit(f"{row.name}: wrk measured nothing: {ran.stdout}{ran.stderr}")
    if result["refused"] != (result["requests"] if row.status >= 400 else 0) or result["broken"]:
        raise SystemExit(f"{row.name}: not every answer was a {row.status}: {result}")
    if row.is_new and first and result["wrapped"]:
        raise SystemExit(f"{row.name}: {count} unused credentials were too few: see AMOUNTS in main.py")
    return result


def account(process):
    """CPU seconds of the server, of the whole machine with what the hypervisor took, and of clients that have ended."""
    clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process.cpu_seconds(), busy_seconds(), clients.ru_utime + clients.ru_stime


def credential(row, place, number):
    """The header with the credential of one line, as a dictionary."""
    if not row.credentials:
        return {}
    with (place.data / row.credentials.file).open() as lines:
        line = next(itertools.islice(lines, number, None))
    name, value = (row.credentials.prefix + line.strip()).split(": ", 1)
    return {name: value}


def posted(row, place):
    return place.data / row.body if row.body else None


def ask(row, place, credential):
    fixed = dict(header.split(": ", 1) for header in row.headers)
    file = posted(row, place)
    body = file.read_bytes() if file else None
    if row.transfer == "PUT":
        body = b"x" * 100_000
    headers = {"Host": place.host, **fixed, **credential}
    status, location, said = ask_for(place.port(row.port), row.path, headers, row.tls, body, row.transfer)
    if row.transfer == "GET" and status == row.status and len(said) != LENGTH:
        raise SystemExit(f"{row.name}: a file of {len(said)} bytes")
    return status, location, said


def counted(row, place):
    """How many answers Postern's own metrics call what this row's answers should be."""
    if not row.outcome:
        return 0
    _, _, metrics = ask_for(place.port("postern_admin"), "/metrics", {})
    pattern = rf'^postern_requests_total\{{.*outcome="{row.outcome}".*\}} (\d+)'
    return sum(int(count) for count in re.findall(pattern, metrics.decode(), re.MULTILINE))


def confirm(row, loaded, answered):
    if row.outcome and answered < loaded["requests"]:
        raise SystemExit(f"{row.name}: of {loaded['requests']} answers only {answered} were `{row.outcome}`")


def unlogged(row, place):
    """The share of answers whose line in the access log was given up because writing was too slow."""
    if not row.outcome:
        return 0.0
    time.sleep(0.2)
    _, _, metrics = ask_for(place.port("postern_admin"), "/metrics", {})
    counts = re.findall(r"^postern_requests_total\{.*\} (\d+)", metrics.decode(), re.MULTILINE)
    written = subprocess.run(
        ["grep", "--count", "--fixed-strings", "postern::access", place.scratch / f"{row.server.name}.err"],
        capture_output=True,
    )
    return max(0.0, 1 - int(written.stdout) / sum(map(int, counts)))
