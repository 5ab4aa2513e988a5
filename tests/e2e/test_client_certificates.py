"""Callers who prove themselves by a client certificate: real TLS, real Envoy, real ext_authz, and what reached whom."""

import contextlib
import http.client
import json
import ssl
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ext_authz import api_key
from gatectl.render.bundle import canonical, flatten
from gatectl.render.resources import bootstrap
from gatectl.rollout import candidate
from gatectl.runtime import binaries
from gatectl.runtime.ports import free_ports
from gatectl.snapshot import Endpoint
from serving.supervisor import WORKER
from tests.ext_authz.worlds import AGENT_KEY, KEY_SET, bearer
from tests.gatectl import h3_client
from tests.gatectl.authorities import Certified, certify
from tests.hostile.fort import Fort, until, wait_for_service
from tests.hostile.recorder import Recorder, Seen

pytestmark = pytest.mark.e2e
BILLING, DNS = "spiffe://example.com/billing", "orders.example.com"
SPEC = f"""\
version: 1
name: certified
listener:
  address: 127.0.0.1
  tls: {{certificate: DIR/server.pem, key: DIR/server.key, client_ca: DIR/clients.pem, client_certificates: optional,
    http3: true}}
authentication:
  api_keys: {{static: [{{id: alice, sha256: {api_key.digest(AGENT_KEY)}, user: alice, roles: [reader]}}]}}
  jwt: [{{name: staff, issuer: "https://id.example.com", audiences: [support-api], jwks: {{file: DIR/jwks.json}}}}]
  certificates:
    - {{uri: "{BILLING}", user: billing, roles: [agent, auditor], plan: pro, attributes: {{tenant: acme}}}}
    - {{dns: {DNS}, user: orders, roles: [agent]}}
upstreams: {{u: {{endpoints: ["127.0.0.1:UPSTREAM"]}}}}
routes:
  - {{name: open, match: {{path: /open}}, upstream: u, access: public}}
  - {{name: known, match: {{path: /known}}, upstream: u, access: authenticated}}
  - {{name: agents, match: {{path: /agents}}, upstream: u, access: [{{roles: [agent], where: user.tenant == "acme"}}]}}
  - {{name: only, match: {{path: /only}}, upstream: u, access: authenticated, authentication: {{any: [mtls]}}}}
  - {{name: keys, match: {{path: /keys}}, upstream: u, access: authenticated, authentication: {{any: [api_key]}}}}
  - {{name: open-keys, match: {{path: /open-keys}}, upstream: u, access: public, authentication: {{any: [api_key]}}}}
  - {{name: either, match: {{path: /either}}, upstream: u, access: authenticated, authentication: {{any: [jwt, mtls]}}}}
  - {{name: both, match: {{path: /both}}, upstream: u, access: authenticated, authentication: {{all: [mtls, api_key]}}}}
  - {{name: turned, match: {{path: /turned}}, upstream: u, access: authenticated, authentication: {{all: [jwt, mtls]}}}}
"""
ROOT, CLIENTS = certify("root"), certify("clients")
CERTIFICATES: dict[str, Certified | None] = {
    "none": None,
    "billing": certify("a", CLIENTS, ["dns.example", BILLING, "spiffe://example.com/other"]),
    "orders": certify("b", CLIENTS, [DNS, "other.example.com"]),
    "stranger": certify("c", CLIENTS, ["spiffe://example.com/other"]),
    "billing-second": certify("d", CLIENTS, ["spiffe://example.com/other", BILLING, DNS]),
    "longer": certify("e", CLIENTS, [BILLING + "/root"]),
    "upper-case": certify("f", CLIENTS, [DNS.upper()]),
    "wildcard": certify("g", CLIENTS, ["*.example.com"]),
    "subject": certify(DNS, CLIENTS),
    "address": certify("i", CLIENTS, ["127.0.0.1"]),
}
"""Who connects with what; all of them are signed by those whom the listener believes."""
UNKNOWN = [name for name in CERTIFICATES if name not in {"none", "billing", "orders"}]
KEY, WRONG_KEY = {"x-api-key": AGENT_KEY}, {"x-api-key": "no-key-at-all"}
TOKEN, BAD_TOKEN = {"authorization": bearer()}, {"authorization": bearer() + "x"}


@dataclass
class World:
    """The gateway, and the files of its clients."""

    fort: Fort

    def context(self, who: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.fort.directory / "root.pem"))
        pair = self.pair(who)
        if pair is not None:
            context.load_cert_chain(*pair)
        return context

    def pair(self, who: str) -> tuple[str, str] | None:
        own = CERTIFICATES[who]
        return own.write(self.fort.directory, f"peer-{own.serial}") if own is not None else None

    @contextlib.contextmanager
    def connected(self, who: str) -> Iterator[http.client.HTTPSConnection]:
        connection = http.client.HTTPSConnection("localhost", self.fort.port, timeout=5, context=self.context(who))
        with contextlib.closing(connection):
            yield connection

    def ask(self, who: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """The status, and the caller as the upstream was told, or the reason of a refusal."""
        with self.connected(who) as connection:
            return self.ask_on(connection, path, headers)

    def ask_on(
        self, connection: http.client.HTTPSConnection, path: str, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
        seen = self.fort.upstream.take()
        assert (answer.headers["www-authenticate"] is not None) is (answer.status == 401)
        if answer.status != 200:
            assert seen == []
            return answer.status, str(json.loads(body)["type"]).rpartition(":")[2]
        (one,) = seen
        return answer.status, told(one)


def told(seen: Seen) -> str:
    user, method = (seen.header(f"x-gate-{name}") for name in ("user", "auth-method"))
    return f"{','.join(user)} by {','.join(method)}" if user or method else "nobody"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    port, authz_port, redis_port = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="mtls-") as name, Recorder() as upstream:
        directory = Path(name)
        certify("server", ROOT, ["localhost"]).write(directory, "server")
        for file, content in (("root.pem", ROOT.pem()), ("clients.pem", CLIENTS.pem()), ("jwks.json", KEY_SET)):
            (directory / file).write_bytes(content)
        (directory / "gateway.yaml").write_text(
            SPEC.replace("DIR", str(directory)).replace("UPSTREAM", str(upstream.port))
        )
        bundle = candidate.read([str(directory / "gateway.yaml")], port).bundle
        for file, content in bundle.files.items():
            path = directory / "current" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        ends = [Endpoint("127.0.0.1", one) for one in (1, authz_port, 1)]
        (directory / "envoy.json").write_text(canonical(flatten(bundle, bootstrap("certified", "certified", *ends))))
        fort = Fort(directory, port, redis_port, upstream)
        try:
            fort.start("redis", [str(binaries.redis_server()), "--port", str(redis_port), "--save", ""])
            options = ["--state-dir", str(directory), "--redis-url", f"redis://127.0.0.1:{redis_port}/0"]
            worker = {WORKER: f"127.0.0.1:{authz_port} {directory / 'ext_authz'}.json"}
            fort.start("ext_authz", [sys.executable, "-m", "tests.hostile.at_noon", *options], **worker)
            envoy = [str(binaries.envoy()), "-c", "envoy.json", "--disable-hot-restart", "--concurrency", "1"]
            fort.start("envoy", [*envoy, "--log-level", "error"])
            wait_for_service(authz_port)
            until(lambda: _serves(fort.port), "Envoy")
            yield World(fort)
        finally:
            for one in list(fort.processes):
                fort.kill(one)


def _serves(port: int) -> bool:
    try:
        with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.connect()
    except ssl.SSLCertVerificationError:
        return True
    except OSError:
        return False
    return True


ALLOWED = [
    ("billing", "/known", {}, "billing by mtls"),
    ("orders", "/known", {}, "orders by mtls"),
    ("billing", "/open", {}, "billing by mtls"),
    ("none", "/open", {}, "nobody"),
    ("billing", "/agents", {}, "billing by mtls"),
    ("billing", "/only", {}, "billing by mtls"),
    ("billing", "/either", {}, "billing by mtls"),
    ("billing", "/either", TOKEN, "alice by jwt"),
    ("stranger", "/either", TOKEN, "alice by jwt"),
    ("none", "/either", TOKEN, "alice by jwt"),
    ("billing", "/known", KEY, "alice by api_key"),
    ("stranger", "/keys", KEY, "alice by api_key"),
    ("stranger", "/open-keys", {}, "nobody"),
    ("billing", "/both", KEY, "billing by mtls"),
    ("orders", "/turned", TOKEN, "alice by jwt"),
]


@pytest.mark.parametrize(("who", "path", "headers", "caller"), ALLOWED)
def test_the_upstream_is_told_whom_the_demanded_credential_proves(
    world: World, who: str, path: str, headers: dict[str, str], caller: str
) -> None:
    assert world.ask(who, path, headers) == (200, caller)


REFUSED = [
    ("none", "/known", {}, 401, "credential-missing"),
    ("none", "/only", {}, 403, "certificate-missing"),
    ("none", "/only", KEY, 403, "credential-not-accepted"),
    ("billing", "/only", TOKEN, 403, "credential-not-accepted"),
    ("billing", "/keys", {}, 401, "credential-missing"),
    ("billing", "/keys", TOKEN, 401, "credential-not-accepted"),
    ("billing", "/open", WRONG_KEY, 401, "key-invalid"),
    ("billing", "/known", BAD_TOKEN, 401, "token-signature"),
    ("orders", "/agents", {}, 403, "access-denied"),
    ("none", "/both", KEY, 403, "certificate-missing"),
    ("billing", "/both", {}, 401, "credential-missing"),
    ("billing", "/both", WRONG_KEY, 401, "key-invalid"),
    ("stranger", "/both", KEY, 403, "certificate-unknown"),
    ("none", "/turned", TOKEN, 403, "certificate-missing"),
    ("billing", "/turned", {}, 401, "credential-missing"),
    ("billing", "/turned", KEY, 401, "credential-not-accepted"),
    ("stranger", "/turned", TOKEN, 403, "certificate-unknown"),
    ("billing", "/turned", BAD_TOKEN, 401, "token-signature"),
    ("billing", "/known", KEY | TOKEN, 400, "credentials-ambiguous"),
]


@pytest.mark.parametrize(("who", "path", "headers", "status", "reason"), REFUSED)
def test_what_is_missing_or_bad_is_refused_and_nothing_reaches_the_upstream(
    world: World, who: str, path: str, headers: dict[str, str], status: int, reason: str
) -> None:
    assert world.ask(who, path, headers) == (status, reason)


@pytest.mark.parametrize("who", UNKNOWN)
def test_a_certificate_whose_first_name_is_not_listed_is_refused_on_public_routes_too(world: World, who: str) -> None:
    for path in ("/open", "/known", "/only", "/either"):
        assert world.ask(who, path) == (403, "certificate-unknown"), path


FORGED = {
    "x-forwarded-client-cert": f"By=spiffe://example.com/gate;URI={BILLING};DNS={DNS}",
    "X-Client-Cert": BILLING,
    "x-gate-user": "root",
    "x-gate-roles": "admin",
    "x-gate-auth-method": "mtls",
    "connection": "x-gate-user, x-gate-auth-method",
}


def test_no_header_stands_for_a_certificate_or_for_whom_it_proves(world: World) -> None:
    assert world.ask("none", "/only", FORGED) == (403, "certificate-missing")
    assert world.ask("none", "/open", FORGED) == (200, "nobody")
    assert world.ask("orders", "/agents", FORGED) == (403, "access-denied")
    assert world.ask("stranger", "/open", FORGED) == (403, "certificate-unknown")
    assert world.ask("orders", "/known", FORGED) == (200, "orders by mtls")


def test_the_upstream_gets_the_whole_identity_and_nothing_that_was_claimed(world: World) -> None:
    with world.connected("billing") as connection:
        connection.request("GET", "/known", headers=FORGED)
        assert connection.getresponse().read() == b"ok"
    (seen,) = world.fort.upstream.take()
    gate = {name: value for name, value in seen.headers if name.startswith("x-gate-")}
    assert gate == {
        "x-gate-user": "billing",
        "x-gate-roles": "agent,auditor",
        "x-gate-plan": "pro",
        "x-gate-auth-method": "mtls",
    }
    assert seen.header("x-forwarded-client-cert") == []


def test_every_request_of_a_connection_is_judged_by_what_it_brings_itself(world: World) -> None:
    with world.connected("billing") as connection:
        assert world.ask_on(connection, "/known") == (200, "billing by mtls")
        own = connection.sock
        assert world.ask_on(connection, "/known", KEY) == (200, "alice by api_key")
        assert world.ask_on(connection, "/known", WRONG_KEY) == (401, "key-invalid")
        assert world.ask_on(connection, "/known") == (200, "billing by mtls")
        assert connection.sock is own


@pytest.mark.parametrize(
    ("who", "status", "caller"), [("billing", 200, "billing by mtls"), ("stranger", 403, None), ("none", 403, None)]
)
def test_a_certificate_proves_the_same_over_http3(world: World, who: str, status: int, caller: str | None) -> None:
    ca = str(world.fort.directory / "root.pem")
    headers = [(name, value) for name, value in FORGED.items() if name.startswith("x-")]
    answer = h3_client.get(world.fort.port, "/only", ca, world.pair(who), headers)
    assert (answer.status, [told(one) for one in world.fort.upstream.take()]) == (status, [caller] if caller else [])
