"""What the scripts share that start an identity provider: options, orders, and the end.

Each script takes one argument in JSON:

  peer                      where `install` put what it needs
  folder                    where it keeps its files; it is there and empty
  client_secret             of the client `postern`
  redirect_uri, post_logout_redirect_uri, backchannel_logout_uri

and prints `CONTROL url` and `READY issuer` once it answers. Orders come by POST to the control URL and are answered by 204 when
they are carried out:

  /add?user=NAME            a person of the groups `ml-users` and `staff`, with the password below and NAME@corp.example
  /remove-group?user=NAME   takes the person out of `ml-users`; `staff` stays, for some providers leave an empty list out
  /lock?user=NAME           the person may no longer sign in, and what they hold is void as far as the provider knows that
  /rotate                   another signing key; the one before it is still published

The script ends when standard input does, so that it never outlives a test.
"""

import ctypes
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse
import urllib.request

CLIENT_ID = "postern"
GROUP = "ml-users"
OTHER_GROUP = "staff"
PASSWORD = "correct-horse-battery"
SCOPES = ["openid", "profile", "email", "groups"]
PATIENCE_SECONDS = 60


def options():
    return json.loads(sys.argv[1])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def child(command, **more):
    """A program that ends with this one."""
    die_with_parent = lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, **more)


def in_background(work, *arguments):
    threading.Thread(target=work, args=arguments, daemon=True).start()


def serve(issuer, orders):
    """Waits until the issuer answers, says so, and carries out `orders`, functions by name, one at a time."""
    wait_for(issuer.rstrip("/") + "/.well-known/openid-configuration")
    alone = threading.Lock()

    class Control(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked = urllib.parse.urlsplit(self.path)
            try:
                with alone:
                    orders[asked.path[1:]](**dict(urllib.parse.parse_qsl(asked.query)))
                self.send_response(204)
                self.end_headers()
            except Exception:
                self.send_error(500, explain=traceback.format_exc())

        def log_message(self, *_):
            pass

    control = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Control)
    in_background(control.serve_forever)
    print(f"CONTROL http://127.0.0.1:{control.server_port}", flush=True)
    print(f"READY {issuer}", flush=True)
    sys.stdin.read()
    os._exit(0)


def wait_for(url):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
