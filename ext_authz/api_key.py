"""API keys: what one looks like, and the record kept of it.

``gk_<id>_<secret>_<checksum>``: the id finds the record in one step, the 256-bit secret cannot be guessed,
the checksum lets a typing mistake (and a secret scanner) be told without asking anyone. Only the SHA-256 of the
whole key is ever stored: a random 256-bit secret needs no slow hash.

Shared with gatectl, which writes the records that ext_authz reads. Pure: no I/O, no clock.
"""

import hashlib
import re
import secrets
import zlib
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from ext_authz.policy import is_name

PREFIX = "gk"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_KEY = re.compile(r"gk_([a-z0-9]{12})_([a-z0-9]{50})_([0-9a-f]{8})")


class ParsedKey(NamedTuple):
    """A well-formed key: its public id and the digest to compare with the stored one."""

    id: str
    sha256: str


def _identity_name(value: str) -> str:
    if not is_name(value):
        raise ValueError("a name is up to 256 printable characters without commas or outer spaces, and not just -")
    return value


IdentityName = Annotated[str, AfterValidator(_identity_name)]


class KeyRecord(BaseModel):
    """What is stored of one key, as JSON, in the Redis hash ``redis_key(gateway)`` under the field ``id``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    user: IdentityName
    roles: tuple[IdentityName, ...] = ()
    plan: IdentityName | None = None
    attributes: dict[str, str] = {}
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None


def redis_key(gateway: str) -> str:
    """Name of the Redis hash that holds a gateway's key records. The braces pin it to one cluster slot."""
    return f"gatectl:{{{gateway}}}:api_keys"


def digest(key: str) -> str:
    """SHA-256 of the whole key as sent, lower-case hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def mint() -> tuple[str, ParsedKey]:
    """A new random key (258 bits of secret) and what to store of it. The key is shown once and then forgotten."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(50))
    body = f"{PREFIX}_{key_id}_{secret}"
    key = f"{body}_{zlib.crc32(body.encode()):08x}"
    return key, ParsedKey(key_id, digest(key))


def parse(key: str) -> ParsedKey | None:
    """The id and digest of a key in our own format; None for anything else, a mistyped key included."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    body, _, checksum = key.rpartition("_")
    if f"{zlib.crc32(body.encode()):08x}" != checksum:
        return None
    return ParsedKey(match[1], digest(key))
