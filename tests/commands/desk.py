"""A directory with a spec and a state directory, and the command line run in it without a process of its own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gatectl import cli

SPEC: dict[str, Any] = {
    "version": 1,
    "name": "shop",
    "authentication": {"api_keys": {}},
    "upstreams": {"u": {"endpoints": ["127.0.0.1:1"], "timeout": "30s"}},
    "routes": [{"name": f"r{n}", "match": {"path": f"/{n}"}, "upstream": "u", "access": "public"} for n in range(3)],
}


@dataclass(frozen=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Desk:
    """``run`` works here: gateway.yaml and .gatectl are in the current directory."""

    directory: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def state(self) -> Path:
        return self.directory / ".gatectl"

    def write(self, **fields: Any) -> None:
        """gateway.yaml, with some fields replaced. JSON is YAML."""
        (self.directory / "gateway.yaml").write_text(json.dumps(SPEC | fields))

    def upstream(self, timeout: str) -> None:
        self.write(upstreams={"u": {"endpoints": ["127.0.0.1:1"], "timeout": timeout}})

    def run(self, *arguments: str) -> Ran:
        self.capsys.readouterr()
        code = cli.run([*arguments])
        said = self.capsys.readouterr()
        assert "Traceback" not in said.err
        return Ran(code, said.out, said.err)

    def plan(self, *arguments: str) -> Ran:
        return self.run("plan", "--envoy", "off", *arguments)

    def apply(self, *arguments: str) -> Ran:
        return self.run("apply", "--envoy", "off", "--no-wait", "--auto-approve", *arguments)

    def applied(self, *arguments: str) -> str:
        """The revision that an apply brought into force."""
        ran = self.apply("-o", "json", *arguments)
        assert ran.code == 0, ran.out + ran.err
        return str(ran.data["revision"])

    def rollback(self, *arguments: str) -> Ran:
        return self.run("rollback", "--envoy", "off", "--no-wait", "--auto-approve", *arguments)

    @property
    def in_force(self) -> str | None:
        link = self.state / "current"
        return link.readlink().name if link.is_symlink() else None

    def everything(self) -> dict[str, bytes]:
        """Every file of the state directory: what must be the same when nothing was changed."""
        files = (path for path in self.state.rglob("*") if path.is_file() and path.name != ".lock")
        return {str(path): path.read_bytes() for path in files}
