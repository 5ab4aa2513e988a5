"""Applies a spec again whenever one of its files is saved; what is wrong is told and leaves the gateway as it is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import watchfiles

from gatectl.diagnostics import Diagnostic, GatectlError, SpecError
from gatectl.rollout.proposal import Place, propose
from gatectl.runtime import issuers, local_tls, session
from gatectl.runtime.session import Options
from gatectl.spec import sources
from gatectl.spec.model import Development

APPLY_SECONDS = 15.0
"""Longest wait for each step of an apply: meanwhile no part that dies is started again."""
QUIET_MS, POLL_MS = 50, 20
"""How long a file must rest before it is read, and how long one look for changes may take."""
OnApplied = Callable[[dict[str, Any]], None]
OnMistakes = Callable[[tuple[Diagnostic, ...]], None]
OnFailure = Callable[[str], None]


class Reload:
    """What is done beside a running gateway. Call it often; it returns at once when nothing was saved."""

    def __init__(self, options: Options, applied: OnApplied, mistakes: OnMistakes, failure: OnFailure) -> None:
        if sources.STDIN in options.files:
            raise GatectlError("--watch needs the spec in a file, not on standard input", 64)
        self._options = options
        self._applied, self._mistakes, self._failure = applied, mistakes, failure
        self._development: Development | None = None
        self._changes: Iterator[set[tuple[watchfiles.Change, str]]] | None = None

    def __call__(self) -> None:
        """Apply if a file was saved since the last time; the first time, if one was saved while the gateway came up."""
        first = self._changes is None
        self._changes = self._changes or self._watch()
        if not next(self._changes) and not first:
            return
        try:
            self._apply(first=first)
        except SpecError as error:
            self._mistakes(error.diagnostics)
        except GatectlError as error:
            self._failure(str(error))

    def _watch(self) -> Iterator[set[tuple[watchfiles.Change, str]]]:
        """Directories are watched, not files: many an editor saves by renaming a new file over the old one."""
        given = [Path(file).absolute() for file in self._options.files]
        folders = {path if path.is_dir() else path.parent for path in given}

        def ours(_: watchfiles.Change, changed: str) -> bool:
            path = Path(changed)
            return path in given or (path.parent in given and path.suffix in sources.ENDINGS)

        return watchfiles.watch(
            *folders,
            watch_filter=ours,
            debounce=10 * QUIET_MS,
            step=QUIET_MS,
            rust_timeout=POLL_MS,
            yield_on_timeout=True,
            recursive=False,
            raise_interrupt=False,
        )

    def _apply(self, *, first: bool) -> None:
        state_dir = self._options.state_dir
        proposal = replace(propose(self._options.files, Place(state_dir), lambda _: None), action="dev")
        try:
            assert proposal.candidate is not None
            spec = proposal.candidate.spec
            development, self._development = self._development, spec.development
            if first and not proposal.plan.changed:
                return
            issuers.ensure_local_issuers(spec, state_dir)
            local_tls.ensure_local_certificate(spec, state_dir)
            receipt = proposal.carry_out(APPLY_SECONDS, None, lambda _: None)
        finally:
            proposal.targets.close()
        self._applied(
            {
                "revision": receipt.revision,
                "previous": receipt.previous,
                "changed": receipt.changed,
                "seconds": round(receipt.seconds, 3),
                "restart_for_development": development is not None and development != spec.development,
            }
        )


def develop(
    options: Options,
    on_progress: session.OnProgress,
    on_ready: session.OnReady,
    reload: Reload | None,
) -> int:
    """Run a gateway in the foreground, with ``reload`` beside it; returns the exit code."""
    return session.attached(options, on_progress, on_ready, reload or (lambda: None))
