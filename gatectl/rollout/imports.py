"""Where imports come from: a file, standard input, or the admin interface of a running Envoy."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatectl.diagnostics import GatectlError
from gatectl.importing.envoy import import_envoy
from gatectl.importing.openapi import import_openapi
from gatectl.importing.ratelimit import ImportedLimits, import_ratelimit
from gatectl.importing.result import Imported
from gatectl.rollout.envoy_admin import EnvoyAdmin
from gatectl.rollout.new_file import write_new
from gatectl.spec import sources


def from_openapi(file: str, to: Path | None, *, force: bool) -> dict[str, Any]:
    """Import an OpenAPI document; the result for the views. ``to`` None: nothing is written."""
    source = sources.read(file)
    return _written(import_openapi(source.name, source.text), to, force=force)


def from_envoy(file: str | None, admin: str | None, to: Path | None, *, force: bool) -> dict[str, Any]:
    """Import a config_dump or a bootstrap, from exactly one of a file and an admin address."""
    if (file is None) == (admin is None):
        raise GatectlError("name either a file or, with --admin, a running Envoy", 64)
    if admin is None:
        source = sources.read(str(file))
        return _written(import_envoy(source.name, source.text), to, force=force)
    with contextlib.closing(EnvoyAdmin(admin)) as envoy:
        text = envoy.config_dump()
    if text is None:
        raise GatectlError(f"Envoy at {admin} cannot be reached", 5)
    return _written(import_envoy(admin, text), to, force=force)


def from_ratelimit(file: str, meanings: Sequence[str], to: Path | None, *, force: bool) -> dict[str, Any]:
    """Import a configuration of envoyproxy/ratelimit; ``meanings`` are ``KEY=DIMENSION``."""
    pairs = [meaning.partition("=") for meaning in meanings]
    for meaning, (key, _, dimension) in zip(meanings, pairs, strict=True):
        if not key or not dimension:
            raise GatectlError(f'--as takes KEY=DIMENSION, such as account=user, not "{meaning}"', 64)
    source = sources.read(file)
    known = {key: dimension for key, _, dimension in pairs}
    return _written(import_ratelimit(source.name, source.text, known), to, force=force)


def _written(imported: Imported | ImportedLimits, to: Path | None, *, force: bool) -> dict[str, Any]:
    if to is not None:
        write_new(to, imported.text, force=force)
    return {**imported.data(), "to": str(to) if to is not None else None}
