"""Upstreams over TLS, through a real Envoy: who is talked to, and that nobody else hears a byte."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gatectl.authorities import Certified, certify
from tests.gatectl.gateways import Gateway, unguarded, until
from tests.gatectl.specs import bundle, route
from tests.gatectl.tls_upstream import TlsUpstream

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
OURS, OTHERS = certify("ours"), certify("others")
CLIENTS = certify("clients")
GOOD = certify("good", OURS, ["localhost"])
FOR_URI = certify("uri", OURS, ["spiffe://example.com/orders"])
FOR_ADDRESS = certify("address", OURS, ["127.0.0.1"])
NEXT = certify("next", OURS, ["localhost"])
CA = {"ca": "ca.pem"}


@dataclass(frozen=True)
class Case:
    """Who listens, what the spec says of it, and whether a request gets through."""

    own: Certified
    tls: dict[str, Any]
    reached: bool
    host: str = "localhost"
    client_ca: Certified | None = None


CASES = {
    "its-authority-and-name-are-right": Case(GOOD, CA, True),
    "signed-by-another-authority": Case(certify("x", OTHERS, ["localhost"]), CA, False),
    "signed-by-itself": Case(certify("x", None, ["localhost"]), CA, False),
    "unknown-to-the-system": Case(GOOD, {}, False),
    "for-another-name": Case(certify("x", OURS, ["other.example"]), CA, False),
    "for-no-name-but-in-its-subject": Case(certify("localhost", OURS), CA, False),
    "expired": Case(certify("x", OURS, ["localhost"], days=-1), CA, False),
    "not-yet-good": Case(certify("x", OURS, ["localhost"], since=1), CA, False),
    "for-the-name-that-is-asked-for": Case(
        certify("x", OURS, ["orders.example"]), CA | {"sni": "orders.example"}, True
    ),
    "not-for-the-name-that-is-asked-for": Case(GOOD, CA | {"sni": "orders.example"}, False),
    "for-one-of-the-names": Case(certify("x", OURS, ["b.example"]), CA | {"san": ["a.example", "b.example"]}, True),
    "for-none-of-the-names": Case(GOOD, CA | {"san": ["a.example", "b.example"]}, False),
    "by-wildcard": Case(certify("x", OURS, ["*.example.com"]), CA | {"san": ["a.example.com"]}, True),
    "for-a-uri": Case(FOR_URI, CA | {"san": ["spiffe://example.com/orders"]}, True),
    "for-another-uri": Case(FOR_URI, CA | {"san": ["spiffe://example.com/order"]}, False),
    "for-its-address": Case(FOR_ADDRESS, CA | {"san": ["127.0.0.1"]}, True, host="127.0.0.1"),
    "not-for-its-address": Case(GOOD, CA | {"san": ["127.0.0.1"]}, False, host="127.0.0.1"),
    "pinned": Case(GOOD, CA | {"pins": [GOOD.pin]}, True),
    "pinned-to-another-key": Case(GOOD, CA | {"pins": [NEXT.pin]}, False),
    "pinned-before-rotation": Case(GOOD, CA | {"pins": [GOOD.pin, NEXT.pin]}, True),
    "pinned-after-rotation": Case(NEXT, CA | {"pins": [GOOD.pin, NEXT.pin]}, True),
    "pinned-and-signed-by-another-authority": Case(
        Certified(certify("x", OTHERS, ["localhost"], key=GOOD.key).certificate, GOOD.key),
        CA | {"pins": [GOOD.pin]},
        False,
    ),
    "never-verified": Case(certify("x", None, ["x.example"]), {"insecure_skip_verify": True}, True),
    "asking-for-our-certificate": Case(
        GOOD, CA | {"certificate": "client.pem", "key": "client.key"}, True, client_ca=CLIENTS
    ),
    "asking-for-a-certificate-that-we-lack": Case(GOOD, CA, False, client_ca=CLIENTS),
}


@dataclass
class World:
    """The Envoy, and an upstream for each case."""

    gateway: Gateway
    upstreams: dict[str, TlsUpstream]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    directory = Path(tempfile.mkdtemp(prefix="gc-"))  # a socket's path must be short
    (directory / "ca.pem").write_bytes(OURS.pem())
    certify("gateway", CLIENTS).write(directory, "client")
    gateway = Gateway(directory / "state")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        stack.callback(gateway.stop)
        upstreams = {
            name: stack.enter_context(TlsUpstream(directory, case.own, case.client_ca)) for name, case in CASES.items()
        }
        checked = stack.enter_context(TlsUpstream(directory, GOOD))
        modern = stack.enter_context(TlsUpstream(directory, GOOD))
        spec: dict[str, Any] = {
            name: {"endpoints": [f"{case.host}:{upstreams[name].port}"], "tls": case.tls, "retries": {"attempts": 1}}
            for name, case in CASES.items()
        }
        check = {"path": "/healthz", "interval": "100ms"}
        spec["checked"] = {"endpoints": [f"localhost:{checked.port}"], "tls": CA, "health_check": check}
        spec["modern"] = {"endpoints": [f"localhost:{modern.port}"], "tls": CA, "protocol": "http2"}
        routes = [route(name, {"path": f"/{name}"}, upstream=name) for name in spec]
        made = bundle(directory, listener={"address": "127.0.0.1", "port": gateway.port}, upstreams=spec, routes=routes)
        gateway.start(unguarded(made))
        yield World(gateway, upstreams | {"checked": checked, "modern": modern})


@pytest.mark.parametrize("name", CASES)
def test_an_upstream_hears_a_request_only_when_it_has_proven_itself(world: World, name: str) -> None:
    status, _ = world.gateway.get(f"/{name}")
    heard = world.upstreams[name].heard
    assert (status, b"GET" in heard, heard == b"") == (
        (200, True, False) if CASES[name].reached else (503, False, True)
    )


def test_an_upstream_is_asked_for_by_the_name_of_its_endpoint_but_never_by_an_address(world: World) -> None:
    for name in ("its-authority-and-name-are-right", "for-its-address", "for-the-name-that-is-asked-for"):
        world.gateway.get(f"/{name}")
    assert world.upstreams["its-authority-and-name-are-right"].asked_for[-1] == "localhost"
    assert world.upstreams["for-its-address"].asked_for[-1] is None
    assert world.upstreams["for-the-name-that-is-asked-for"].asked_for[-1] == "orders.example"


def test_health_checks_go_over_tls_too(world: World) -> None:
    until(lambda: b"GET /healthz" in world.upstreams["checked"].heard, "a health check arrived")


def test_http2_is_agreed_on_while_connecting(world: World) -> None:
    world.gateway.get("/modern")
    assert world.upstreams["modern"].protocols[-1] == "h2"
    assert world.upstreams["modern"].heard.startswith(b"PRI * HTTP/2.0")
