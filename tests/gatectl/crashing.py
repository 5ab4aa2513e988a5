"""Apply a bundle again and again, dying one filesystem step later each time: ``crashing.py DIRECTORY``.

``DIRECTORY/before`` is the state to start from; ``DIRECTORY/step-N`` is what the N-th death leaves. A program of its
own, because only a process without threads may fork. Python tells an audit hook of every call that touches the
filesystem before it is made.
"""

import os
import shutil
import sys
from itertools import count
from pathlib import Path
from typing import Any

from gatectl.rollout.apply import apply
from gatectl.rollout.store import Store
from gatectl.rollout.targets import Targets
from tests.gatectl.specs import bundle, route

OLD: dict[str, Any] = {}
NEW: dict[str, Any] = {"upstreams": {"v": {"endpoints": ["127.0.0.1:9002"]}}, "routes": [route(upstream="v")]}
"""Another cluster under the same route: the way leads over two generations of passage."""
DIED = 9


def die_at(step: int) -> None:
    left = step

    def hook(event: str, _: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "open" or event.startswith(("os.", "shutil.", "fcntl.")):
            left -= 1
            if left == 0:
                os._exit(DIED)

    sys.addaudithook(hook)


def main() -> None:
    directory = Path(sys.argv[1])
    new = bundle(directory, **NEW)
    for step in count(1):
        state = directory / f"step-{step:03}"
        shutil.copytree(directory / "before", state, symlinks=True)
        child = os.fork()
        if child == 0:
            die_at(step)
            apply(new, Store(state), Targets(), 1, lambda _: None)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != DIED:
            return


if __name__ == "__main__":
    main()
