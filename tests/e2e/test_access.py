"""Who gets in: every row of the access matrix, forged identities, tokens, revocation."""

import json
import time
from pathlib import Path

import httpx
import jwt
import pytest

from tests.e2e.conftest import STATIC_KEY, Gateway, is_problem

pytestmark = pytest.mark.e2e

WHO = ("nobody", "agent", "admin", "customer")
USERS = {"agent": "alice", "admin": "root", "customer": "carol"}
MATRIX = [  # method, path, and the status for: nobody, agent, admin, customer
    ("GET", "/healthz", 200, 200, 200, 200),
    ("GET", "/api/v1/tickets", 401, 200, 200, 403),
    ("POST", "/api/v1/tickets", 401, 201, 201, 403),
    ("DELETE", "/api/v1/tickets", 401, 403, 403, 403),
    ("HEAD", "/api/v1/tickets", 401, 403, 403, 403),
    ("GET", "/api/v1/tickets/t-1001", 401, 200, 200, 403),
    ("GET", "/api/v1/users", 401, 403, 200, 403),
    ("POST", "/api/v1/users", 401, 403, 201, 403),
    ("GET", "/api/v1/customers/carol", 401, 403, 200, 200),
    ("GET", "/api/v1/customers/dave", 401, 403, 200, 403),
    ("PUT", "/api/v1/customers/carol", 401, 403, 403, 403),
    ("GET", "/api/v1/customers", 404, 404, 404, 404),
    ("GET", "/api/v1/customers/carol/notes", 404, 404, 404, 404),
    ("GET", "/api/v1/ticketsx", 404, 404, 404, 404),
    ("GET", "/", 404, 404, 404, 404),
]
CASES = [
    pytest.param(row[0], row[1], who, status, id=f"{who}-{row[0]}-{row[1]}")
    for row in MATRIX
    for who, status in zip(WHO, row[2:], strict=True)
]
BODY = {"/api/v1/tickets": {"subject": "Help", "customer": "carol"}, "/api/v1/users": {"name": "Ann", "role": "agent"}}


@pytest.fixture(scope="module")
def tokens(gateway: Gateway) -> dict[str, dict[str, str]]:
    return {who: gateway.token(user, "--role", who) for who, user in USERS.items()}


def credential(gateway: Gateway, who: str) -> dict[str, str]:
    return {"x-api-key": gateway.keys[USERS[who]]} if who in USERS else {}


@pytest.mark.parametrize(("method", "path", "who", "status"), CASES)
def test_a_row_of_the_access_matrix_holds_for_api_keys(
    gateway: Gateway, method: str, path: str, who: str, status: int
) -> None:
    with gateway.client() as client:
        response = client.request(
            method, path, headers=credential(gateway, who), json=BODY.get(path) if method == "POST" else None
        )
    assert response.status_code == status
    assert status < 400 or method == "HEAD" or is_problem(response)


@pytest.mark.parametrize(("method", "path", "who", "status"), CASES)
def test_a_row_of_the_access_matrix_holds_for_tokens(
    gateway: Gateway, tokens: dict[str, dict[str, str]], method: str, path: str, who: str, status: int
) -> None:
    with gateway.client() as client:
        response = client.request(
            method, path, headers=tokens.get(who, {}), json=BODY.get(path) if method == "POST" else None
        )
    assert response.status_code == status


def test_a_missing_credential_is_told_which_ones_would_do(gateway: Gateway) -> None:
    response = gateway.get("/api/v1/tickets")
    assert response.headers["www-authenticate"] == 'ApiKey realm="e2e", Bearer realm="e2e"'
    assert response.json()["type"] == "urn:gatectl:error:credential-missing"
    assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/tickets"])
@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "nonsense"},
        {"x-api-key": "gk_aaaaaaaaaaaa_" + "a" * 50 + "_00000000"},
        {"authorization": "Bearer nonsense"},
        {"authorization": "Basic dXNlcjpwYXNz"},
    ],
    ids=["key", "key-in-our-format", "token", "basic"],
)
def test_a_bad_credential_is_refused_on_public_routes_too(gateway: Gateway, path: str, headers: dict[str, str]) -> None:
    response = gateway.get(path, headers=headers)
    assert response.status_code == 401
    assert is_problem(response)


def test_two_credentials_in_one_request_are_refused(gateway: Gateway, tokens: dict[str, dict[str, str]]) -> None:
    response = gateway.get("/api/v1/tickets", "alice", tokens["agent"])
    assert response.status_code == 400
    with gateway.client() as client:
        request = client.build_request("GET", "/api/v1/tickets")
        keys = [(b"x-api-key", gateway.keys[user].encode()) for user in ("alice", "root")]
        request.headers = httpx.Headers([*request.headers.raw, *keys])
        assert client.send(request).status_code == 400


FORGED = {
    "X-Gate-User": "root",
    "x-gate-roles": "admin",
    "x-gate-plan": "pro",
    "X-GATE-AUTH-METHOD": "api_key",
    "x-gate-identity": "forged",
    "x-gate-anything": "1",
    "x-envoy-original-path": "/api/v1/users",
    "x-envoy-internal": "true",
    "x-envoy-decorator-operation": "x",
    "x-forwarded-client-cert": "By=spiffe://root",
    "x-forwarded-host": "evil.example",
}


def seen_by_upstream(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 200, response.text
    return {name.lower(): value for name, value in response.json()["headers"]}


def test_forged_identity_headers_do_not_reach_the_upstream_of_a_public_route(gateway: Gateway) -> None:
    seen = seen_by_upstream(gateway.get("/debug/echo", headers=FORGED))
    own = {"x-gate-auth-method", "x-envoy-external-address", "x-envoy-expected-rq-timeout-ms"}
    assert {name for name in seen if name.startswith(("x-gate-", "x-envoy-"))} <= own
    assert "x-forwarded-client-cert" not in seen
    assert "x-forwarded-host" not in seen
    assert "root" not in seen.values()


def test_forged_identity_headers_are_replaced_on_a_protected_route(gateway: Gateway) -> None:
    seen = seen_by_upstream(gateway.get("/private", "alice", FORGED))
    assert seen["x-gate-user"] == "alice"
    assert seen["x-gate-roles"] == "agent"
    assert seen["x-gate-auth-method"] == "api_key"
    assert "x-gate-plan" not in seen
    assert "x-gate-anything" not in seen
    assert seen["x-envoy-original-path"] == "/private"


def test_hop_by_hop_tricks_do_not_remove_identity_headers(gateway: Gateway) -> None:
    headers = {"connection": "x-gate-user, x-gate-roles, x-gate-identity", "x-gate-user": "root"}
    seen = seen_by_upstream(gateway.get("/private", "alice", headers))
    assert seen["x-gate-user"] == "alice"
    assert "x-gate-identity" in seen


def test_an_upstream_can_verify_who_is_calling(gateway: Gateway) -> None:
    signed = seen_by_upstream(gateway.get("/private", "alice", FORGED))["x-gate-identity"]
    published = f"http://{gateway.running()['ext_authz']['http']}/.well-known/jwks.json"
    key = jwt.PyJWKClient(published).get_signing_key_from_jwt(signed)
    found = jwt.decode(signed, key, algorithms=["ES256"], audience="support", issuer="e2e", leeway=5)
    assert (found["sub"], found["roles"], found["auth_method"]) == ("alice", ["agent"], "api_key")
    assert "plan" not in found


def test_credentials_stay_in_the_gateway(gateway: Gateway, tokens: dict[str, dict[str, str]]) -> None:
    assert "x-api-key" not in seen_by_upstream(gateway.get("/private", "alice"))
    assert "authorization" not in seen_by_upstream(gateway.get("/private", headers=tokens["agent"]))


def test_a_static_key_works_and_brings_its_plan(gateway: Gateway) -> None:
    seen = seen_by_upstream(gateway.get("/private", headers={"x-api-key": STATIC_KEY}))
    assert (seen["x-gate-user"], seen["x-gate-plan"]) == ("sam", "pro")


def test_a_condition_compares_a_path_variable_with_an_attribute(gateway: Gateway) -> None:
    assert gateway.get("/tenants/acme/echo", "bob").status_code == 404  # let through: the backend has no such page
    assert gateway.get("/tenants/other/echo", "bob").status_code == 403
    assert gateway.get("/tenants/acme/echo", "alice").status_code == 403  # has no such attribute
    claim = gateway.token("eve", "--role", "customer", "--attribute", "tenant=acme")
    assert gateway.get("/tenants/acme/echo", headers=claim).status_code == 404


def test_a_revoked_token_stops_within_a_second_and_works_again_when_reinstated(
    gateway: Gateway, tokens: dict[str, dict[str, str]]
) -> None:
    rita = gateway.token("rita", "--role", "agent")
    assert gateway.get("/api/v1/tickets", headers=rita).status_code == 200

    def in_time(status: int) -> httpx.Response:
        deadline = time.monotonic() + 1
        while (answer := gateway.get("/api/v1/tickets", headers=rita)).status_code != status:
            assert time.monotonic() < deadline, "not within a second"
        return answer

    made = gateway.json("tokens", "revoke", "--subject", "rita", "--issuer", "staff", "--reason", "lost laptop")
    refused = in_time(401)
    assert is_problem(refused)
    assert refused.json()["type"] == "urn:gatectl:error:token-revoked"
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert gateway.get("/api/v1/tickets", headers=tokens["agent"]).status_code == 200
    gateway.json("tokens", "reinstate", made["id"])
    in_time(200)


def test_a_new_key_works_and_a_revoked_one_stops_within_a_second(gateway: Gateway) -> None:
    made = gateway.json("keys", "create", "zoe", "--role", "agent")
    assert made["roles"] == ["agent"]
    headers = {"x-api-key": made["key"]}
    assert gateway.get("/api/v1/tickets", headers=headers).status_code == 200
    listed = {key["id"]: key for key in gateway.json("keys", "list")}
    assert listed[made["id"]]["state"] == "active"
    assert made["key"] not in str(listed)
    gateway.gatectl("keys", "revoke", made["id"])
    revoked = time.monotonic()
    while gateway.get("/api/v1/tickets", headers=headers).status_code == 200:
        assert time.monotonic() - revoked < 1
    assert gateway.get("/api/v1/tickets", headers=headers).json()["type"] == "urn:gatectl:error:key-revoked"


def test_every_refusal_leaves_one_audit_line_and_never_a_credential(gateway: Gateway) -> None:
    response = gateway.get("/api/v1/users?secret=in-the-query", "alice")
    request_id = response.headers["x-request-id"]
    lines = [line for line in gateway.log("ext_authz.log").splitlines() if request_id in line]
    assert len(lines) == 1
    assert all(word in lines[0] for word in ("access-denied", "users", "alice", "127.0.0.1"))
    logs = "".join(path.read_text() for path in Path(gateway.state_dir, "logs").iterdir())
    assert "in-the-query" not in logs
    assert not [user for user, key in gateway.keys.items() if key in logs or key[-20:] in logs]


def test_the_access_log_says_who_where_and_why(gateway: Gateway) -> None:
    request_id = gateway.get("/private/x?secret=in-the-query", "alice").headers["x-request-id"]
    deadline = time.monotonic() + 5
    while not (lines := [line for line in gateway.log("access.log").splitlines() if request_id in line]):
        assert time.monotonic() < deadline
    entry = json.loads(lines[0])
    assert entry["user"] == "alice"
    assert entry["auth_method"] == "api_key"
    assert entry["route"] == "private-echo"
    assert entry["decision"] == "allow"
    assert entry["rate_limit"] == "ok"
    assert entry["upstream"] == "upstream-support"
    assert entry["path"] == "/private/x"
    assert entry["status"] == 200
    assert entry["duration_ms"] >= entry["upstream_ms"] >= 0
