"""TLS at the listener of a real Envoy: exchanged certificates, clients that have their own, HTTP/2 and HTTP/3."""

import http.client
import shutil
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout.observer import Observer
from gatectl.runtime import ports
from tests.gatectl import h3_client
from tests.gatectl.asked import Asked, asked
from tests.gatectl.authorities import Certified, certify
from tests.gatectl.gateways import LIMITER, Gateway, unguarded, until
from tests.gatectl.specs import bundle
from tests.gatectl.tls_upstream import TlsUpstream

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
ROOT, CLIENTS, STRANGERS = certify("root"), certify("clients"), certify("strangers")
SERVER = certify("server", ROOT, ["localhost"])
REVOKED = certify("revoked", CLIENTS)
PEERS: dict[str, tuple[Certified | None, str | None]] = {
    "uri": (certify("a", CLIENTS, ["dns.example", "spiffe://example.com/orders"]), "spiffe://example.com/orders"),
    "host-name": (certify("b", CLIENTS, ["orders.example"]), "orders.example"),
    "subject": (certify("orders", CLIENTS), "CN=orders"),
    "nothing": (None, ""),
    "signed-by-strangers": (certify("c", STRANGERS, ["spiffe://example.com/orders"]), None),
    "signed-by-itself": (certify("d", None, ["spiffe://example.com/orders"]), None),
    "expired": (certify("e", CLIENTS, ["spiffe://example.com/orders"], days=-1), None),
    "not-yet-good": (certify("f", CLIENTS, ["spiffe://example.com/orders"], since=1), None),
    "revoked": (REVOKED, None),
}
"""Who connects with what, and who ext_authz is told that it is; None: nobody gets so far."""


@dataclass
class World:
    """An Envoy with somebody to ask, an upstream, and the directory that files are in."""

    directory: Path
    gateway: Gateway
    asked: Asked
    upstream: TlsUpstream

    @property
    def ca(self) -> str:
        return str(self.directory / "root.pem")

    def bundle(self, own: str = "own", **tls: Any) -> Bundle:
        """The gateway with these fields of ``listener.tls``, and the certificate in a directory."""
        pair = {"certificate": f"{own}/server.pem", "key": f"{own}/server.key"}
        made = bundle(
            self.directory,
            listener={"address": "127.0.0.1", "port": self.gateway.port, "tls": pair | tls},
            upstreams={"u": {"endpoints": [f"127.0.0.1:{self.upstream.port}"], "tls": {"insecure_skip_verify": True}}},
        )
        return unguarded(made, LIMITER)

    def context(self, own: Certified | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if own is not None:
            context.load_cert_chain(*own.write(self.directory, f"peer-{own.serial}"))
        return context

    def connect(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=5)
        return context.wrap_socket(plain, server_hostname="localhost")

    def serial(self) -> int:
        with self.connect(self.context()) as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"").serial_number

    def get(self, own: Certified | None = None, **headers: str) -> int:
        connection = http.client.HTTPSConnection("localhost", self.gateway.port, timeout=5, context=self.context(own))
        with closing(connection):
            connection.request("GET", "/r", headers={name.replace("_", "-"): text for name, text in headers.items()})
            return connection.getresponse().status

    def get_over_quic(self, own: Certified | None = None, **headers: str) -> int:
        pair = own.write(self.directory, f"peer-{own.serial}") if own is not None else None
        fields = [(name.replace("_", "-"), text) for name, text in headers.items()]
        return h3_client.get(self.gateway.port, "/r", self.ca, pair, fields).status

    def failed_rotations(self) -> int:
        stats = self.gateway.admin._client.get("/stats", params={"filter": "key_rotation_failed"}).text
        return sum(int(line.rpartition(" ")[2]) for line in stats.splitlines())

    def principal(self) -> str:
        return str(self.asked.requests[-1].attributes.source.principal)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    directory = Path(tempfile.mkdtemp(prefix="gc-"))  # a socket's path must be short
    (directory / "root.pem").write_bytes(ROOT.pem())
    (directory / "clients.pem").write_bytes(CLIENTS.pem())
    (directory / "clients.crl").write_bytes(CLIENTS.revoke(REVOKED))
    SERVER.write(directory / "own", "server")
    gateway = Gateway(directory / "state")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        stack.callback(gateway.stop)
        world = World(
            directory, gateway, stack.enter_context(asked()), stack.enter_context(TlsUpstream(directory, SERVER))
        )
        gateway.start(world.bundle(), world.asked.endpoint)
        yield world


def written_over(directory: Path, fresh: Certified) -> None:
    (directory / "server.pem").write_bytes(fresh.pem())
    (directory / "server.key").write_bytes(fresh.private())


def renamed_over(directory: Path, fresh: Certified) -> None:
    fresh.write(directory, "server")


def symlink_switched(directory: Path, fresh: Certified) -> None:
    """As Kubernetes updates a mounted secret."""
    directory.mkdir(exist_ok=True)
    fresh.write(directory / f"..{fresh.serial}", "server")
    link = directory / "..tmp"
    link.symlink_to(f"..{fresh.serial}")
    link.replace(directory / "..data")
    for name in ("server.pem", "server.key"):
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")


@pytest.mark.parametrize("exchange", [renamed_over, symlink_switched])
def test_a_new_certificate_is_shown_to_new_connections_and_open_ones_go_on(
    world: World, exchange: Callable[[Path, Certified], None]
) -> None:
    own, first, second = world.directory / exchange.__name__, *(certify(one, ROOT, ["localhost"]) for one in "12")
    exchange(own, first)
    world.gateway.apply(world.bundle(own.name))
    until(lambda: world.serial() == first.serial, "the first certificate is shown")
    with closing(
        http.client.HTTPSConnection("localhost", world.gateway.port, timeout=5, context=world.context())
    ) as open_one:
        open_one.request("GET", "/r")
        assert open_one.getresponse().read() == b"ok"
        before = open_one.sock
        exchange(own, second)
        until(lambda: world.serial() == second.serial, "the second certificate is shown")
        open_one.request("GET", "/r")
        assert open_one.getresponse().read() == b"ok"
        assert open_one.sock is before


def test_what_is_written_over_is_not_seen_before_something_in_its_directory_is_renamed(world: World) -> None:
    own, first, second = world.directory / "over", *(certify(one, ROOT, ["localhost"]) for one in "12")
    renamed_over(own, first)
    world.gateway.apply(world.bundle(own.name))
    until(lambda: world.serial() == first.serial, "the first certificate is shown")
    written_over(own, second)
    assert world.serial() == first.serial
    (own / "fresh").touch()
    (own / "fresh").rename(own / "done")
    until(lambda: world.serial() == second.serial, "the second certificate is shown")


def test_half_of_an_exchange_leaves_the_old_certificate_in_force(world: World) -> None:
    own, first, second = world.directory / "half", *(certify(one, ROOT, ["localhost"]) for one in "12")
    renamed_over(own, first)
    world.gateway.apply(world.bundle(own.name))
    until(lambda: world.serial() == first.serial, "the first certificate is shown")
    failed = world.failed_rotations()
    fresh = own / ".fresh"
    fresh.write_bytes(second.pem())
    fresh.rename(own / "server.pem")
    until(lambda: world.failed_rotations() > failed, "Envoy has looked at the new files")
    assert world.serial() == first.serial


@pytest.mark.parametrize(("spoil", "words"), [("missing", "No such file"), ("mismatching", "KEY_VALUES_MISMATCH")])
def test_an_apply_is_put_back_when_envoy_cannot_read_a_certificate(world: World, spoil: str, words: str) -> None:
    world.gateway.apply(world.bundle())
    own = world.directory / spoil
    if spoil == "mismatching":
        renamed_over(own, certify("1", ROOT))
        (own / "server.key").write_bytes(certify("2", ROOT).private())
    with pytest.raises(GatectlError, match=words) as refused:
        world.gateway.apply(world.bundle(own.name))
    assert refused.value.exit_code == 4
    until(lambda: world.serial() == SERVER.serial, "the old certificate is shown")
    assert world.get() == 200


VERSIONS = {
    "1.2": {ssl.TLSVersion.TLSv1_2: True, ssl.TLSVersion.TLSv1_3: True},
    "1.3": {ssl.TLSVersion.TLSv1_2: False, ssl.TLSVersion.TLSv1_3: True},
}


@pytest.mark.parametrize("least", VERSIONS)
def test_a_client_below_the_lowest_version_is_refused(world: World, least: str) -> None:
    world.gateway.apply(world.bundle(min_version=least))
    for version, taken in VERSIONS[least].items():
        context = world.context()
        context.minimum_version = context.maximum_version = version
        assert connects(world, context) == taken, version


@pytest.mark.parametrize(
    ("suites", "taken"),
    [("ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE-ECDSA-CHACHA20-POLY1305", True)]
    + [(one, False) for one in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AES128-GCM-SHA256")],
)
def test_only_suites_with_forward_secrecy_and_authenticated_encryption_are_taken(
    world: World, suites: str, taken: bool
) -> None:
    world.gateway.apply(world.bundle())
    context = world.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suites)
    assert connects(world, context) == taken


@pytest.mark.parametrize(("http2", "agreed"), [(True, "h2"), (False, "http/1.1")])
def test_http2_is_offered_unless_it_is_switched_off(world: World, http2: bool, agreed: str) -> None:
    world.gateway.apply(world.bundle(http2=http2))
    context = world.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with world.connect(context) as connection:
        assert connection.selected_alpn_protocol() == agreed


@pytest.mark.parametrize("mode", ["required", "optional"])
@pytest.mark.parametrize("protocol", ["tcp", "quic"])
def test_ext_authz_is_told_who_a_client_has_proven_to_be_and_others_do_not_get_so_far(
    world: World, mode: str, protocol: str
) -> None:
    files = {"client_ca": "clients.pem", "client_crl": "clients.crl"}
    world.gateway.apply(world.bundle(client_certificates=mode, http3=True, **files))
    ask = world.get if protocol == "tcp" else world.get_over_quic
    for name, (own, principal) in PEERS.items():
        expected = None if own is None and mode == "required" else principal
        asked = len(world.asked.requests)
        try:
            status = ask(own, x_forwarded_client_cert="URI=spiffe://example.com/root")
        except (OSError, http.client.HTTPException, TimeoutError):
            status = None
        told = world.principal() if len(world.asked.requests) > asked else None
        assert (status, told) == ((None, None) if expected is None else (200, expected)), name
    assert b"x-forwarded-client-cert" not in world.upstream.heard


def replaced(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}")
    fresh.write_bytes(content)
    fresh.replace(path)


def gets_in(world: World, own: Certified) -> bool:
    try:
        return world.get(own) == 200
    except (OSError, http.client.HTTPException):
        return False


def test_a_client_is_out_as_soon_as_a_new_list_revokes_it_and_everybody_once_the_list_is_out_of_date(
    world: World,
) -> None:
    first, second, crl = certify("1", CLIENTS), certify("2", CLIENTS), world.directory / "fresh.crl"
    replaced(crl, CLIENTS.revoke())
    world.gateway.apply(world.bundle(client_ca="clients.pem", client_crl="fresh.crl"))
    until(lambda: gets_in(world, first), "nobody is revoked yet")
    replaced(crl, CLIENTS.revoke(first))
    until(lambda: not gets_in(world, first), "the first client is out")
    assert gets_in(world, second)
    replaced(crl, CLIENTS.revoke(first, days=-1))
    until(lambda: not gets_in(world, second), "a list that is out of date is no proof for anybody")


def test_an_authority_that_cannot_be_read_lets_nobody_in(world: World) -> None:
    world.gateway.apply(world.bundle())
    with pytest.raises(GatectlError, match=r"No such file|Invalid path") as refused:
        world.gateway.apply(world.bundle(client_ca="gone.pem"))
    assert refused.value.exit_code == 4


def test_an_envoy_that_starts_without_its_authority_serves_nobody_until_it_is_there(world: World) -> None:
    replaced(world.directory / "late.pem", CLIENTS.pem())
    world.gateway.apply(world.bundle(client_ca="late.pem"))
    (world.directory / "late.pem").unlink()
    world.gateway.restart()
    until(lambda: ports.accepts("127.0.0.1", world.gateway.port), "Envoy listens")
    client = certify("late", CLIENTS)
    assert not gets_in(world, client)
    with closing(Observer(world.gateway.directory, [world.gateway.admin.address])) as eye:
        (node,) = eye.look().nodes
        assert (node.kinds["lds"].state, node.kinds["cds"].state) == ("not ready", "synced")
        assert "cannot be read" in (node.kinds["lds"].reason or "")
    replaced(world.directory / "late.pem", CLIENTS.pem())
    until(lambda: gets_in(world, client), "the authority is there")


def test_without_an_authority_no_client_is_asked_for_a_certificate(world: World) -> None:
    world.gateway.apply(world.bundle())
    assert world.get(PEERS["uri"][0]) == 200
    assert world.principal() == ""


def test_http3_is_told_of_and_meets_the_same_gateway(world: World) -> None:
    world.gateway.apply(world.bundle(http3=True))
    answer = h3_client.get(world.gateway.port, "/r", world.ca, headers=[("x-gate-user", "root")])
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.headers is not None
    assert answer.headers["alt-svc"] == f'h3=":{world.gateway.port}"; ma=86400'
    assert b"x-gate-user" not in world.upstream.heard
    attributes = world.asked.requests[-1].attributes
    assert (attributes.request.http.protocol, attributes.request.http.path) == ("HTTP/3", "/r")
    for path, status in (("/a%2fb", 400), ("/none", 404), ("/x/../r", 200)):
        assert h3_client.get(world.gateway.port, path, world.ca).status == status, path
    with pytest.raises(ConnectionError, match="StreamReset"):
        h3_client.get(world.gateway.port, "/r", world.ca, headers=[("x_y", "1")])


def test_a_new_certificate_is_shown_over_http3_too(world: World) -> None:
    own, first, second = world.directory / "quic", *(certify(one, ROOT, ["localhost"]) for one in "12")
    renamed_over(own, first)
    world.gateway.apply(world.bundle(own.name, http3=True))
    assert h3_client.get(world.gateway.port, "/r", world.ca).serial == first.serial
    renamed_over(own, second)
    until(lambda: h3_client.get(world.gateway.port, "/r", world.ca).serial == second.serial, "the second is shown")


def test_both_listeners_are_the_same_but_for_how_connections_are_made(world: World) -> None:
    tcp, quic = world.bundle(http3=True).resource("lds")
    for one in (tcp, quic):
        assert one["filter_chains"][0].pop("transport_socket")
        assert one["filter_chains"][0]["filters"][-1]["typed_config"].pop("codec_type")
        assert one["address"]["socket_address"].pop("protocol")
        assert one.pop("name")
    assert quic.pop("udp_listener_config") == {"quic_options": {}}
    assert tcp == quic


def test_the_certificates_of_a_gateway_are_in_its_status(world: World) -> None:
    world.gateway.apply(world.bundle(client_ca="clients.pem", http3=True))
    certificates = world.gateway.admin.certificates()
    assert {("own", SERVER.serial), ("trusted", CLIENTS.serial)} <= {
        (one.kind, int(one.serial, 16)) for one in certificates
    }
    assert {one.names: one.path for one in certificates}[("localhost",)] == ""


def connects(world: World, context: ssl.SSLContext) -> bool:
    try:
        with world.connect(context):
            return True
    except (ssl.SSLError, ConnectionError):
        return False
