"""What proves who is calling, and who else could."""

import hashlib
from collections.abc import Iterator

from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Subject, Thing

_LONGEST_LEEWAY_MS = 60_000
_LONGEST_STALE_MS = 300_000
_LONGEST_LIFETIME_MS = 86_400_000
_WELL_KNOWN = (
    "", "0", "1", "123", "1234", "12345", "123456", "12345678", "123456789", "1234567890", "abc", "abc123", "admin",
    "api-key", "api_key", "apikey", "changeit", "changeme", "ci", "default", "demo", "dev", "development", "example",
    "foo", "foobar", "gateway", "guest", "hello", "hunter2", "key", "letmein", "localhost", "master", "my-api-key",
    "my-key", "my-secret", "mykey", "mysecret", "none", "null", "password", "password1", "passw0rd", "P@ssw0rd",
    "placeholder", "qwerty", "root", "s3cr3t", "s3cret", "sample", "secret", "secret-key", "secretkey", "staging",
    "static", "supersecret", "test", "test-key", "test123", "testing", "testkey", "todo", "token", "user", "welcome",
    "xxx", "your-api-key", "your-secret", "$KEY", "KEY",
)  # fmt: skip
"""What people put there until they have something better; also what an unset or unquoted variable hashes to."""
_OWNED_BY_THE_USER = {"email", "mail", "name", "nickname", "preferred_username", "given_name", "upn", "unique_name"}
"""Claims that somebody can change, or that are given to somebody else later (OpenID Connect Core, section 5.7)."""


def _long_leeway(subject: Subject) -> Iterator[Found]:
    for index, issuer in enumerate(subject.spec.authentication.jwt):
        if issuer.leeway > _LONGEST_LEEWAY_MS:
            path = ("authentication", "jwt", index, "leeway")
            text = f"accepts tokens up to {subject.shown(*path)} after they have expired"
            yield Found(subject.issuer(index), text, subject.at(*path))


def _long_lifetime(subject: Subject) -> Iterator[Found]:
    for index, issuer in enumerate(subject.spec.authentication.jwt):
        if issuer.max_lifetime > _LONGEST_LIFETIME_MS:
            path = ("authentication", "jwt", index, "max_lifetime")
            text = f"accepts tokens that are valid for {subject.shown(*path)}"
            yield Found(subject.issuer(index), text, subject.at(*path))


def _long_stale(subject: Subject) -> Iterator[Found]:
    api_keys = subject.spec.authentication.api_keys
    if api_keys is not None and api_keys.stale > _LONGEST_STALE_MS:
        path = ("authentication", "api_keys", "stale")
        text = f"keep working for {subject.shown(*path)} while Redis is away, revoked or not"
        yield Found(Thing("API keys"), text, subject.at(*path))


def _query_key(subject: Subject) -> Iterator[Found]:
    api_keys = subject.spec.authentication.api_keys
    if api_keys is not None and api_keys.query is not None:
        path = ("authentication", "api_keys", "query")
        yield Found(Thing("API keys"), f'come in the query parameter "{subject.shown(*path)}"', subject.at(*path))


def _development_issuer(subject: Subject) -> Iterator[Found]:
    for index, issuer in enumerate(subject.spec.authentication.jwt):
        at = subject.at("authentication", "jwt", index, "jwks", "local" if issuer.jwks.local else "url")
        if issuer.jwks.local:
            yield Found(subject.issuer(index), "signs with a development key pair in the state directory", at)
        elif issuer.jwks.url is not None and issuer.jwks.url.startswith("http://"):
            yield Found(subject.issuer(index), "gets its keys from this machine over plain http", at)


def _static_key(subject: Subject) -> Iterator[Found]:
    return (Found(thing, "is in the spec: only an apply takes it back", at) for _, thing, at in subject.static_keys)


def _forwarded_credentials(subject: Subject) -> Iterator[Found]:
    if subject.spec.authentication.forward_credentials:
        at = subject.at("authentication", "forward_credentials")
        yield Found(Thing("authentication"), "hands every upstream what its callers prove themselves with", at)


def _shared_key(subject: Subject) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for key, thing, at in subject.static_keys:
        if key.sha256 in seen:
            yield Found(thing, f'is the same key as "{seen[key.sha256]}", and takes its place', at)
        seen.setdefault(key.sha256, thing.name)


def _guessable_key(subject: Subject) -> Iterator[Found]:
    if not subject.static_keys:
        return
    known = {hashlib.sha256(word.encode()).hexdigest() for word in _WELL_KNOWN}
    known |= {hashlib.sha256(f"{word}\n".encode()).hexdigest() for word in _WELL_KNOWN}
    for key, thing, at in subject.static_keys:
        if key.sha256 in known:
            yield Found(thing, "is a word that everybody tries first", at)


def _user_claim(subject: Subject) -> Iterator[Found]:
    for index, issuer in enumerate(subject.spec.authentication.jwt):
        if issuer.claims.user.rpartition(".")[2] in _OWNED_BY_THE_USER:
            path = ("authentication", "jwt", index, "claims", "user")
            text = f'takes its users from the claim "{subject.shown(*path)}", which can change hands'
            yield Found(subject.issuer(index), text, subject.at(*path))


def _development_keys(subject: Subject) -> Iterator[Found]:
    issuers = subject.spec.authentication.jwt
    if subject.spec.development.keys and any((issuer.jwks.url or "").startswith("https://") for issuer in issuers):
        at = subject.at("development", "keys")
        yield Found(Thing("development section"), "makes demo keys in a spec that trusts a real issuer", at)


RULES: tuple[Rule, ...] = (
    Rule(
        "GL009",
        "long-token-lifetime",
        "warning",
        "security",
        5,
        "an issuer's tokens live for days",
        "A stolen token works until it expires or somebody notices, and revocations are kept for as long.",
        "Keep `max_lifetime` at 24h or below, the default; let clients renew their tokens.",
        _long_lifetime,
    ),
    Rule(
        "GL010",
        "long-leeway",
        "warning",
        "security",
        5,
        "an issuer's tokens live long after they have expired",
        "A stolen token works longer than its issuer wanted. Clocks differ by less than a second.",
        "Keep `leeway` at 60s or below; 30s is the default.",
        _long_leeway,
    ),
    Rule(
        "GL011",
        "long-stale",
        "warning",
        "security",
        5,
        "a revoked key can keep working for long",
        "While Redis is away a revocation is not seen; who can take Redis away keeps a key alive for so long.",
        "Keep `stale` at 5m or below; 1m is the default.",
        _long_stale,
    ),
    Rule(
        "GL012",
        "development-issuer",
        "info",
        "security",
        2,
        "an issuer for development is trusted",
        "Whoever reads the state directory, or answers on that port, signs tokens for every user and role.",
        "In production lay a file over it with `jwks: {url: https://…}` or `{file: …}`.",
        _development_issuer,
    ),
    Rule(
        "GL013",
        "static-key",
        "info",
        "hygiene",
        0,
        "an API key is part of the spec",
        "It never expires, it cannot be revoked within a second, and its hash is in every copy of the spec.",
        "Make it with `gatectl keys create`, unless it must be the key of another system.",
        _static_key,
    ),
    Rule(
        "GL014",
        "forwarded-credentials",
        "warning",
        "security",
        10,
        "upstreams get the credentials of their callers",
        "An upstream, or whoever reads its logs, can call every other upstream in the name of its callers.",
        "Let upstreams read `x-gate-user` and `x-gate-roles`, and leave `forward_credentials` out.",
        _forwarded_credentials,
    ),
    Rule(
        "GL015",
        "shared-key",
        "error",
        "security",
        20,
        "two static keys are one",
        "Who sends it is one of the two users, and the other one's entry means nothing.",
        "Give each user a key of their own.",
        _shared_key,
    ),
    Rule(
        "GL016",
        "guessable-key",
        "error",
        "security",
        40,
        "a static key is a well-known word",
        "It is tried before any other.",
        "Take 32 random bytes: `openssl rand -base64 32`.",
        _guessable_key,
    ),
    Rule(
        "GL017",
        "changeable-user",
        "warning",
        "security",
        10,
        "users are told apart by a claim that can change hands",
        "Who gets somebody's old address or nickname gets their records too: `where` and limits go by it.",
        "Use `sub`, which an issuer never gives to anybody else.",
        _user_claim,
    ),
    Rule(
        "GL018",
        "development-keys",
        "info",
        "hygiene",
        0,
        "demo keys stand in a spec for production",
        "On this spec `gatectl up` makes keys that work, and shows them.",
        "Move `development` into a file that only developers lay over it.",
        _development_keys,
    ),
    Rule(
        "GL019",
        "query-key",
        "warning",
        "security",
        10,
        "API keys are part of URLs",
        "URLs end up in browser histories, in the logs of proxies and clients, and in the Referer of what follows.",
        "Take keys in a header, and leave `query` to clients that can set none.",
        _query_key,
    ),
)
