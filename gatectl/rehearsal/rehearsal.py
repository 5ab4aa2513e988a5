"""A whole gateway in one temporary directory, for as many requests as somebody has."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ext_authz import engine
from ext_authz import policy as authz
from gatectl.diagnostics import GatectlError
from gatectl.rehearsal.callers import Caller, Credential, cast
from gatectl.rehearsal.envoy import Envoy, run_envoy
from gatectl.rehearsal.exceptions import AsRead
from gatectl.rehearsal.place import LONGEST_NAME, configuration, echo_socket, listener_socket
from gatectl.rehearsal.request import Answer, Request
from gatectl.rehearsal.services import AssumedCertificate, WatchedLimiter, run_services
from gatectl.rehearsal.wire import Forwarded, serve_echo
from gatectl.rollout.candidate import Candidate
from gatectl.runtime import binaries
from gatectl.runtime.state_dir import LONGEST_SOCKET_PATH
from ratelimit_svc.engine import Decision as LimitDecision
from ratelimit_svc.rules import Descriptor

T = TypeVar("T")
NO_OVERRIDES = AsRead()


@dataclass(frozen=True)
class Check:
    """What ext_authz was asked, what it made of the request, and how it decided."""

    request: engine.Request
    case: engine.Case | engine.Decision
    decision: engine.Decision


@dataclass(frozen=True)
class Course:
    """Everything that happened to one request. What it did not reach is None or empty."""

    request: Request
    credential: Credential | None
    check: Check | None
    descriptors: tuple[Descriptor, ...]
    limits: LimitDecision | None
    forwarded: Forwarded | None
    answer: Answer
    log: dict[str, Any]
    """Envoy's line in the access log."""
    overrides: AsRead = NO_OVERRIDES
    """Those that the limits were held to."""


class Rehearsal:
    """Asks one request at a time. ``credentials`` are those of the callers, in their order."""

    def __init__(self, candidate: Candidate, credentials: Sequence[Credential | None], overrides: AsRead) -> None:
        self.candidate, self.credentials, self._overrides = candidate, credentials, overrides
        self._check: Check | None = None
        self._forwarded: Forwarded | None = None
        self._certificate = AssumedCertificate()
        self._limiter: WatchedLimiter
        self._envoy: Envoy

    async def ask(self, request: Request, credential: Credential | None = None, repeat: int = 1) -> Course:
        """Send a request ``repeat`` times, all counters fresh before the first; returns the course of the last.

        Raises GatectlError (usage) when it cannot be sent.
        """
        sent = credential.on(request) if credential is not None else request
        self._certificate.principal = sent.certificate
        self._limiter.counters.start_over()
        for _ in range(repeat):
            self._check = self._forwarded = None
            self._limiter.forget()
            answer, log = await self._envoy.ask(sent)
        asked, limits = self._limiter.asked, self._limiter.decision
        return Course(request, credential, self._check, asked, limits, self._forwarded, answer, log, self._overrides)

    def _checked(self, request: engine.Request, case: engine.Case | engine.Decision, decision: engine.Decision) -> None:
        self._check = Check(request, case, decision)

    def _got(self, forwarded: Forwarded) -> None:
        self._forwarded = forwarded

    @classmethod
    @contextlib.asynccontextmanager
    async def of(
        cls, candidate: Candidate, callers: Sequence[Caller], state_dir: Path, overrides: AsRead = NO_OVERRIDES
    ) -> AsyncIterator["Rehearsal"]:
        """Have one for as long as the block lasts; nothing of it remains. ``state_dir``: where local issuers' keys are.

        Raises GatectlError when there is no Envoy, when it does not start, and for callers that cannot be.
        """
        binary, files = binaries.envoy(), candidate.bundle.files
        async with contextlib.AsyncExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatectl-")))
            _check_length(directory)
            casting = cast(callers, candidate.spec, authz.load(files["authz.json"]), directory)
            rehearsal = cls(candidate, casting.credentials, overrides)
            policies = {"authz.json": casting.policy.model_dump_json().encode(), "limits.json": files["limits.json"]}
            running = run_services(
                directory, state_dir, policies, rehearsal._checked, rehearsal._certificate, overrides
            )
            rehearsal._limiter = await stack.enter_async_context(running)
            await stack.enter_async_context(await serve_echo(echo_socket(directory), rehearsal._got))
            config = configuration(candidate.bundle, directory)
            rehearsal._envoy = await stack.enter_async_context(
                run_envoy(binary, directory, config, listener_socket(directory))
            )
            yield rehearsal


def _check_length(directory: Path) -> None:
    length = len(os.fsencode(directory / LONGEST_NAME))
    if length > LONGEST_SOCKET_PATH:
        raise GatectlError(
            f"the path of a socket in {directory} is {length} bytes long and may have {LONGEST_SOCKET_PATH}:"
            " name a shorter directory by TMPDIR"
        )


def until_stopped(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end; Ctrl-C, SIGTERM and the end of the terminal end it in good order.

    Raises KeyboardInterrupt then.
    """

    async def stoppable() -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # what is ignored was meant to be: nohup
                loop.add_signal_handler(number, task.cancel)
        return await main

    try:
        return asyncio.run(stoppable())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
