"""Callers with a client certificate, in `explain` and in tables of tests."""

from pathlib import Path
from typing import Any

import pytest

from gatectl.diagnostics import GatectlError, SpecError
from gatectl.rehearsal import references, suite
from gatectl.rehearsal.callers import Caller
from gatectl.rehearsal.trial import test as rehearse
from gatectl.rollout.candidate import read
from tests.rehearsal.specs import explained

BILLING = "spiffe://example.com/billing"
SPEC = """\
version: 1
name: certified
listener: {tls: {certificate: /c/s.pem, key: /c/s.key, client_ca: /c/ca.pem}}
authentication:
  api_keys: {}
  certificates:
    - {uri: "spiffe://example.com/billing", user: "${HOLDER:-billing}", roles: [agent], attributes: {tenant: acme}}
    - {dns: orders.example.com, user: orders}
upstreams: {u: {endpoints: ["127.0.0.1:9"]}}
routes:
  - {name: open, match: {path: /open}, upstream: u, access: public}
  - {name: agents, match: {path_prefix: /agents}, upstream: u, access: [{roles: [agent], where: user.tenant == "acme"}]}
  - {name: both, match: {path: /both}, upstream: u, access: authenticated, authentication: {all: [mtls, api_key]}}
  - {name: only, match: {path: /only}, upstream: u, access: authenticated, authentication: {any: [mtls]}}
"""
TESTS = """\
callers:
  billing: {certificate: "spiffe://example.com/billing"}
  orders: {certificate: orders.example.com}
  stranger: {certificate: "spiffe://example.com/other"}
  both: {certificate: orders.example.com, user: alice}
  alice: {user: alice}
tests:
  - request: GET /agents
    as: billing
    expect: {sent: {x-gate-user: billing, x-gate-auth-method: mtls, x-forwarded-client-cert: null}}
  - {request: GET /agents, as: orders, expect: {status: 403, reason: access-denied}}
  - {request: GET /open, as: stranger, expect: {status: 403, reason: certificate-unknown}}
  - {request: GET /open, expect: {sent: {x-gate-user: null}}}
  - {request: GET /agents, expect: {status: 401, reason: credential-missing}}
  - {request: GET /only, expect: {status: 403, reason: certificate-missing}}
  - {request: GET /only, as: alice, expect: {status: 403, reason: credential-not-accepted}}
  - {request: GET /both, as: orders, expect: {status: 401, reason: credential-missing}}
  - {request: GET /both, as: alice, expect: {status: 403, reason: certificate-missing}}
  - {request: GET /both, as: both, expect: {sent: {x-gate-user: orders, x-gate-auth-method: mtls}}}
  - {request: GET /open, as: both, expect: {sent: {x-gate-user: alice, x-gate-auth-method: api_key}}}
  - request: {path: /only, headers: {x-forwarded-client-cert: "URI=spiffe://example.com/billing"}}
    expect: {reason: certificate-missing}
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "gateway.yaml"
    path.write_text(SPEC)
    return str(path)


def test_callers_of_a_table_may_have_certificates_alone_and_beside_a_key(spec: str) -> None:
    path = Path(spec).with_name("tests.yaml")
    path.write_text(TESTS)
    told = rehearse(str(path), [], path.parent, 0)
    assert [(one["name"], one["failures"]) for one in told["tests"] if not one["passed"]] == []


def test_explain_tells_whose_certificate_it_was_and_hides_who_that_is_in_the_environment(
    spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDER", "hunter2")
    told: Any = explained(spec, "GET /agents/1", caller=Caller(certificate=BILLING))
    assert (told["decision"], told["certificate"], told["credential"]) == ("allow", BILLING, None)
    assert (told["access"]["caller"]["method"], told["access"]["caller"]["roles"]) == ("mtls", ["agent"])
    assert told["access"]["caller"]["user"] == "(from the environment)"
    assert "hunter2" not in str(told)


def test_a_gateway_that_asks_for_no_certificates_knows_no_such_caller(spec: str) -> None:
    path = Path(spec)
    path.write_text(
        SPEC.replace(", client_ca: /c/ca.pem", "").partition("  certificates:")[0] + _without_certificates()
    )
    with pytest.raises(GatectlError, match="asks for no certificates") as refused:
        explained(spec, "GET /open", caller=Caller(certificate=BILLING))
    assert refused.value.exit_code == 64
    tests = path.with_name("tests.yaml")
    tests.write_text('callers: {b: {certificate: "spiffe://x"}}\ntests: [{request: GET /open, as: b, expect: allow}]')
    script = suite.load(str(tests), [], {})
    with pytest.raises(SpecError) as told:
        references.check(script, read(script.files).spec)
    (one,) = told.value.diagnostics
    assert str(one).endswith('1:11: error[GC0108] caller "b" has a certificate, but the listener asks for none')


def _without_certificates() -> str:
    return "upstreams:" + SPEC.partition("upstreams:")[2].partition("  - {name: both")[0]
