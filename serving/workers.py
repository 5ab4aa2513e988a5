"""The worker processes of a service: started, replaced when they end, stopped together."""

import contextlib
import logging
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""A worker that ended before it served is started again after this long: what keeps it from starting may take its time.

One that did serve is replaced at once.
"""


@dataclass
class _Place:
    """One of the N workers: who has the place now, and when it may be filled again (monotonic seconds)."""

    report: Path
    process: subprocess.Popen[bytes] | None = None
    due: float = 0.0


class Workers:
    """``count`` processes of ``command``; each gets ``environ`` and, in ``variable``, ``<address> <report file>``.

    Their stdin is a pipe that nobody writes to: its end tells them of our end, however we end.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], variable: str, address: str, run_dir: Path, count: int
    ) -> None:
        self._command, self._run_dir = list(command), run_dir
        self._environ, self._variable, self._address = dict(environ), variable, address
        self._environ["PROMETHEUS_MULTIPROC_DIR"] = str(run_dir)
        self._environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC's core writes lines of its own, not JSON
        self._places = [_Place(run_dir / f"worker-{index}.json") for index in range(count)]
        self.reports: list[Path] = [place.report for place in self._places]
        """Where each worker that serves says what it has loaded."""

    def keep_up(self) -> None:
        """Bury workers that ended and start those that are due. To be called several times a second."""
        for place in self._places:
            if place.process is not None and place.process.poll() is not None:
                self._bury(place, place.process)
            if place.process is None and time.monotonic() >= place.due:
                self._start(place)

    def _start(self, place: _Place) -> None:
        environ = self._environ | {self._variable: f"{self._address} {place.report}"}
        try:
            # a session of its own: Ctrl-C is for us, we then drain the workers
            place.process = subprocess.Popen(self._command, env=environ, stdin=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            log.error("cannot start a worker", extra={"reason": error.strerror})
            place.due = time.monotonic() + RETRY_SECONDS
        else:
            log.info("worker started", extra={"pid": place.process.pid})

    def _bury(self, place: _Place, process: subprocess.Popen[bytes]) -> None:
        log.error("worker ended, starting another", extra={"pid": process.pid, "code": process.returncode})
        from prometheus_client import multiprocess  # noqa: PLC0415 - only here, and workers seldom end

        multiprocess.mark_process_dead(process.pid, str(self._run_dir))  # type: ignore[no-untyped-call]
        if not place.report.exists():  # it never served: what it counted is nothing, its files would only pile up
            place.due = time.monotonic() + RETRY_SECONDS
            for file in self._run_dir.glob(f"*_{process.pid}.db"):
                file.unlink()
        place.report.unlink(missing_ok=True)
        place.process = None

    def stop(self, seconds: float) -> None:
        """SIGTERM to all, SIGKILL to those still there after ``seconds``. Returns when all are gone."""
        processes = [place.process for place in self._places if place.process is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + seconds
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.wait()
