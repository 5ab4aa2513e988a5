"""What apply and its kin refuse: mass deletion by accident, bad input; with their exit codes."""

from typing import Any

import pytest

from tests.commands.desk import Desk

# httpcore forgets to close a unix socket whose connect fails; it is freed at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")


def route(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "match": {"path": path}, "upstream": "u", "access": "public"}


def many(count: int, name: str = "r") -> list[dict[str, Any]]:
    return [route(f"{name}{number}", f"/{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (many(15), many(1), "this deletes 14 of 15 routes; if that is meant, pass --allow-deletes"),
        (many(15), many(15, "other"), "this deletes 15 of 15 routes"),
        (many(6), many(3), None),
        (many(5), many(2), "this deletes 3 of 5 routes"),
        (many(2), many(1), None),
        (many(3), many(1), None),
        (many(15), [route("renamed", "/0"), *many(15)[1:]], None),
    ],
)
def test_more_than_half_is_not_deleted_by_accident(
    desk: Desk, before: list[Any], after: list[Any], refused: str | None
) -> None:
    desk.write(routes=before)
    old = desk.applied()
    desk.write(routes=after)
    assert desk.plan().code == 0, "a plan may say so"
    ran = desk.apply("-o", "json")
    if refused is None:
        assert ran.code == 0
        return
    assert ran.code == 1
    assert refused in ran.data["error"]
    assert desk.in_force == old
    assert desk.apply("--allow-deletes").code == 0
    assert desk.in_force != old


def test_limits_and_upstreams_are_guarded_as_routes_are(desk: Desk) -> None:
    limits = [{"name": f"l{number}", "per": ["user"], "limit": "1/minute"} for number in range(4)]
    desk.write(rate_limits=limits)
    desk.applied()
    desk.write()
    assert "this deletes 4 of 4 rate limits" in desk.apply().err
    desk.write(upstreams={f"u{number or ''}": {"endpoints": ["h:1"]} for number in range(5)}, rate_limits=limits)
    desk.applied()
    desk.write(rate_limits=limits)
    assert "this deletes 4 of 5 upstreams" in desk.apply().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["plan", "-f", "missing.yaml"], 65),
        (["plan", "-o", "sarif"], 64),
        (["plan", "--envoy", "never"], 64),
        (["plan", "--admin", "ftp://x"], 64),
        (["plan", "--admin", "/nonexistent.sock"], 5),
        (["plan", "--service", "nonsense"], 64),
        (["plan", "--state-dir", "gateway.yaml"], 1),
        (["apply"], 5),
        (["apply", "--no-wait"], 64),
        (["apply", "--no-wait", "-o", "json"], 64),
        (["apply", "--timeout", "0"], 64),
        (["apply", "missing.json"], 1),
        (["apply", "."], 1),
        (["apply", "gateway.yaml"], 65),
        (["rollback"], 1),
        (["rollback", "abc"], 1),
        (["rollback", ""], 1),
        (["rollback", "a", "b"], 64),
        (["history", "-o", "markdown"], 64),
        (["history"], 0),
        (["drift"], 5),
        (["drift", "--admin", "nonsense"], 64),
        (["drift", "--admin", "http://127.0.0.1:1"], 5),
        (["drift", "--service", "ext_authz=127.0.0.1:1"], 0),
        (["drift", "--service", "other=127.0.0.1:1"], 64),
        (["dump"], 1),
        (["dump", "0"], 1),
        (["bootstrap"], 64),
        (["bootstrap", "--gateway", "g", "--ext-authz", "a", "--ratelimit", "r:1"], 64),
        (["bootstrap", "--gateway", "g", "--ext-authz", "a:1", "--ratelimit", "r:1", "--node", "../x"], 64),
        (["bootstrap", "--gateway", "g", "--ext-authz", "a:1", "--ratelimit", "r:99999"], 64),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_bad_input_has_its_exit_code_and_changes_nothing(desk: Desk, arguments: list[str], code: int) -> None:
    before = sorted(path.name for path in desk.directory.iterdir())
    ran = desk.run(*arguments)
    assert ran.code == code, ran.err
    assert sorted(path.name for path in desk.directory.iterdir()) == before


def test_a_wrong_spec_is_told_with_all_its_mistakes_and_changes_nothing(desk: Desk) -> None:
    desk.applied()
    desk.write(name="NO", routes=[route("a", "/a") | {"upstream": "x"}])
    before = desk.everything()
    for command in (desk.plan, desk.apply):
        ran = command()
        assert (ran.code, ran.out) == (65, "")
        assert "GC0103" in ran.err
        assert "GC0106" in ran.err
    assert desk.everything() == before
