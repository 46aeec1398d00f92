"""Where a run takes place: its folders, ports, cores, and what was built for it."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("POSTERN_PEERS", ROOT / "target/peers"))
# Below the ports that the kernel gives to clients: ten thousand of those are open at times.
PORTS = range(20000, 32000)


class Place:
    issuer = "https://sso.example/realms/corp"
    audience = "sagemaker-gateway"
    host = "gateway.example"

    def __init__(self, scratch, data, postern, stage):
        self.scratch, self.data, self.postern, self.stage = scratch, data, postern, stage
        self.server_core, self.load_core = cores()
        self.ports = {}
        self.sandbox = {}

    def port(self, name):
        """A free port that keeps this name."""
        if name not in self.ports:
            taken = set(self.ports.values())
            # In no order, so that two runs at the same time seldom want the same.
            tries = random.sample(PORTS, len(PORTS))
            self.ports[name] = next(port for port in tries if port not in taken and is_free(port))
        return self.ports[name]

    def log(self, name):
        """An empty file in memory for what a server prints: as quick as a pipe that somebody reads."""
        return (self.scratch / name).open("wb")

    def render(self, template, **given):
        """Fills in the `@NAMES@` of a file in servers/, and returns where the result is."""
        text = (ROOT / "tests/bench/servers" / template).read_text()
        values = {
            "DATA": self.data,
            "SCRATCH": self.scratch,
            "ISSUER": self.issuer,
            "AUDIENCE": self.audience,
            "SESSION_KEY": (self.data / "haproxy.key").read_text(),
            "PROVIDER": self.sandbox["provider"],
            "SAGEMAKER": self.sandbox["sagemaker"],
            "STS": self.sandbox["sts"],
            "LANDING_HOST": self.sandbox["landing"].removeprefix("http://"),
            **given,
        }
        parts = text.split("@")
        for index in range(1, len(parts), 2):
            name = parts[index]
            parts[index] = str(values[name] if name in values else self.port(name.lower()))
        result = self.scratch / template
        result.write_text("".join(parts))
        return result

    def render_postern(self, tls=False):
        """Its configuration: with TLS on the only listener, or without."""
        if not tls:
            return self.render("postern.yaml", LISTEN=self.port("postern"), TLS="")
        keys = f"tls: {{certificate: {self.data}/tls.crt, private_key: {self.data}/tls.key}}"
        return self.render("postern.yaml", LISTEN=self.port("postern_tls"), TLS=keys)


@contextlib.contextmanager
def opened(data, programs):
    """Keeps scratch files in memory where there is such a file system, and credentials in `data` or beside them."""
    memory = pathlib.Path("/dev/shm")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="postern-bench-", dir=memory if memory.is_dir() else None))
    try:
        yield Place(scratch, data or scratch / "data", *programs)
    finally:
        shutil.rmtree(scratch)


def built(profile):
    """Builds Postern and the stage, and returns where they are."""
    command = ["cargo", "build", "--locked", "--profile", profile, "--features", "bench", "--bins"]
    output = subprocess.run(
        [*command, "--message-format", "json-render-diagnostics"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    ).stdout
    artifacts = [message for message in map(json.loads, output.splitlines()) if message.get("executable")]
    found = {artifact["target"]["name"]: pathlib.Path(artifact["executable"]) for artifact in artifacts}
    return found["postern"], found["stage"]


def cores():
    """One for the server that is measured and another for everything else."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("two cores are needed: one for the server and one for its clients")
    return allowed[0], allowed[1]


def is_free(port):
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            attempt.bind(("127.0.0.1", port))
            return True
    return False
