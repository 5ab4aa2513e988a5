"""What stands in the gateway's Redis: keys, good and bad ones, and revoked tokens."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from ext_authz import api_key, revocation
from ext_authz.revocation import Revocation
from gatectl.render.bundle import canonical
from tests.ext_authz.worlds import ISSUER, NOW

NOON = datetime.fromtimestamp(NOW, UTC)


def stored(**changes: Any) -> tuple[str, dict[str, Any]]:
    """A key of somebody with the role admin, and its record in Redis."""
    key, parsed = api_key.mint()
    sealed = api_key.Peppers().seal(key).model_dump()
    good = {"id": parsed.id, "hash": sealed, "user": "root", "roles": ["admin"], "created_at": NOON}
    return key, good | changes


STORED = {
    "admin": stored(),
    "expired": stored(expires_at=NOON),
    "revoked": stored(revoked_at=NOON),
    "revoked in the future": stored(revoked_at=NOON + timedelta(days=1)),
    "without a user": stored(user=""),
    "user with a newline": stored(user="root\r\nx-gate-roles: admin"),
    "role with a comma": stored(roles=["agent,admin"]),
    "expires without a zone": stored(expires_at="2099-01-01T00:00:00"),
    "of another id": stored(id="another00000"),
    "of no digest": stored(hash={"scheme": "sha256", "digest": "x"}),
    "of an unknown pepper": stored(hash={"scheme": "hmac-sha256", "digest": "0" * 64, "pepper": "0" * 8}),
    "not yet valid": stored(not_before=NOON + timedelta(seconds=1)),
    "rotated, in the overlap": stored(expires_at=NOON + timedelta(seconds=1), successor="another00000"),
    "for an hour": stored(not_before=NOON - timedelta(minutes=30), expires_at=NOON + timedelta(minutes=30)),
    "rotated, after the overlap": stored(expires_at=NOON, successor="another00000"),
    "for another network": stored(networks=["198.51.100.0/24", "2001:db8::/32"]),
    "for networks that are none": stored(networks=["everywhere"]),
    "lead": stored(user="leo", roles=["lead"]),
    "clerk": stored(user="cleo", roles=["clerk"]),
    "guest": stored(user="gus", roles=["guest"]),
    "of a role in capitals": stored(user="una", roles=["Lead"]),
}
"""Keys in Redis, by what is the matter with them."""
ADMIN_KEY = STORED["admin"][0]
REVOKED = (
    {"jti": "lost"},
    {"jti": "lost, of this issuer", "issuer": ISSUER},
    {"jti": "lost, of another issuer", "issuer": "https://other.example"},
    {"user": "mallory", "issued_before": NOON},
    {"issuer": ISSUER, "issued_before": NOON - timedelta(hours=2)},
)
"""Tokens on the denylist."""


def store_all(client: redis.Redis) -> None:
    """Write the keys and revocations that the cases know."""
    for key, record in STORED.values():
        store(client, key, record)
    for changes in REVOKED:
        one = Revocation.model_validate({"revoked_at": NOON, "expires_at": NOON + timedelta(days=2)} | changes)
        client.hset(revocation.redis_key("fort"), one.id, one.model_dump_json(exclude_none=True))
    client.set(revocation.version_key("fort"), "1")


def store(client: redis.Redis, key: str, record: Mapping[str, Any]) -> None:
    """Write a key's record, whatever stands in it."""
    parsed = api_key.parse(key)
    assert parsed
    document = {name: str(value) if isinstance(value, datetime) else value for name, value in record.items()}
    client.hset(api_key.redis_key("fort"), parsed.id, canonical(document))
