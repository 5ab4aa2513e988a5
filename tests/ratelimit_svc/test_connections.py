"""How a server is reached: TLS with certificates on both sides, ACL users, password files; and what is never let in."""

import asyncio
import contextlib
import itertools
import os
import ssl
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.exceptions import ConnectionError as RedisConnectionError

from gatectl.runtime.redis_connection import check
from ratelimit_svc.store import Charge, StoreUnavailableError, Terms
from serving import redis_clients
from serving.redis_tls import tls_context
from tests.redis_worlds import (
    RIGHTS,
    RIGHTS_IN_A_CLUSTER,
    RIGHTS_OF_OTHERS,
    SLOTS,
    Server,
    free_ports,
    running,
    tls_in_front_of,
    until,
)

_numbers = itertools.count()
PASSWORD = "correct horse @/:"


def charge() -> Charge:
    return Charge(f"gatectl:rl:{{{next(_numbers)}}}:x", Terms("sliding_window", 5, 60_000), 1)


def pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """A certificate authority, and certificates of it as files."""

    def __init__(self, directory, name):
        self.directory, self.name, self.key = directory, name, ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(name, self.key.public_key(), authority=True)
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, name, public_key, *, authority):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(issuer, subject, public_key, x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name):
        """Files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, secret = self.directory / f"{self.name}-{name}.crt", self.directory / f"{self.name}-{name}.key"
        certificate.write_bytes(
            self._sign(name, key.public_key(), authority=False).public_bytes(serialization.Encoding.PEM)
        )
        secret.write_bytes(pem(key))
        return certificate, secret

    def context(self):
        """Of a server that is called localhost, and wants a certificate from its clients."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.file)
        context.load_cert_chain(*self.issue("localhost"))
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def options(self):
        """What a client says in its URL."""
        certificate, key = self.issue("limiter")
        return f"ssl_ca_certs={self.file}&ssl_certfile={certificate}&ssl_keyfile={key}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


async def test_tls_with_a_certificate_of_our_own(server, open_store, authority):
    with tls_in_front_of(server.socket, authority.context()) as port:
        store = await open_store(f"rediss://localhost:{port}/0?{authority.options()}", 5)
        assert (await store.decide([charge()])).allowed
        await store.close()


@pytest.mark.parametrize("wrong", ["another authority", "no certificate", "another name", "no TLS"])
async def test_tls_that_cannot_be_verified_is_refused(server, open_store, authority, wrong):
    options = authority.options()
    if wrong == "another authority":
        options = options.replace(str(authority.file), str(Authority(authority.directory, "theirs").file))
    elif wrong == "no certificate":
        options = f"ssl_ca_certs={authority.file}"
    with tls_in_front_of(server.socket, authority.context()) as port:
        host = "127.0.0.1" if wrong == "another name" else "localhost"
        url = f"redis://{host}:{port}" if wrong == "no TLS" else f"rediss://{host}:{port}/0?{options}"
        store = await open_store(url, 1)
        with pytest.raises(StoreUnavailableError):
            await store.decide([charge()])
        await store.close()


async def test_with_authorities_of_our_own_the_system_s_are_not_trusted(server, open_store, authority, monkeypatch):
    theirs = Authority(authority.directory, "system")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))  # what the server's is signed by
    with tls_in_front_of(server.socket, authority.context()) as port:
        options = authority.options()
        trusting = f"rediss://localhost:{port}/0?{options.partition('&')[2]}"
        for url, well in {trusting: True, f"{trusting}&ssl_ca_certs={theirs.file}": False}.items():
            store = await open_store(url, 1)
            assert store.breaker.closed == well
            client = redis_clients.client(url, 1)
            with contextlib.nullcontext() if well else pytest.raises(RedisConnectionError):
                await client.ping()
            await client.aclose()
            await store.close()


def test_a_renewed_certificate_is_read_again_and_only_then(authority):
    first = tls_context(str(authority.file))
    assert tls_context(str(authority.file)) is first
    os.utime(authority.file, (0, 0))
    assert tls_context(str(authority.file)) is not first


async def test_to_connect_may_take_longer_than_a_call_waits(server, open_store, authority):
    """Names, Sentinels, TLS and a login are several round trips: whoever starts anew each time never arrives."""
    slow = 0.3

    context = authority.context()
    context.sni_callback = lambda *_: time.sleep(slow)  # in the midst of the handshake
    with tls_in_front_of(server.socket, context) as port:
        store = await open_store(f"rediss://localhost:{port}/0?{authority.options()}", slow / 4)
        assert not store.breaker.closed
        async with asyncio.timeout(5):
            await store.breaker.wait_closed()
        assert (await store.decide([charge()])).allowed
        await store.close()


@pytest.fixture
def password_file(tmp_path):
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return tmp_path / "password"


async def others_get_in(url):
    """ext_authz and the commands."""
    client = redis_clients.client(url, 2)
    await client.ping()
    await client.aclose()
    await asyncio.to_thread(check, url)


async def test_a_cluster_with_tls_acl_users_and_password_files(tmp_path, open_store, authority, password_file):
    port, bus = free_ports(2)
    with tls_in_front_of(port, authority.context()) as front:
        announced = ("--cluster-announce-port", str(front), "--cluster-announce-ip", "127.0.0.1")
        server = Server(tmp_path, port, "--cluster-enabled", "yes", "--cluster-port", str(bus), *announced)
        with running(server):
            server.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
            server.ask("ACL", "SETUSER", "limiter", "on", f">{PASSWORD}", *RIGHTS, *RIGHTS_IN_A_CLUSTER)
            url = f"rediss+cluster://limiter@localhost:{front}?password_file={password_file}&{authority.options()}"
            until(lambda: server.ask("CLUSTER INFO")["cluster_state"] == "ok")
            store = await open_store(url, 1)
            with pytest.raises(StoreUnavailableError):  # the certificate is for localhost
                await store.decide([charge()])
            await store.close()
            store = await open_store(f"{url}&ssl_check_hostname=false", 1)
            assert (await store.decide([charge(), charge()])).allowed
            await store.close()
            server.ask("CONFIG", "SET", "cluster-announce-hostname", "localhost")
            server.ask("CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname")
            store = await open_store(url, 1)
            assert (await store.decide([charge(), charge()])).allowed
            await store.close()
            server.ask("ACL", "SETUSER", "other", "on", f">{PASSWORD}", *RIGHTS_OF_OTHERS, *RIGHTS_IN_A_CLUSTER)
            await others_get_in(f"{url.replace('limiter@', 'other@')}&ssl_check_hostname=false")


async def test_a_server_behind_sentinel_with_tls_acl_users_and_password_files(
    tmp_path, open_store, authority, password_file
):
    port, watching = free_ports(2)
    with (
        tls_in_front_of(port, authority.context(), plain=True) as front,  # Sentinel itself comes without TLS
        tls_in_front_of(watching, authority.context()) as asked,
    ):
        config = tmp_path / "sentinel.conf"
        config.write_text(
            "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n"
            f"sentinel monitor shop localhost {front} 1\n"
            "user watcher on >watching -@all +sentinel|masters\n"
        )
        watching_file = tmp_path / "watching"
        watching_file.write_text("watching\n")
        with (
            running(Server(tmp_path, port)) as server,
            running(Server(tmp_path, watching, "--sentinel", config=config)),
        ):
            server.ask("ACL", "SETUSER", "limiter", "on", f">{PASSWORD}", *RIGHTS)
            server.ask("ACL", "SETUSER", "other", "on", f">{PASSWORD}", *RIGHTS_OF_OTHERS)
            url = (
                f"rediss+sentinel://limiter@localhost:{asked}/shop?password_file={password_file}"
                f"&sentinel_username=watcher&sentinel_password_file={watching_file}&{authority.options()}"
            )
            store = await open_store(url, 1)
            assert (await store.decide([charge()])).allowed
            await store.close()
            await others_get_in(url.replace("limiter@", "other@"))


@pytest.fixture
async def acl_user(server):
    """A user that may do what docs/redis.md says is needed, and nothing else."""
    await server.command("ACL", "SETUSER", "limiter", "reset", "on", f">{PASSWORD}", *RIGHTS)
    yield "limiter"
    await server.command("ACL", "DELUSER", "limiter")


async def test_an_acl_user_with_the_rights_that_are_documented(server, open_store, acl_user):
    store = await open_store(f"unix://{acl_user}:{quote(PASSWORD, safe='')}@{server.socket}")
    await server.command("SCRIPT", "FLUSH")  # it may load the script, too
    assert (await store.decide([charge()])).allowed


async def test_a_wrong_password_is_away_and_told_nowhere(server, open_store, acl_user, caplog):
    caplog.set_level("DEBUG")
    store = await open_store(f"unix://{acl_user}:wrong-horse@{server.socket}", 1)
    with pytest.raises(StoreUnavailableError) as caught:
        await store.decide([charge()])
    assert not store.breaker.closed
    told = [vars(record) for record in caplog.records]
    assert "AuthenticationError" in {record.get("error") for record in told}
    assert "wrong-horse" not in repr(told) + repr(caught.value)


async def test_a_password_file_is_read_for_every_connection(server, open_store, acl_user, tmp_path):
    file = tmp_path / "password"
    url = f"unix://{acl_user}@{server.socket}?password_file={file}"
    store = await open_store(url, 1)
    assert not store.breaker.closed
    file.write_text(f"{PASSWORD}\n")
    async with asyncio.timeout(10):
        await store.breaker.wait_closed()
    await server.command("ACL", "SETUSER", acl_user, "resetpass", ">rotated")
    file.write_text("rotated\n")
    await server.command("CLIENT", "KILL", "USER", acl_user)
    verdicts = []
    while len(verdicts) < 2:  # the connection that was cut costs at most one call
        with contextlib.suppress(StoreUnavailableError):
            verdicts.append((await store.decide([charge()])).allowed)
    assert verdicts == [True, True]
    assert store.breaker.closed
