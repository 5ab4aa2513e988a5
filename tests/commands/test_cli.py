"""The command line as a shell sees it: exit codes, streams, help."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gatectl.cli import run
from tests.commands.shell import Run

ROOT = Path(__file__).parents[2]
# httpcore forgets to close a unix socket whose connect fails; it is freed at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
EXAMPLE = ROOT / "examples" / "customer-support" / "gateway.yaml"
NO_REDIS = ["--redis-url", "redis://127.0.0.1:1/0", "-f", str(EXAMPLE)]
COMMANDS = [
    ["init"],
    ["fmt"],
    ["get"],
    ["dev"],
    ["import", "openapi"],
    ["import", "envoy"],
    ["import", "ratelimit"],
    ["validate"],
    ["lint"],
    ["explain"],
    ["test"],
    ["render"],
    ["plan"],
    ["apply"],
    ["rollback"],
    ["history"],
    ["drift"],
    ["dump"],
    ["bootstrap"],
    ["up"],
    ["down"],
    ["status"],
    ["schema"],
    ["version"],
    ["keys", "create"],
    ["keys", "list"],
    ["keys", "show"],
    ["keys", "rotate"],
    ["keys", "revoke"],
    ["tokens", "mint"],
    ["tokens", "revoke"],
    ["tokens", "list"],
    ["tokens", "reinstate"],
    ["keys", "expire"],
    ["keys", "import"],
    ["keys", "export"],
    ["limits", "set"],
    ["limits", "show"],
    ["limits", "list"],
    ["limits", "reset"],
    ["limits", "top"],
    ["audit", "tail"],
    ["audit", "verify"],
    ["audit", "search"],
]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["version"], 0, id="done"),
        pytest.param(["nonsense"], 64, id="unknown-command"),
        pytest.param(["validate", "--nonsense"], 64, id="unknown-option"),
        pytest.param(["validate", "-o", "xml"], 64, id="unknown-word"),
        pytest.param(["apply", "--timeout", "soon"], 64, id="no-number"),
        pytest.param(["up", "--port", "99999"], 64, id="out-of-range"),
        pytest.param(["keys", "create"], 64, id="missing-argument"),
        pytest.param(["keys", "create", "a", "--attribute", "nonsense"], 5, id="nobody-to-ask-comes-first"),
        pytest.param([], 64, id="no-command"),
        pytest.param(["lint", "-f", str(EXAMPLE)], 0, id="nothing-found"),
        pytest.param(["lint", "-f", str(EXAMPLE), "--fail-on", "info"], 3, id="findings"),
        pytest.param(["validate", "-f", "does-not-exist.yaml"], 65, id="no-such-spec"),
        pytest.param(["apply", "-f", str(EXAMPLE), "--state-dir", "/nonexistent/state"], 5, id="nobody-runs"),
        pytest.param(
            ["apply", "-f", str(EXAMPLE), "--state-dir", "/proc/state", "--no-wait", "--auto-approve"],
            1,
            id="unwritable-state",
        ),
        pytest.param(["status", "--state-dir", "/nonexistent/state"], 5, id="status-of-nothing"),
        pytest.param(["down", "--state-dir", "/nonexistent/state"], 0, id="down-of-nothing"),
        pytest.param(["keys", "list", "--redis-url", "nonsense://", "-f", str(EXAMPLE)], 64, id="bad-url"),
        pytest.param(["keys", "list", "--redis-url", "redis://127.0.0.1:1/0", "-f", str(EXAMPLE)], 5, id="no-redis"),
        pytest.param(["tokens", "revoke", "--jti", "a", "--issued-before", "noon"], 64, id="no-time"),
        pytest.param(["tokens", "revoke", "--subject", "a", "--issued-before", "2026-01-31T08:00"], 64, id="no-zone"),
        pytest.param(["tokens", "revoke", "--subject", "a"], 5, id="revoke-of-nobody"),
        pytest.param(["tokens", "reinstate", "a", *NO_REDIS], 5, id="no-redis-to-reinstate-in"),
        pytest.param(["tokens", "revoke", *NO_REDIS], 64, id="revoke-what"),
        pytest.param(["tokens", "revoke", "--jti", "a", "--issuer", "nobody", *NO_REDIS], 64, id="no-such-issuer"),
        pytest.param(["token", "mint"], 64, id="as-it-was-called-first"),
        pytest.param(["limits", "set", "a", "9/minute", "--limit", "nobody", *NO_REDIS], 64, id="no-such-limit"),
        pytest.param(["limits", "set", "a", "soon", "--limit", "per-user", *NO_REDIS], 64, id="no-rate"),
        pytest.param(["limits", "set", "a", "9/minute", *NO_REDIS], 64, id="which-limit"),
        pytest.param(
            ["limits", "set", "a", "9/s", "--limit", "per-user", "--for", "ever", *NO_REDIS], 64, id="no-span"
        ),
        pytest.param(["limits", "top", "--last", "16m", *NO_REDIS], 64, id="not-kept-so-long"),
        pytest.param(["audit", "tail", "--state-dir", "/nonexistent/state"], 1, id="no-trail"),
        pytest.param(["audit", "verify", "--expect", "abc"], 64, id="no-hash"),
        pytest.param(["audit", "search", "--since", "soon"], 64, id="no-time"),
        pytest.param(["get", "routes", "nobody", "-f", str(EXAMPLE)], 1, id="no-such-object"),
        pytest.param(["get", "things"], 64, id="no-such-kind"),
        pytest.param(["import", "envoy"], 64, id="nothing-to-import"),
        pytest.param(["import", "envoy", "--admin", "/nonexistent/a.sock"], 5, id="no-envoy-to-import-from"),
        pytest.param(["import", "openapi", str(EXAMPLE)], 65, id="not-openapi"),
        pytest.param(["import", "ratelimit", str(EXAMPLE)], 65, id="no-configuration-of-ratelimit"),
        pytest.param(["import", "ratelimit", str(EXAMPLE), "--as", "x"], 64, id="no-meaning-of-a-key"),
        pytest.param(["import", "openapi", "/nonexistent.yaml"], 65, id="nothing-to-read"),
        pytest.param(["fmt", "-f", "/nonexistent.yaml"], 65, id="nothing-to-format"),
        pytest.param(["explain"], 64, id="explain-what"),
        pytest.param(["explain", "GET", "/", "x"], 64, id="explain-three-words"),
        pytest.param(["explain", "GET"], 64, id="explain-no-path"),
        pytest.param(["explain", "/", "-H", "no colon"], 64, id="no-header"),
        pytest.param(["explain", "/", "--address", "here"], 64, id="no-address"),
        pytest.param(["explain", "/", "--body-size", "big"], 64, id="no-size"),
        pytest.param(["explain", "/", "--jwt", "does-not-exist.json"], 64, id="no-claims"),
        pytest.param(["explain", "/", "--jwt", str(EXAMPLE)], 65, id="claims-that-are-no-json"),
        pytest.param(["explain", "/", "--key", "@does-not-exist"], 64, id="no-key-file"),
        pytest.param(["explain", "/", "--user", "a,b", "-f", str(EXAMPLE)], 64, id="no-user"),
        pytest.param(["explain", "/", "--user", "a", "--key", "b", "-f", str(EXAMPLE)], 64, id="two-callers"),
        pytest.param(["explain", "/", "--certificate", "a.example", "-f", str(EXAMPLE)], 64, id="no-certificates"),
        pytest.param(["explain", "/", "-f", "does-not-exist.yaml"], 65, id="explain-no-such-spec"),
        pytest.param(["explain", "DELETE", "/api/v1/users", "-f", str(EXAMPLE)], 0, id="a-refusal-is-explained"),
        pytest.param(["test", "does-not-exist.yaml"], 65, id="no-such-tests"),
        pytest.param(["test", "--fail-under", "101"], 64, id="more-than-all"),
        pytest.param(["render", "-f", str(EXAMPLE), "--to", str(ROOT)], 1, id="not-into-a-full-directory"),
    ],
)
def test_an_outcome_has_its_exit_code_and_a_mistake_is_told_on_stderr(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, errors = run(arguments), capsys.readouterr().err
    assert ended == code, errors
    assert "Traceback" not in errors
    assert code == 0 or errors or arguments[0] in {"status", "lint"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_says_what_it_does_and_shows_examples(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*command, "--help"]) == 0
    narrow = capsys.readouterr().out
    assert "Examples:" in narrow
    assert f"gatectl {' '.join(command)}" in narrow
    examples = narrow.partition("Examples:")[2].partition("\n\nOptions:")[0].partition("\n\nArguments:")[0]
    assert all(line.startswith("    gatectl ") for line in examples.splitlines() if line), "an example is cut in two"


def test_help_comes_at_once() -> None:
    """Heavy imports belong into the command that needs them. CPU time, for others share this machine."""

    def once() -> float:
        before = os.times()
        subprocess.run(
            [str(Path(sys.executable).with_name("gatectl")), "--help"], stdout=subprocess.DEVNULL, check=True
        )
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(once() for _ in range(3)) < 0.3


def test_every_mistake_of_a_spec_is_told_at_once_with_its_place(gatectl: Run) -> None:
    text = EXAMPLE.read_text().replace("upstream: users", "upstream: usres").replace("30s", "soon")
    result = gatectl("validate", "-f", "-", stdin=text)
    assert result.returncode == 65
    assert len(re.findall(r"^<stdin>:\d+:\d+: error\[GC0105\]", result.stderr, re.MULTILINE)) == 2
    assert len(re.findall(r'unknown upstream "usres" \(did you mean "users"\?\)', result.stderr)) == 2
    assert result.stdout == ""


def test_mistakes_are_data_for_programs(gatectl: Run) -> None:
    result = gatectl("validate", "-f", "-", "-o", "json", stdin="version: 2\n")
    document = json.loads(result.stdout)
    assert document["valid"] is False
    assert {"code", "severity", "message", "hint", "file", "line", "column"} == set(document["diagnostics"][0])


def test_failures_are_data_for_programs(gatectl: Run) -> None:
    result = gatectl("apply", "-f", str(EXAMPLE), "--state-dir", "/nonexistent/state", "-o", "json")
    assert result.returncode == 5
    assert "no gateway runs" in json.loads(result.stdout)["error"]


def test_chatter_does_not_mix_with_data(tmp_path: Path, gatectl: Run) -> None:
    result = gatectl(
        "apply", "-f", str(EXAMPLE), "--state-dir", str(tmp_path / "s"), "--no-wait", "--auto-approve", "-o", "json"
    )
    assert json.loads(result.stdout)["changed"] is True
    assert "checking what it renders to" in result.stderr


def test_colours_are_for_terminals_only(gatectl: Run) -> None:
    wrong = gatectl("validate", "-f", "-", stdin="version: 2\n")
    assert "\x1b[" not in wrong.stderr


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_colours_unless_it_wants_none(environment: dict[str, str], coloured: bool) -> None:
    master, slave = os.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "gatectl", "validate", "-f", "does-not-exist.yaml"],
            stderr=slave,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
            check=False,
            timeout=60,
        )
        os.close(slave)
        shown = os.read(master, 65536).decode()
    finally:
        os.close(master)
    assert "GC0001" in shown
    assert ("\x1b[1;31m" in shown or "\x1b[31m" in shown) is coloured


def test_fmt_checks_shows_and_writes(tmp_path: Path, gatectl: Run) -> None:
    spec = tmp_path / "gateway.yaml"
    spec.write_text(EXAMPLE.read_text().replace("  port: 8080", "  port:   8080"))
    check = gatectl("fmt", "--check", directory=tmp_path)
    assert (check.returncode, check.stdout) == (3, "gateway.yaml is not formatted\n")
    diff = gatectl("fmt", "--diff", directory=tmp_path)
    assert diff.returncode == 0
    assert "-  port:   8080\n+  port: 8080\n" in diff.stdout
    assert "port:   8080" in spec.read_text()
    assert gatectl("fmt", directory=tmp_path).returncode == 0
    assert spec.read_text() == EXAMPLE.read_text()
    assert gatectl("fmt", "--check", directory=tmp_path).returncode == 0
    assert gatectl("fmt", "-f", "-", stdin="name:   x\n").stdout == "name: x\n"
    broken = gatectl("fmt", "-f", "-", stdin="name: [\n")
    assert (broken.returncode, broken.stdout) == (65, "")
    assert "<stdin>:2:1: error[GC0002]" in broken.stderr


def test_an_import_goes_to_stdout_or_to_a_new_file_and_is_valid(tmp_path: Path, gatectl: Run) -> None:
    document = 'openapi: 3.1.0\npaths: {"/a/{x}": {get: {}}}\n'
    shown = gatectl("import", "openapi", "-", stdin=document, directory=tmp_path)
    assert shown.returncode == 0
    assert "<stdin>:1:1: warning[GC0402] the document names no security" in shown.stderr
    assert gatectl("validate", "-f", "-", "--envoy", "off", stdin=shown.stdout).returncode == 0
    written = gatectl("import", "openapi", "-", "--to", "gateway.yaml", stdin=document, directory=tmp_path)
    assert written.returncode == 0
    assert (tmp_path / "gateway.yaml").read_text() == shown.stdout
    again = gatectl("import", "openapi", "-", "--to", "gateway.yaml", stdin=document, directory=tmp_path)
    assert (again.returncode, "--force overwrites it" in again.stderr) == (1, True)
    data = json.loads(gatectl("import", "openapi", "-", "-o", "json", stdin=document).stdout)
    assert data["spec"] == shown.stdout
    assert {"code", "severity", "message", "hint", "place"} == set(data["notes"][0])


def test_what_init_writes_is_valid_and_an_existing_file_is_kept(tmp_path: Path, gatectl: Run) -> None:
    assert gatectl("init", directory=tmp_path).returncode == 0
    assert gatectl("validate", directory=tmp_path).returncode == 0
    (tmp_path / "gateway.yaml").write_text("mine")
    assert gatectl("init", directory=tmp_path).returncode == 1
    assert (tmp_path / "gateway.yaml").read_text() == "mine"
    assert gatectl("init", "--force", directory=tmp_path).returncode == 0
    assert (tmp_path / "gateway.yaml").read_text() != "mine"


def test_the_schema_knows_every_field_of_the_scaffold(gatectl: Run) -> None:
    schema = json.loads(gatectl("schema").stdout)
    scaffold = yaml.safe_load(gatectl("init", "-").stdout)
    assert set(scaffold) <= set(schema["properties"])


def test_render_writes_the_files_that_apply_would(tmp_path: Path, gatectl: Run) -> None:
    rendered, state = tmp_path / "rendered", tmp_path / "state"
    gatectl("render", "-f", str(EXAMPLE), "--to", str(rendered))
    gatectl("apply", "-f", str(EXAMPLE), "--state-dir", str(state), "--no-wait", "--auto-approve")
    for path in rendered.rglob("*.json"):
        assert path.read_bytes() == (state / "current" / path.relative_to(rendered)).read_bytes()
    shown = json.loads(gatectl("render", "-f", str(EXAMPLE)).stdout)
    assert set(shown) == {str(path.relative_to(rendered)) for path in rendered.rglob("*.json")}


@pytest.mark.parametrize("how", ["-", "@key"])
def test_a_key_to_explain_need_not_be_in_a_process_list(tmp_path: Path, gatectl: Run, how: str) -> None:
    (tmp_path / "key").write_text("a-key-of-nobody\n")
    given = how.replace("@", f"@{tmp_path}/")
    result = gatectl("explain", "/healthz", "--key", given, "-f", str(EXAMPLE), "-o", "json", stdin="a-key-of-nobody\n")
    document = json.loads(result.stdout)
    assert document["answer"]["reason"] == "key-invalid"
    assert document["credential"] == {"header": "x-api-key", "value": "(the key)", "filled_in": []}
    assert "a-key-of-nobody" not in result.stdout


def test_a_password_in_the_redis_url_is_never_shown(gatectl: Run) -> None:
    result = gatectl("keys", "list", "-f", str(EXAMPLE), GATECTL_REDIS_URL="redis://user:hunter2@127.0.0.1:1/0")
    assert result.returncode == 5
    assert "hunter2" not in result.stdout + result.stderr
