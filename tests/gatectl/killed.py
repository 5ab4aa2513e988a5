"""One rollout that dies by SIGKILL at a named step.

Python tells an audit hook of every call that touches the world, before
it is made.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from gatectl.render.bundle import Bundle
from gatectl.rollout.apply import Order, apply
from gatectl.rollout.converge import Event
from gatectl.rollout.envoy_admin import EnvoyAdmin
from gatectl.rollout.records import prepare_key
from gatectl.rollout.store import Store
from gatectl.rollout.targets import Node, Targets
from gatectl.spec.record import Record

STEPS: dict[str, tuple[str, str, int]] = {
    "before the lock": ("open", "/.lock", 1),
    "while the generation is written": ("open", "/envoy/rds.json", 1),
    "before the generation gets its name": ("os.rename", "/generations/REVISION", 1),
    "before the record of the spec": ("os.rename", "/spec.json", 1),
    "before the journal": ("os.rename", "/rollout.json", 1),
    "before the services are told": ("os.rename", "/next", 1),
    "before the new clusters come": ("os.rename", "/current", 1),
    "before the routes move": ("os.rename", "/current", 2),
    "before the old clusters go": ("os.rename", "/current", 3),
    "while Envoy takes over the clusters": ("arrival", "after 1", 1),
    "while Envoy takes over the routes": ("arrival", "after 2", 1),
    "while Envoy lets the old clusters go": ("arrival", "after 3", 1),
    "before the previous one is noted": ("os.rename", "/previous", 1),
    "before the history is written": ("open", "/history.jsonl", 1),
    "before the services are let go": ("os.remove", "/next", 1),
    "before the journal ends": ("os.remove", "/rollout.json", 1),
    "before the old generations are pruned": ("shutil.rmtree", "+", 1),
}
"""Step → the call it dies before: its audit event, the end of its path, and which one of them. ``after N``: when Envoy
reports the first file after the N-th switch.
"""


def die_at(step: str, revision: str) -> Callable[[str, tuple[object, ...]], None]:
    event, ending, left = STEPS[step]
    ending = ending.replace("REVISION", revision)
    switches = 0

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal left, switches
        paths = [str(one) for one in arguments[:2] if isinstance(one, str | os.PathLike)]
        if ending.startswith("after "):
            due = name == event and switches == int(ending[6:])
        elif ending == "+":
            due = name == event and any("+" in path and "/." not in path for path in paths)
        else:
            due = name == event and any(path.endswith(ending) for path in paths)
        if due:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        if name == "os.rename" and any(path.endswith("/current") for path in paths):
            switches += 1

    return hook


def roll_out(bundle: Bundle, directory: Path, admin: str, step: str) -> None:
    """Apply over the Envoy at ``admin``. To be called in a process of its own."""
    prepare_key(directory)
    record = Record(files=("gateway.yaml",), written={}, effective={"at": step})
    targets = Targets((Node("envoy", EnvoyAdmin(admin)),))
    hook = die_at(step, bundle.revision)
    sys.addaudithook(hook)

    def note(event: Event) -> None:
        if event.part in {"cds", "lds", "rds"}:
            hook("arrival", ())

    apply(bundle, Store(directory), targets, 20, note, Order(record=record))
