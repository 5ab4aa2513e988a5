"""How a server is reached: TLS with certificates on both sides, ACL users, password files; and what is never let in."""

import asyncio
import contextlib
import itertools
import ssl
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ratelimit_svc.store import Charge, StoreUnavailableError, Terms

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


@contextlib.asynccontextmanager
async def tls_in_front_of(socket, authority):
    """Port of a TLS server that wants a certificate of ``authority``, and passes everything on to a Unix socket."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.file)
    context.load_cert_chain(*authority.issue("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    writers = set()

    async def pump(reader, writer):
        writers.add(writer)
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader, writer):
        there, back = await asyncio.open_unix_connection(socket)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


async def test_tls_with_a_certificate_of_our_own(server, open_store, authority):
    certificate, key = authority.issue("limiter")
    async with tls_in_front_of(server.socket, authority) as port:
        ours = f"ssl_ca_certs={authority.file}&ssl_certfile={certificate}&ssl_keyfile={key}"
        store = await open_store(f"rediss://localhost:{port}/0?{ours}", 5)
        assert (await store.decide([charge()])).allowed
        await store.close()


@pytest.mark.parametrize("wrong", ["another authority", "no certificate", "another name", "no TLS"])
async def test_tls_that_cannot_be_verified_is_refused(server, open_store, authority, wrong):
    certificate, key = authority.issue("limiter")
    trusted = Authority(authority.directory, "theirs").file if wrong == "another authority" else authority.file
    own = "" if wrong == "no certificate" else f"&ssl_certfile={certificate}&ssl_keyfile={key}"
    async with tls_in_front_of(server.socket, authority) as port:
        host = "127.0.0.1" if wrong == "another name" else "localhost"
        url = f"rediss://{host}:{port}/0?ssl_ca_certs={trusted}{own}"
        store = await open_store(f"redis://{host}:{port}" if wrong == "no TLS" else url, 1)
        with pytest.raises(StoreUnavailableError):
            await store.decide([charge()])
        await store.close()


@pytest.fixture
async def acl_user(server):
    """A user that may do what docs/redis.md says is needed, and nothing else."""
    rights = [
        "resetkeys",
        "~gatectl:rl:*",
        "resetchannels",
        "-@all",
        "+@read",
        "+@write",
        "+@scripting",
        "-@dangerous",
        "+time",
    ]
    await server.command("ACL", "SETUSER", "limiter", "reset", "on", f">{PASSWORD}", *rights)
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
