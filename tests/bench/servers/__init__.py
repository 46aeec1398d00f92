"""The servers that are measured, each with what it is started by."""

import dataclasses
from collections.abc import Callable

from place import PEERS, ROOT
from process import running
from servers import envoy


@dataclasses.dataclass(frozen=True)
class Server:
    name: str
    command: Callable
    environment: Callable = lambda place: {}

    def running(self, place):
        """A context in which a fresh process of it lives: nothing is remembered from one measurement to the next."""
        logs = (place.log(f"{self.name}.out"), place.log(f"{self.name}.err"))
        environment = self.environment(place)
        return running(self.command(place), place.server_core, environment=environment, output=logs[0], errors=logs[1])


def nginx_command(place):
    return [PEERS / "nginx/nginx", "-c", place.render("nginx.conf"), "-p", place.scratch]


def haproxy_command(place):
    return [PEERS / "haproxy/haproxy", "-db", "-f", place.render("haproxy.cfg")]


def envoy_command(place):
    config = place.scratch / "envoy.json"
    config.write_text(envoy.configuration(place))
    return [PEERS / "envoy/envoy", "--concurrency", "1", "-c", config, "-l", "error", "--use-dynamic-base-id"]


def postern_command(place):
    return [place.postern, "serve", "--config", place.render_postern()]


def postern_tls_command(place):
    return [place.postern, "serve", "--config", place.render_postern(tls=True)]


def python_command(place):
    return [
        *(PEERS / "python-service/bin/gunicorn", "--workers", "1", "--worker-class", "gthread", "--threads", "8"),
        *("--bind", f"127.0.0.1:{place.port('python')}", "--keep-alive", "60", "--access-logfile", "-"),
        *("--chdir", ROOT / "tests/bench/servers", "--log-level", "warning", "python_service:app"),
    ]


def hop_command(place):
    return [place.stage, "hop", place.sandbox["sagemaker"], place.port("hop")]


def signing_hop_command(place):
    return [place.stage, "signing-hop", upstream(place), place.port("signing_hop")]


def upstream(place):
    return f"http://127.0.0.1:{place.port('upstream')}"


def key(place):
    return {
        "AWS_ACCESS_KEY_ID": place.sandbox["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": place.sandbox["secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def service_environment(place):
    settings = {"ISSUER": place.issuer, "AUDIENCE": place.audience, "SAGEMAKER": place.sandbox["sagemaker"], "UPSTREAM": upstream(place)}
    return {**key(place), **settings, "JWKS_FILE": str(place.data / "jwks.json"), "PYTHONDONTWRITEBYTECODE": "1"}


NGINX = Server("nginx", nginx_command)
HAPROXY = Server("HAProxy", haproxy_command)
ENVOY = Server("Envoy", envoy_command)
POSTERN = Server("Postern", postern_command, key)
POSTERN_TLS = Server("Postern", postern_tls_command, key)
PYTHON = Server("Python service", python_command, service_environment)
HOP = Server("bare hyper hop", hop_command, key)
SIGNING_HOP = Server("bare hyper hop", signing_hop_command, key)
