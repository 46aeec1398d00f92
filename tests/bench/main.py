"""Builds, prepares, checks, measures, prints. See README.md beside this file."""

import argparse
import json
import pathlib
import subprocess
import sys
import time

import credentials
import memory
import place as places
from check import check
from credentials import PEOPLE, Amounts
from goals import verdicts
from measure import measure, started
from process import first_line, running, settle
from report import Results, table
from rows import all_rows

# What one core can verify in the seconds in which it is measured, and a little more.
AMOUNTS = Amounts(rs256=108_000, es256=60_000)
SESSIONS = 12_000
LIFETIME_MINUTES = 8 * 60
# A scenario of soak/, which knows people and sessions.
WAITS = "waits of a person"


def main():
    options = arguments()
    programs = options.programs or places.built(options.profile)
    if options.check:
        data, amounts, sessions = None, Amounts(PEOPLE, PEOPLE), PEOPLE
    else:
        data, amounts, sessions = places.ROOT / "target/bench", AMOUNTS, SESSIONS
    with places.opened(data, programs) as place:
        credentials.make(place, amounts)
        settle(place.load_core)
        with running([place.stage, "sandbox"], place.load_core, output=subprocess.PIPE) as sandbox:
            place.sandbox = first_line(sandbox)
            seal_sessions(place, sessions)
            write_bodies(place)
            rows = [row for row in all_rows() if options.only in f"{row.job}: {row.name}"]
            with running([place.stage, "upstream", place.port("upstream")], place.load_core):
                if options.check:
                    check_all(rows, place)
                else:
                    measure_all(rows, place, options)


def arguments():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures Postern beside its peers.")
    parser.add_argument("--check", action="store_true", help="only see that every server does its job")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved; medians are printed")
    parser.add_argument("--seconds", type=int, default=2, help="of each row in each round, at 64 connections")
    parser.add_argument("--only", default="", metavar="TEXT", help="only rows whose job and server contain this")
    parser.add_argument("--profile", default="release", help="of Cargo, for Postern")
    parser.add_argument("--programs", nargs=2, metavar=("POSTERN", "STAGE"), help="take these instead of building them")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 1
    return options


def seal_sessions(place, amount):
    """The session cookies, and those that must not count: changed, too old, and of another key."""

    def sealed(key, count, minutes):
        (place.data / "postern.key").write_text(key)
        command = [place.stage, "sessions", place.render_postern(), str(count), str(minutes)]
        return subprocess.check_output(command, text=True)

    own, other = (subprocess.check_output([place.postern, "keygen"], text=True) for _ in range(2))
    forged = {"another key": sealed(other, 1, 0).strip(), "expired": sealed(own, 1, LIFETIME_MINUTES + 1).strip()}
    cookies = sealed(own, amount, 0)
    (place.data / "postern.cookies").write_text(cookies)
    first = cookies.split("\n", 1)[0]
    middle = len(first) // 2
    forged["changed"] = first[:middle] + ("A" if first[middle] != "A" else "B") + first[middle + 1 :]
    (place.data / "postern.forgeries.json").write_text(json.dumps(forged))


def write_bodies(place):
    """What MLflow's client posts: one metric with a long key, and the largest batch that it sends."""
    metric = {"run_id": "0" * 32, "key": "loss/" + "x" * 870, "value": 0.5, "timestamp": 1, "step": 1}
    metrics = [{"key": "loss/" + "x" * 950, "value": 0.5, "timestamp": 1, "step": step} for step in range(1000)]
    batch = {"run_id": "0" * 32, "metrics": metrics, "params": [], "tags": []}
    for file, content in (("metric.json", metric), ("batch.json", batch)):
        (place.data / file).write_text(json.dumps(content))


def check_all(rows, place):
    rows = [row for row in rows if row.server]
    for row in rows:
        with started(row, place):
            print(check(row, place), flush=True)
    print(f"{len(rows)} rows checked")


def measure_all(rows, place, options):
    began, results = time.monotonic(), Results()
    for number in range(options.rounds):
        for row in rows:
            tell(f"round {number + 1} of {options.rounds}: {row.job}: {row.name}")
            results.add(row.job, row.name, measure(row, place, options.seconds))
    for idle in memory.SERVERS:
        name = idle.server.name
        if options.only in f"start and memory: {name}":
            tell(f"start and memory: {name}")
            starts, scale = (3, 0.25) if options.quick else (memory.STARTS, 1)
            results.footprints[name] = memory.footprint(idle, place, starts, scale)
    tell("")
    print(table(results), verdicts(results), sep="\n\n")
    print(f"\n{options.rounds} rounds in {time.monotonic() - began:.0f} s, profile {options.profile}")
    if options.only in WAITS:
        tell(WAITS)
        subprocess.run([pathlib.Path(place.stage).with_name("soak"), "waits"], check=False)
    (place.data / "results.json").write_text(json.dumps(results.as_json(), indent=1))


def tell(what):
    """Where the run is, on a terminal's own line."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
