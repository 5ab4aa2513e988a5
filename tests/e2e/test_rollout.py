"""plan, apply, rollback and history on a running gateway, as an operator and as a pipeline use them."""

import ctypes
import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Gateway
from tests.e2e.test_apply import Load

pytestmark = pytest.mark.e2e

SLOWER = ("support: {endpoints:", "support: {connect_timeout: 3s, endpoints:")
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


@pytest.fixture(scope="module")
def first(gateway: Gateway) -> str:
    """The revision that `up` brought into force."""
    return in_force(gateway)


@pytest.fixture(autouse=True)
def as_it_was(gateway: Gateway, first: str) -> None:
    """Every test begins with the same spec in force."""
    if (gateway.state_dir / "current").readlink().name != first:
        gateway.apply()


def in_force(gateway: Gateway) -> str:
    return (gateway.state_dir / "current").readlink().name.partition("+")[0]


def started(gateway: Gateway, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """The command line, still running."""
    command = [sys.executable, "-m", "gatectl", *arguments, "--state-dir", str(gateway.state_dir)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=gateway.environment, **pipes, **options)


def test_a_plan_that_was_approved_is_applied_exactly_and_once(gateway: Gateway) -> None:
    before, changed = in_force(gateway), gateway.edited(SLOWER)
    saved = gateway.spec.with_name("plan.json")
    result = gateway.gatectl("plan", "-f", str(changed), "--out", str(saved))
    assert '~ upstream "support".connect_timeout: 2s → 3s' in result.stdout
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in result.stdout
    assert in_force(gateway) == before, "a plan changes nothing"
    code = gateway.gatectl("plan", "-f", str(changed), "--detailed-exitcode", check=False).returncode
    assert code == 2
    receipt = json.loads(gateway.gatectl("apply", str(saved), "-o", "json").stdout)
    assert (receipt["previous"], receipt["changed"]) == (before, True)
    assert receipt["proven"] == ["ext_authz", "ratelimit_svc", "envoy"]
    assert in_force(gateway) == receipt["revision"] == json.loads(saved.read_text())["revision"]
    assert not json.loads(gateway.gatectl("apply", str(saved), "-o", "json").stdout)["changed"], "again does nothing"
    assert gateway.gatectl("plan", "-f", str(changed), "--detailed-exitcode").stdout.startswith("e2e\nNo changes")


def test_a_plan_is_refused_when_the_spec_or_the_gateway_has_moved(gateway: Gateway) -> None:
    before, changed = in_force(gateway), gateway.edited(SLOWER)
    saved = gateway.spec.with_name("plan.json")
    gateway.gatectl("plan", "-f", str(changed), "--out", str(saved))
    gateway.edited(("support: {endpoints:", "support: {connect_timeout: 4s, endpoints:"))
    result = gateway.gatectl("apply", str(saved), check=False)
    assert (result.returncode, in_force(gateway)) == (1, before)
    assert "the spec renders to" in result.stderr
    assert "plan again" in result.stderr

    gateway.edited(SLOWER)
    other = gateway.edited(("limit: 50/hour", "limit: 51/hour")).rename(gateway.spec.with_name("other.yaml"))
    gateway.apply(other)
    now = in_force(gateway)
    gateway.edited(SLOWER)
    result = gateway.gatectl("apply", str(saved), check=False)
    assert (result.returncode, in_force(gateway)) == (1, now)
    assert f"the plan was made over {before}, and {now} is in force by now" in result.stderr


def test_without_a_terminal_and_without_approval_nothing_is_changed(gateway: Gateway) -> None:
    before = in_force(gateway)
    result = gateway.gatectl("apply", "-f", str(gateway.edited(SLOWER)), check=False)
    assert (result.returncode, in_force(gateway)) == (64, before)
    assert "--auto-approve" in result.stderr


def test_a_rollback_goes_forward_to_the_previous_revision_and_is_in_the_history(gateway: Gateway) -> None:
    before, changed_spec = in_force(gateway), gateway.edited(SLOWER)
    gateway.apply(changed_spec)
    changed = in_force(gateway)
    result = gateway.gatectl("rollback", "--auto-approve", "--message", "too slow")
    assert '~ upstream "support".connect_timeout: 3s → 2s' in result.stdout
    assert in_force(gateway) == before
    history = gateway.json("history")
    newest, last = history["entries"][-1], history["entries"][-2]
    assert (newest["action"], newest["revision"], newest["previous"]) == ("rollback", before, changed)
    assert (newest["message"], newest["outcome"]) == ("too slow", "applied")
    assert (last["action"], last["revision"], last["files"]) == (
        "apply",
        changed,
        [str(changed_spec)],
    )
    assert "@" in last["by"]
    gateway.gatectl("rollback", changed[:5], "--auto-approve")
    assert in_force(gateway) == changed


def test_what_envoy_refuses_exits_4_with_the_line_of_the_spec_and_changes_nothing(gateway: Gateway) -> None:
    before = in_force(gateway)
    wrong = gateway.edited(('"/tenants/{tenant}/echo"', '"/tenants/{a}/{b}/{c}/{d}/{e}/{tenant}"'))
    line = next(i for i, text in enumerate(wrong.read_text().splitlines(), 1) if "/{a}/{b}" in text) - 1
    result = gateway.gatectl("apply", "-f", str(wrong), "--auto-approve", "--envoy", "off", check=False)
    assert result.returncode == 4
    assert f"{wrong}:{line}:5: Envoy at " in result.stderr
    assert 'rejects rds: route "tenants"' in result.stderr
    assert in_force(gateway) == before
    assert gateway.json("drift")["drift"] == []
    assert gateway.json("history")["entries"][-1]["outcome"] == "rejected"


def test_a_generation_that_was_edited_by_hand_is_drift_and_is_mended_by_the_next_apply(gateway: Gateway) -> None:
    before = in_force(gateway)
    file = gateway.state_dir / "current" / "authz.json"
    file.write_text(file.read_text().replace('"admin"', '"anybody"'))
    result = gateway.gatectl("drift", "--detailed-exitcode", check=False)
    assert result.returncode == 2
    assert "was changed by hand or is damaged" in result.stdout
    assert gateway.gatectl("rollback", before, "--auto-approve", check=False).returncode == 1, "damaged is not proven"
    gateway.apply()
    assert gateway.json("drift")["drift"] == []
    assert in_force(gateway) == before


def unprivileged() -> None:
    """Root without the right to write where nobody may: permissions mean for it what they mean for others."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    places = [directory, *(path for path in directory.iterdir() if path.is_dir() and not path.is_symlink())]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in places}
    for path in places:
        path.chmod(0o500)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_a_read_only_state_directory_is_told_and_the_gateway_goes_on(gateway: Gateway) -> None:
    before, changed = in_force(gateway), gateway.edited(SLOWER)
    with read_only(gateway.state_dir):
        planned = started(gateway, "plan", "-f", str(changed), preexec_fn=unprivileged)
        assert "1 to change" in planned.communicate(timeout=60)[0], "planning needs no right to write"
        applied = started(gateway, "apply", "-f", str(changed), "--auto-approve", preexec_fn=unprivileged)
        _, errors = applied.communicate(timeout=60)
    assert applied.returncode == 1
    assert "Permission denied" in errors
    assert "Traceback" not in errors
    assert in_force(gateway) == before
    assert gateway.get("/healthz").status_code == 200


def test_a_full_disk_is_told_and_the_gateway_goes_on(gateway: Gateway) -> None:
    """The kernel refuses files above a size, as it does when no block is left."""
    before, changed = in_force(gateway), gateway.edited(("limit: 50/hour", "limit: 71/hour"))
    command = f"ulimit -f 8; exec {sys.executable} -m gatectl apply -f {changed} --auto-approve"
    result = subprocess.run(
        ["bash", "-c", f"{command} --state-dir {gateway.state_dir} --envoy off"],
        env=gateway.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "File too large; nothing was changed" in result.stderr
    assert in_force(gateway) == before
    assert gateway.json("drift")["drift"] == []


def killed_when(gateway: Gateway, spec: Path, due: Callable[[str], bool], number: int) -> None:
    """An apply that gets a signal at the first line of progress that is ``due``."""
    process = started(gateway, "apply", "-f", str(spec), "--auto-approve")
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if due(line):
                process.send_signal(number)
                break
        process.wait(30)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("step", "number"),
    [("switching to", signal.SIGINT), ("envoy: ", signal.SIGTERM), ("switching to", signal.SIGKILL)],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
def test_an_apply_may_be_interrupted_at_any_moment(gateway: Gateway, step: str, number: signal.Signals) -> None:
    """Requests go on, one revision is in force everywhere, and a command says which."""
    old = in_force(gateway)
    moved = ("upstream: support\n    access: [{methods: [GET, POST], roles: [agent, admin]}]",) * 2
    endpoint = f'"127.0.0.1:{gateway.environment["BACKEND_PORT"]}"'
    spec = gateway.edited(
        ("  nobody:", f"  other: {{endpoints: [{endpoint}]}}\n  nobody:"),
        (moved[0], moved[1].replace("support", "other")),
    )
    with Load(gateway, ["/api/v1/tickets", "/healthz"]) as load:
        killed_when(gateway, spec, lambda line: step in line, number)
        now = in_force(gateway)
        told = gateway.gatectl("history").stdout
        gateway.gatectl("apply", "-f", str(spec), "--auto-approve")
        new = in_force(gateway)
    assert now in {old, new}
    if number is signal.SIGKILL:
        assert f"the rollout of {new} was interrupted: {now} is in force" in told
    else:
        assert now == old, "whoever can still do it puts back what was there"
    assert set(load.seen) == {"200"}
    assert gateway.json("history")["interrupted"] is None
    assert gateway.json("drift")["drift"] == []


def test_one_of_two_applies_at_once_refuses_and_the_other_converges(gateway: Gateway) -> None:
    specs = [
        gateway.edited(("limit: 50/hour", f"limit: {limit}/hour")).rename(gateway.spec.with_name(f"{limit}.yaml"))
        for limit in (61, 62)
    ]
    runs = [started(gateway, "apply", "-f", str(spec), "--auto-approve") for spec in specs]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in runs]
    assert sorted(code for _, code in ends) in ([0, 0], [0, 1])
    refused = [errors for errors, code in ends if code == 1]
    assert all("another apply is under way" in errors or "plan again" in errors for errors in refused)
    assert gateway.json("drift")["drift"] == []


def test_what_a_rollout_writes_is_for_its_owner_only(gateway: Gateway) -> None:
    gateway.apply(gateway.edited(SLOWER))
    saved = gateway.spec.with_name("plan.json")
    gateway.gatectl("plan", "-f", str(gateway.spec), "--out", str(saved))
    written = [*gateway.state_dir.glob("*"), *(gateway.state_dir / "generations").rglob("*"), saved]
    open_to_others = {
        path.name for path in written if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    }
    assert open_to_others <= {".lock", "bootstrap.json", "admin.sock"}, "no secret is in any of these"
