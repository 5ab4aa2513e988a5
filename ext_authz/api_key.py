"""API keys: what one looks like, and the record kept of it.

``<prefix>_<id>_<secret>_<checksum>``: the prefix tells people and secret scanners whose key it is, the id finds the
record in one step, the 258-bit secret cannot be guessed, and the checksum lets a typing mistake be told without asking
anyone. Only a hash of the whole key is ever stored: SHA-256, or HMAC-SHA-256 with a pepper (RFC 2104), which whoever
reads the store does not have. A random secret of that length needs no slow hash.

Shared with gatectl, which writes the records that ext_authz reads. Pure: no I/O, no clock.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ext_authz import peppers
from ext_authz.policy import DEFAULT_KEY_PREFIX, MAX_NAME_LENGTH, Network, is_name

PREFIX = r"[a-z][a-z0-9]{0,15}"
"""What a prefix looks like, as a regular expression."""
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_KEY = re.compile(rf"{PREFIX}_([a-z0-9]{{12}})_[a-z0-9]{{50}}_[0-9a-f]{{8}}")
_NO_DIGEST = "0" * 64


class ParsedKey(NamedTuple):
    """A well-formed key: its public id and its SHA-256."""

    id: str
    sha256: str


def digest(key: str) -> str:
    """SHA-256 of the whole key as sent, lower-case hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def mint(prefix: str = DEFAULT_KEY_PREFIX) -> tuple[str, ParsedKey]:
    """A new random key (258 bits of secret), its id and its SHA-256. The key is shown once and then forgotten."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(50))
    body = f"{prefix}_{key_id}_{secret}"
    key = f"{body}_{zlib.crc32(body.encode()):08x}"
    return key, ParsedKey(key_id, digest(key))


def parse(key: str) -> ParsedKey | None:
    """The id and digest of a key in our own format; None for anything else, a mistyped key included.

    Any prefix will do: a gateway that changes its own keeps its keys, and the hash covers the prefix anyway.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    body, _, checksum = key.rpartition("_")
    if f"{zlib.crc32(body.encode()):08x}" != checksum:
        return None
    return ParsedKey(match[1], digest(key))


class KeyHash(BaseModel):
    """What a key is compared with. ``pepper``: fingerprint of the one it was made with; None for plain SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheme: Literal["sha256", "hmac-sha256"]
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    pepper: str | None = Field(default=None, pattern="^[0-9a-f]{8}$")

    @model_validator(mode="after")
    def _peppered(self) -> "KeyHash":
        if (self.scheme == "hmac-sha256") != (self.pepper is not None):
            raise ValueError("hmac-sha256 and a pepper belong together")
        return self


class PepperUnknownError(Exception):
    """A hash was made with a pepper that is not here."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(f"the pepper {fingerprint} is not known")
        self.fingerprint = fingerprint


class Peppers:
    """The peppers of a gateway: the first one makes new hashes, all of them may be needed for old ones.

    Without any, hashes are plain SHA-256. None of them is ever part of a text that this makes.
    """

    def __init__(self, peppers: Iterable[str] = ()) -> None:
        self._known = {_fingerprint(pepper.encode()): pepper.encode() for pepper in peppers}
        self._newest = next(iter(self._known), None)

    @classmethod
    def read(cls, text: str) -> "Peppers":
        """Those of a text, as :func:`ext_authz.peppers.read` has them. Raises ValueError."""
        return cls(peppers.read(text))

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._known)

    def __add__(self, other: "Peppers") -> "Peppers":
        """Both; the first one of the left makes new hashes."""
        return Peppers(pepper.decode() for pepper in (*self._known.values(), *other._known.values()))

    def seal(self, key: str) -> KeyHash:
        """What to store of a key."""
        if self._newest is None:
            return KeyHash(scheme="sha256", digest=digest(key))
        return KeyHash(scheme="hmac-sha256", digest=_hmac(self._known[self._newest], key), pepper=self._newest)

    def proves(self, key: str, sha256: str, stored: KeyHash | None) -> bool:
        """Whether ``key``, whose SHA-256 is ``sha256``, is the one that was stored. None: there is no such record.

        The same work in every case: a comparison in constant time, and one HMAC wherever there is a pepper. Raises
        PepperUnknownError when the hash needs one that is not here.
        """
        fingerprint = stored.pepper if stored is not None and stored.pepper is not None else self._newest
        peppered = sha256
        if fingerprint is not None:
            if fingerprint not in self._known:
                raise PepperUnknownError(fingerprint)
            peppered = _hmac(self._known[fingerprint], key)
        given = sha256 if stored is not None and stored.pepper is None else peppered
        same = hmac.compare_digest(stored.digest if stored is not None else _NO_DIGEST, given)
        return same and stored is not None


def _hmac(pepper: bytes, key: str) -> str:
    return hmac.digest(pepper, key.encode(), "sha256").hex()


def _fingerprint(pepper: bytes) -> str:
    return _hmac(pepper, "gatectl: fingerprint of a pepper")[:8]


def _identity_name(value: str) -> str:
    if not is_name(value):
        raise ValueError("a name is up to 256 printable characters without commas or outer spaces, and not just -")
    return value


def _note(value: str) -> str:
    if not 0 < len(value) <= MAX_NAME_LENGTH or not value.isprintable() or value != value.strip():
        raise ValueError("1 to 256 printable characters without outer spaces are needed")
    return value


IdentityName = Annotated[str, AfterValidator(_identity_name)]
Note = Annotated[str, AfterValidator(_note)]
"""Text for people."""
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,62}$")]


class KeyProperties(BaseModel):
    """What a key stands for, and when and from where it works.

    ``user``, ``roles``, ``plan`` and ``attributes`` are its holder's as rules and limits see them; ``owner`` (whom to
    ask), ``name`` (what for) and ``labels`` are for people. ``networks`` empty: from everywhere.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    user: IdentityName
    roles: tuple[IdentityName, ...] = ()
    plan: IdentityName | None = None
    attributes: dict[str, str] = {}
    owner: Note | None = None
    name: Note | None = None
    labels: dict[LabelName, Note] = {}
    networks: tuple[Network, ...] = ()
    not_before: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None


class KeyRecord(KeyProperties):
    """What is stored of one key, as JSON, in the Redis hash ``redis_key(gateway)`` under the field ``id``."""

    id: str = Field(pattern="^[a-z0-9]{12}$")
    hash: KeyHash
    created_at: AwareDatetime
    revoked_at: AwareDatetime | None = None
    revoked_reason: Note | None = None
    rotated_from: str | None = None
    """Id of the key that this one replaces."""
    successor: str | None = None
    """Id of the key that replaces this one."""

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, data: Any) -> Any:
        """Records were once written with a bare ``sha256``: their keys go on."""
        if isinstance(data, dict) and "sha256" in data and "hash" not in data:
            data = {**data, "hash": {"scheme": "sha256", "digest": data["sha256"]}}
            del data["sha256"]
        return data


def redis_key(gateway: str) -> str:
    """Name of the Redis hash that holds a gateway's key records. The braces pin it to one cluster slot."""
    return f"gatectl:{{{gateway}}}:api_keys"


def uses_key(gateway: str) -> str:
    """Name of the Redis hash beside it that holds when each key was last used: id → Unix seconds."""
    return f"gatectl:{{{gateway}}}:api_keys_used"


def comes_from(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether an IP address is in one of the networks; text that is no address is in none.

    An IPv4 address in IPv6 clothes (``::ffff:192.0.2.1``) is the IPv4 address.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
