"""`gatectl up`, from the files to the ready screen, in the foreground or detached."""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatectl.compiler import names
from gatectl.diagnostics import GatectlError
from gatectl.rollout.apply import Order, apply
from gatectl.rollout.candidate import prove, read
from gatectl.rollout.place import Running
from gatectl.rollout.records import prepare_key, record_of
from gatectl.rollout.store import Store
from gatectl.rollout.targets import Targets, services_of
from gatectl.runtime import ready, supervisor
from gatectl.runtime.detach import detach
from gatectl.runtime.ready import ReadyKey
from gatectl.spec import sources
from gatectl.spec.model import ApiKeys, Spec, Try

START_SECONDS = 120.0
"""Longest wait for a detached gateway."""
LOAD_SECONDS = 30.0
"""Longest wait for the services to load the first revision."""
REDIS_URL = "GATECTL_REDIS_URL"
OnProgress = Callable[[str], None]
OnReady = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Options:
    """What `up` was asked for. ``port`` None: the spec's. ``redis_url`` None: start one."""

    files: tuple[str, ...]
    state_dir: Path
    port: int | None
    redis_url: str | None
    workers: int


def attached(
    options: Options, on_progress: OnProgress, on_ready: OnReady, beside: Callable[[], None] = lambda: None
) -> int:
    """Run the gateway until it is told to stop; ``on_ready`` gets what the ready screen shows.

    ``beside`` is called many times a second while it runs.
    """
    on_progress("checking the spec")
    candidate = prove(read(options.files, options.port), "auto", here=True)
    store = Store(options.state_dir)

    def bring_into_force(running: Running) -> None:
        store.prepare()
        prepare_key(options.state_dir)
        record = record_of(candidate.spec, candidate.tree, options.files, options.state_dir)
        targets = Targets(services=services_of(running))
        apply(candidate.bundle, store, targets, LOAD_SECONDS, lambda _: None, Order("up", record=record))

    def show(running: Running, keys: Sequence[ReadyKey]) -> None:
        on_ready(_screen(candidate.spec, running, keys, options.state_dir, "Ctrl-C stops everything"))

    settings = supervisor.Options(
        state_dir=options.state_dir,
        spec_dir=sources.directory(options.files),
        redis_url=options.redis_url,
        port=options.port,
        workers=options.workers,
    )
    return supervisor.run(settings, candidate.spec, bring_into_force, on_progress, show, beside)


def detached(options: Options, on_progress: OnProgress, on_ready: OnReady) -> int:
    """Start the gateway in the background and return when it serves."""
    if sources.STDIN in options.files:
        raise GatectlError("--detach needs the spec in a file, not on standard input", 64)
    spec = read(options.files, options.port).spec  # its mistakes are told here and now
    arguments = ["up", "--quiet", "--state-dir", str(options.state_dir), "--workers", str(options.workers)]
    arguments += [word for file in options.files for word in ("-f", file)]
    if options.port is not None:
        arguments += ["--port", str(options.port)]
    if options.redis_url is not None:
        os.environ[REDIS_URL] = options.redis_url  # not an argument: it may hold a password
    on_progress("starting in the background")
    running = detach(arguments, options.state_dir, START_SECONDS)
    marker = ready.read(options.state_dir)
    stop = shlex.join([_program(), "down", "--state-dir", str(options.state_dir)])
    on_ready(_screen(spec, running, marker.keys if marker else (), options.state_dir, stop))
    return 0


def _program() -> str:
    """How the user can call gatectl: as they just did, when it is not on PATH."""
    return "gatectl" if shutil.which("gatectl") else sys.argv[0]


def _screen(spec: Spec, running: Running, keys: Sequence[ReadyKey], state_dir: Path, stop: str) -> dict[str, Any]:
    """What the ready screen shows: where, with what, and what to try."""
    by_user = {key.user: key.key for key in keys}
    return {
        "gateway": running.gateway,
        "url": running.url,
        "revision": Store(state_dir).revision(),
        "state_dir": str(state_dir),
        "keys": [key.model_dump(mode="json") for key in keys],
        "requests": [
            {
                "title": one.title,
                "expect": one.expect,
                "curl": _curl(one, running.url, spec.authentication.api_keys, by_user, _trust(spec, state_dir)),
            }
            for one in spec.development.requests
        ],
        "stop": stop,
    }


def _trust(spec: Spec, state_dir: Path) -> list[str]:
    """What makes curl believe a development certificate; for any other its user knows better."""
    tls = spec.listener.tls
    return ["--cacert", str((state_dir / names.LOCAL_CA).absolute())] if tls is not None and tls.local else []


def _curl(request: Try, url: str, places: ApiKeys | None, keys: dict[str, str], trust: Sequence[str]) -> str:
    """A line to paste into a shell. A repeated request is one curl with a URL range, and a count by status."""
    words, path = ["curl", "-s", *trust], request.path
    if request.method != "GET":
        words += ["-X", request.method]
    if request.key is not None and places is not None:
        key = keys[request.key]
        if places.header is not None:
            words += ["-H", f"{places.header}: {key}"]
        elif places.cookie is not None:
            words += ["-b", f"{places.cookie}={key}"]
        else:
            path += f"?{places.query}={key}"
    if request.repeat == 1:
        return shlex.join([*words, "-i", f"{url}{path}"])
    mark = "&" if "?" in path else "?"
    words += ["-o", "/dev/null", "-w", r"%{http_code}\n", f"{url}{path}{mark}try=[1-{request.repeat}]"]
    return f"{shlex.join(words)} | sort | uniq -c"
