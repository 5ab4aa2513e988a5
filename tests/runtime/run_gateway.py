"""What `gatectl up` is to the supervisor, as a process for tests: ``run_gateway.py <spec> <state dir> [redis url]``.

Progress goes to stderr; one JSON line on stdout says that the gateway is ready, and one why it did not come up.
"""

import json
import sys
from pathlib import Path

from gatectl.compiler import compile_spec
from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import build
from gatectl.rollout.apply import apply
from gatectl.rollout.place import Running
from gatectl.rollout.store import Store
from gatectl.rollout.targets import Targets, services_of
from gatectl.runtime.ready import ReadyKey
from gatectl.runtime.supervisor import Options, run
from gatectl.spec.load import load


def progress(sentence: object) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def tell(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(file: str, state_dir: str, redis_url: str | None = None) -> int:
    spec, _ = load([file])

    def put_into_force(running: Running) -> None:
        bundle = build(compile_spec(spec))
        apply(bundle, Store(Path(state_dir)), Targets(services=services_of(running)), 20, progress)

    def ready(running: Running, keys: list[ReadyKey]) -> None:
        tell(url=running.url, keys={key.user: key.key for key in keys})

    options = Options(state_dir=Path(state_dir), spec_dir=Path(file).parent, redis_url=redis_url)
    try:
        return run(options, spec, put_into_force, progress, ready)
    except GatectlError as error:
        tell(error=str(error), exit_code=error.exit_code)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
