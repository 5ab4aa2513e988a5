"""A small spec with something of everything, some of it from the environment, and what to do with it."""

from pathlib import Path
from typing import Any

import pytest

from gatectl.rehearsal.callers import Caller
from gatectl.rehearsal.explain import explain
from gatectl.rehearsal.request import Request, method_and_path

STATIC_KEY = "a-key-of-the-spec"
SECRETS = {
    "WHO": "whoseverysecret",
    "UPSTREAM": "hidden-endpoint.example:80",
    "SOON": "7s",
    "PREFIX": "prefixsecret",
    "ROLE": "rolesecret",
    "TOKEN": "tokensecret",
    "RATE": "2/minute",
    "GATE": "gatesecret",
    "ORIGIN": "https://originsecret.example",
}
SPEC = """\
version: 1
name: "${GATE}"
authentication:
  api_keys: {header: X-Key, static: [{id: fixed, sha256: "${SHA}", user: "${WHO}", roles: ["${ROLE}"], plan: gold}]}
  jwt:
    - {name: away, issuer: "https://${WHO}", audiences: [a], algorithms: [ES256], jwks: {url: "https://id.example/j"}}
  identity_token: {audiences: [u]}
upstreams:
  u: {endpoints: ["${UPSTREAM}"], protocol: http2, load_balancing: ring_hash, hash_by: user, timeout: "${SOON}"}
cors: {allow_origins: ["${ORIGIN}"], allow_methods: [GET]}
routes:
  - name: secret
    match: {path_prefix: /s, methods: [GET]}
    upstream: u
    rewrite_prefix: "/${PREFIX}"
    access: [{roles: ["${ROLE}"]}]
    request_headers: {set: {x-token: "Bearer ${TOKEN}", x-plain: "100% plain"}, remove: [x-gone]}
    response_headers: {set: {x-out: "${TOKEN}", x-open: "yes"}}
  - name: own
    match: {path_template: "/own/{owner}"}
    upstream: u
    access:
      - {methods: [PUT], roles: [admin]}
      - {methods: [GET], roles: [reader, writer], where: path.owner == user.team}
  - {name: open, match: {path: /open}, upstream: u, access: public}
rate_limits:
  - {name: strict, per: [user], limit: "${RATE}", routes: [open, secret]}
  - {name: gold, per: [user, api_key], limit: 5/minute, when: {plan: [gold]}}
abuse: {requests_per_address: 1/hour, slow_after: 1, refuse_after: 1, exempt: []}  # a rehearsal is nobody's abuse
"""


GATEWAY = """\
version: 1
name: small
authentication: {api_keys: {}}
upstreams: {u: {endpoints: ["127.0.0.1:9"]}}
routes:
  - {name: open, match: {path_prefix: /open}, upstream: u, access: public}
  - name: guarded
    match: {path_prefix: /guarded}
    upstream: u
    access: [{methods: [GET], roles: [a]}, {roles: [b]}]
  - {name: any, match: {path: /any}, upstream: u, access: authenticated}
rate_limits:
  - {name: few, per: [user], limit: 2/minute, algorithm: fixed_window, routes: [open]}
  - {name: many, per: [client_address], limit: 100/minute, routes: [guarded, any]}
"""


def write(directory: Path, tests: str) -> Path:
    """A file of tests beside a spec that needs no environment."""
    (directory / "gateway.yaml").write_text(GATEWAY)
    path = directory / "tests.yaml"
    path.write_text(tests)
    return path


def written(directory: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The spec as a file, with its environment."""
    import hashlib

    for name, value in (SECRETS | {"SHA": hashlib.sha256(STATIC_KEY.encode()).hexdigest()}).items():
        monkeypatch.setenv(name, value)
    path = directory / "gateway.yaml"
    path.write_text(SPEC)
    return str(path)


def explained(file: str, line: str, *headers: tuple[str, str], caller: Caller | None = None, **more: Any) -> Any:
    """`gatectl explain` of ``METHOD PATH``, as data."""
    method, path = method_and_path(line.split(" "))
    return explain([file], Request(method, path, headers, **more), caller or Caller(), Path(file).parent)
