"""Programs that are measured, and what they use: CPU time by the scheduler's account, and resident memory."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import ssl
import subprocess
import time

PATIENCE = 20
# Needs root; without it the figures are as good, only more easily disturbed.
PRIORITY = -15


class Process:
    """A program on one core, with all that it starts."""

    def __init__(self, command, core, environment=None, output=subprocess.DEVNULL, errors=None):
        self.errors = errors
        self.began = time.perf_counter()
        self.child = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors or output,
            start_new_session=True,
            preexec_fn=lambda: settle(core),
        )

    def answers(self, request, expected):
        """Waits until `request` is answered with the status `expected`; how many seconds after the start that was."""
        while (waited := time.perf_counter() - self.began) < PATIENCE:
            if self.child.poll() is not None:
                said = pathlib.Path(self.errors.name).read_text(errors="replace") if self.errors else ""
                raise SystemExit(f"{self.child.args[0]} ended with status {self.child.returncode}: {said[-2000:]}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if request()[0] == expected:
                    return waited
            time.sleep(0.0005)
        raise SystemExit(f"{self.child.args[0]} gives no answer {expected}: {request()}")

    def stop(self):
        tree = self.tree()
        self.child.stdin.close()
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            for number in tree:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            self.child.wait()

    def tree(self):
        """The ids of the process and of all its descendants."""
        children = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                    children.setdefault(parent, []).append(int(entry.name))
        found = [self.child.pid]
        for number in found:
            found += children.get(number, [])
        return found

    def cpu_seconds(self):
        """Of all threads that live now. None of the servers measured here ends a thread while it serves."""
        nanoseconds = 0
        for number in self.tree():
            for account in pathlib.Path(f"/proc/{number}/task").glob("*/schedstat"):
                nanoseconds += int(account.read_text().split()[0])
        return nanoseconds / 1e9

    def resident_mib(self):
        kibibytes = 0
        for number in self.tree():
            for line in pathlib.Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    kibibytes += int(line.split()[1])
        return kibibytes / 1024

    def forget_peak(self):
        """The most memory that it held is counted from now on."""
        for number in self.tree():
            pathlib.Path(f"/proc/{number}/clear_refs").write_text("5")

    def peak_mib(self):
        """The most that the process and its descendants held, each at its own time."""
        kibibytes = 0
        for number in self.tree():
            for line in pathlib.Path(f"/proc/{number}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    kibibytes += int(line.split()[1])
        return kibibytes / 1024


@contextlib.contextmanager
def running(*arguments, **options):
    process = Process(*arguments, **options)
    try:
        yield process
    finally:
        process.stop()


def settle(core):
    """Puts this process, and what it will start, on a core of its own."""
    os.sched_setaffinity(0, {core})
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


def first_line(process):
    """The JSON that a helper prints when it is ready."""
    line = process.child.stdout.readline()
    if not line:
        raise SystemExit(f"{process.child.args[0]} said nothing")
    return json.loads(line)


def ask_for(port, path, headers, tls=False, body=None, method=""):
    """One request on a connection of its own, a POST if it has a body and no method is named: status, Location, body."""
    if tls:
        unverified = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=unverified)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("location") or "", answer.read()


def busy_seconds():
    """CPU time of the whole machine, what the hypervisor gave to others included."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _idle, _wait, interrupt, soft, stolen = fields[:8]
    return (user + nice + system + interrupt + soft + stolen) / os.sysconf("SC_CLK_TCK")
