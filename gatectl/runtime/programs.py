"""How each part is started: command lines and environments, nothing else."""

import sys
from pathlib import Path

from gatectl.compiler.names import IDENTITY_KEY_FILE
from gatectl.rollout.bootstrap import BOOTSTRAP
from gatectl.rollout.place import Service
from gatectl.runtime.peppers import for_the_service
from gatectl.runtime.processes import Program
from gatectl.runtime.state_dir import LOGS
from gatectl.spec.model import Process

EXT_AUTHZ, RATELIMIT_SVC = "ext_authz", "ratelimit_svc"
"""The services' packages."""
DRAIN_SECONDS = 5
ENVOY = "envoy"
ACCESS_LOG = "access.log"


def service(package: str, addresses: Service, state_dir: Path, redis_url: str, workers: int) -> Program:
    """One of the two services. Secrets go by the environment: they must not be in a process list."""
    argv = [sys.executable, "-m", package]
    argv += ["--listen", addresses.grpc, "--http", addresses.http, "--state-dir", str(state_dir)]
    argv += ["--workers", str(workers), "--drain-seconds", str(DRAIN_SECONDS)]
    if package == EXT_AUTHZ:
        argv += ["--identity-key-file", str(state_dir / IDENTITY_KEY_FILE)]
    return Program(
        name=package,
        argv=argv,
        cwd=state_dir,
        logs=state_dir / LOGS,
        environment={
            f"{package.upper()}_REDIS_URL": redis_url,
            **(for_the_service() if package == EXT_AUTHZ else {}),
        },
        stop_seconds=DRAIN_SECONDS + 5,
    )


def envoy(binary: Path, state_dir: Path) -> Program:
    """Envoy, with the state directory as working directory: the files' names in its configuration count from there.

    Hot restart is off: it needs a shared memory segment for each Envoy of the machine, and nobody uses it here.
    """
    argv = [str(binary), "-c", BOOTSTRAP, "--reject-unknown-dynamic-fields", "--disable-hot-restart"]
    argv += ["--file-flush-interval-msec", "200", "--log-level", "warning"]
    return Program(name=ENVOY, argv=argv, cwd=state_dir, logs=state_dir / LOGS, stdout_log=ACCESS_LOG)


def development(process: Process, spec_dir: Path, state_dir: Path) -> Program:
    """A program of the user's, in the directory of the spec."""
    return Program(name=f"process-{process.name}", argv=process.command, cwd=spec_dir, logs=state_dir / LOGS)
