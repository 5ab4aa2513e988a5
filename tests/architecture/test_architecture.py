"""What holds the house up: import directions, what may import what, and where things must not be."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gatectl.render.filters import FILTERS

ROOT = Path(__file__).parents[2]
PACKAGES = ("gatectl", "ext_authz", "ratelimit_svc", "serving", "audit")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PURE = [
    path
    for path in SOURCES
    if path.stem
    in {"policy", "engine", "rules", "rbac", "claims", "revocation", "strict_json", "snapshot", "diagnostics", "fields"}
    | {"chain", "verifier", "condition", "evaluation"}
    or path in {ROOT / "ratelimit_svc" / "overrides.py", ROOT / "ratelimit_svc" / "refused.py"}
    or {"compiler", "lint"} & set(path.relative_to(ROOT).parts)
]
IMPURE = {"grpc", "redis", "asyncio", "os", "time", "socket", "httpx", "subprocess"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_go_one_way() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "importlinter.cli", "lint"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_is_no_python_in_the_envoy_folder() -> None:
    """It would shadow the protobuf package of the same name."""
    assert [name(path) for path in (ROOT / "envoy").rglob("*.py*")] == []


def test_the_protobuf_package_is_importable_from_the_root_of_the_checkout() -> None:
    code = "from envoy.service.auth.v3 import external_auth_pb2"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nobody_imports_a_name_from_the_top_of_the_envoy_package(path: Path) -> None:
    """Two distributions own envoy/__init__.py: whichever was installed last."""
    assert "envoy" not in imports(path)


@pytest.mark.parametrize("path", PURE, ids=name)
def test_a_pure_module_reaches_for_nothing_outside(path: Path) -> None:
    assert {module.partition(".")[0] for module in imports(path)} & IMPURE == set()


@pytest.mark.parametrize("package", ["ext_authz", "ratelimit_svc"])
def test_envoy_protobufs_enter_a_service_by_one_door(package: str) -> None:
    doors = {path.name for path in (ROOT / package).rglob("*.py") if any(m.startswith("envoy.") for m in imports(path))}
    assert doors == {"envoy_api.py"}


@pytest.mark.parametrize("package", ["ext_authz", "ratelimit_svc", "ratelimit_svc.compat"])
def test_a_parent_process_does_without_what_only_workers_need(package: str) -> None:
    """Each service has one: what it imports is paid for beside what its workers import."""
    code = f"""if True:
        import sys
        from {package}.service import SERVICE
        from serving import settings, supervisor
        given = {{"X_STATE_DIR": "/", "X_REDIS_URL": "redis://:Pass-word_1@127.0.0.1:6379/0", "X_PEPPER": "p" * 32}}
        values = settings.read("x", settings.SERVING + SERVICE.settings, [], given)
        SERVICE.pages(values)
        print(*{{module.partition(".")[0] for module in sys.modules}})
    """
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    heavy = {"grpc", "redis", "asyncio", "pydantic", "prometheus_client", "cryptography", "jwt", "google", "watchfiles"}
    assert heavy & set(ran.stdout.split()) == set()


def test_gatectl_knows_of_the_services_only_their_contracts() -> None:
    """A rehearsal runs them (decision 0012); it is the only room that may."""
    contracts = {
        "ext_authz.policy",
        "ext_authz.condition",
        "ext_authz.api_key",
        "ext_authz.revocation",
        "ratelimit_svc.compat",
        "ratelimit_svc.overrides",
        "ratelimit_svc.peek",
        "ratelimit_svc.policy",
        "ratelimit_svc.refused",
    }
    known = {
        ".".join(module.split(".")[:2])
        for path in (ROOT / "gatectl").rglob("*.py")
        if path.parent.name != "rehearsal"
        for module in imports(path)
        if module.split(".")[0] in {"ext_authz", "ratelimit_svc"} and "." in module
    }
    assert known <= contracts


def test_only_views_print() -> None:
    printing = re.compile(r"\bprint\(|sys\.stdout|typer\.echo|click\.echo")
    found = {name(path) for path in (ROOT / "gatectl").rglob("*.py") if printing.search(path.read_text())}
    assert {path for path in found if not path.startswith("gatectl/views/")} == set()


def test_every_filter_has_a_template_and_stands_in_a_golden() -> None:
    kinds = {path.stem for path in (ROOT / "gatectl" / "render" / "filters").glob("*.py")} - {"__init__"}
    templates = {path.name.removesuffix(".yaml.j2") for path in (ROOT / "envoy" / "templates" / "filters").iterdir()}
    golden = (ROOT / "tests" / "golden" / "everything" / "bundle" / "envoy" / "lds.json").read_text()
    assert kinds == templates
    assert len(FILTERS) == len(kinds)
    ours = {"without_limiter"}  # is of a kind that stands there already
    assert [kind for kind in kinds - ours if f".filters.http.{kind}" not in golden] == []
    assert [kind for kind in ours if f'"{kind.replace("_", "-")}"' not in golden] == []


def test_templates_leave_whole_leaves_only() -> None:
    """``"{{ x }}"`` or ``a-{{ x }}`` would put a value inside a text."""
    half = re.compile(r"""["'\w%-]\{\{|\}\}["'\w%-]""")
    for template in (ROOT / "envoy" / "templates").rglob("*.j2"):
        for line in template.read_text().splitlines():
            assert not half.search(line), f"{name(template)}: {line}"
            assert "|safe" not in line.replace(" ", "")


def test_no_room_is_called_by_no_name() -> None:
    nameless = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}
    assert [name(path) for path in SOURCES if path.stem in nameless or nameless & set(path.parts)] == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
