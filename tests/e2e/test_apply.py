"""apply on a running gateway: no request is lost, nothing wrong gets in, nothing changes for nothing."""

import threading
from collections import Counter

import httpx
import pytest

from tests.e2e.conftest import Gateway

pytestmark = pytest.mark.e2e


class Load:
    """Clients that keep asking, each on a connection of its own, and count what they get."""

    def __init__(self, gateway: Gateway, paths: list[str]) -> None:
        self.seen: Counter[str] = Counter()
        self._gateway, self._stop = gateway, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(path,)) for path in paths]

    def _ask(self, path: str) -> None:
        with self._gateway.client("alice") as client:
            while not self._stop.wait(0.002):  # leaves apply some of the two cores
                try:
                    self.seen[str(client.get(path).status_code)] += 1
                except httpx.HTTPError as error:
                    self.seen[type(error).__name__] += 1

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_applying_under_load_drops_no_request(gateway: Gateway) -> None:
    """Routes move to upstreams that come and go, access rules and limits change; whoever may, gets 200 all the time."""
    moved = ("upstream: support\n    access: [{methods: [GET, POST], roles: [agent, admin]}]",) * 2
    variants = [
        gateway.edited(
            (
                "  nobody:",
                f'  support-{number}: {{endpoints: ["127.0.0.1:{gateway.environment["BACKEND_PORT"]}"]}}\n  nobody:',
            ),
            (moved[0], moved[1].replace("support", f"support-{number}")),
            ("limit: 100000/minute", f"limit: {200000 + number}/minute"),
        ).rename(gateway.spec.with_name(f"variant-{number}.yaml"))
        for number in range(3)
    ]
    with Load(gateway, ["/api/v1/tickets", "/api/v1/tickets/t-1001", "/private/x", "/healthz"]) as load:
        for variant in (*variants, None):
            result = gateway.apply(variant)
            assert "is in force" in result.stdout
    assert set(load.seen) == {"200"}
    assert load.seen["200"] > 200


def test_applying_the_same_spec_again_changes_nothing_and_says_so(gateway: Gateway) -> None:
    gateway.apply()
    before = {path.name: path.stat().st_mtime_ns for path in (gateway.state_dir / "generations").iterdir()}
    link = (gateway.state_dir / "current").lstat().st_mtime_ns
    result = gateway.apply()
    assert "nothing was changed" in result.stdout
    assert link == (gateway.state_dir / "current").lstat().st_mtime_ns
    assert before == {path.name: path.stat().st_mtime_ns for path in (gateway.state_dir / "generations").iterdir()}


def obeyed(gateway: Gateway) -> dict[str, str]:
    """The revision of every part of a healthy gateway."""
    report = gateway.json("status")
    kinds = {name: kind["version"] for node in report["nodes"] for name, kind in node["kinds"].items()}
    return kinds | {service["name"]: service["revision"] for service in report["services"]}


def test_a_wrong_spec_leaves_the_running_gateway_untouched(gateway: Gateway) -> None:
    before = obeyed(gateway)
    wrong = gateway.edited(("upstream: support", "upstream: suport"), ("limit: 50/hour", "limit: many"))
    result = gateway.apply(wrong, check=False)
    assert result.returncode == 65
    assert 'unknown upstream "suport" (did you mean "support"?)' in result.stderr
    assert "GC0105" in result.stderr
    assert obeyed(gateway) == before
    assert gateway.get("/api/v1/tickets", "alice").status_code == 200


def test_a_spec_that_only_envoy_can_refuse_leaves_the_running_gateway_untouched(gateway: Gateway) -> None:
    before = obeyed(gateway)
    six = "/".join(f"{{v{number}}}" for number in range(6))  # Envoy takes five variables
    wrong = gateway.edited(('path_template: "/tenants/{tenant}/echo"', f'path_template: "/tenants/{{tenant}}/{six}"'))
    result = gateway.apply(wrong, check=False)
    assert result.returncode == 65
    assert "GC0201" in result.stderr
    assert obeyed(gateway) == before


def test_a_spec_of_another_gateway_is_refused(gateway: Gateway) -> None:
    result = gateway.apply(gateway.edited(("name: e2e", "name: other")), check=False)
    assert result.returncode == 1
    assert '"e2e" runs in' in result.stderr
    assert gateway.get("/api/v1/tickets", "alice").status_code == 200


def test_what_a_new_revision_allows_and_forbids_holds_as_soon_as_apply_returns(gateway: Gateway) -> None:
    gateway.apply(gateway.edited(("roles: [agent, admin]", "roles: [admin]")))
    assert gateway.get("/api/v1/tickets", "alice").status_code == 403
    gateway.apply()
    assert gateway.get("/api/v1/tickets", "alice").status_code == 200


def test_status_tells_the_revision_of_every_part(gateway: Gateway) -> None:
    report = gateway.json("status")
    assert report["healthy"] is True
    assert obeyed(gateway) == dict.fromkeys(("lds", "cds", "rds", "ext_authz", "ratelimit_svc"), report["revision"])
