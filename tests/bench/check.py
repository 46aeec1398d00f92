"""Does every server do the job that it is measured by? Good credentials are taken, forged ones and none are refused."""

import json

from measure import ask, credential

SAMPLES = 20
# A file is long.
FILES = 2


def check(row, place):
    """Asks a started server and returns what it did as one line; a wrong answer ends the run."""
    people = row.credentials.people if row.credentials else 1
    samples = FILES if row.transfer else SAMPLES
    for number in range(0, people, max(1, people // samples)):
        status, location, _ = ask(row, place, credential(row, place, number))
        wanted = row.location.format(person=f"user-{number:05}", landing=place.sandbox["landing"])
        if status != row.status or not location.startswith(wanted):
            raise SystemExit(f"{row.name}: line {number} was answered {status} with Location {location or 'missing'}")
    refusals = 0
    for kind, header in forgeries(row, place):
        status, _, body = ask(row, place, header)
        # Envoy says 403 to a token for somebody else; Postern says so only to people whom it knows.
        if status not in ({401} if row.status == 403 else {401, 403}):
            raise SystemExit(f"{row.name}: {kind} was answered {status}: {body[:200]}")
        refusals += 1
    return f"{row.job}: {row.name}: answers {row.status}" + (f", refuses {refusals} forgeries" if refusals else "")


def forgeries(row, place):
    """What must be refused, by name, each as headers. No credential at all is one of them."""
    if not row.forgeries:
        return
    yield "no credential", {}
    for kind, text in json.loads((place.data / row.forgeries).read_text()).items():
        name, value = (row.credentials.prefix + text).split(": ", 1)
        yield kind, {name: value}
