"""What an Envoy obeys, file by file, and why it does not obey what is in force."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from gatectl.diagnostics import Diagnostic
from gatectl.render.bundle import Bundle
from gatectl.rollout.blame import tellable
from gatectl.rollout.certificates import Certificate
from gatectl.rollout.converge import logged
from gatectl.rollout.envoy_admin import KINDS, EnvoyAdmin, Info, Progress, Report
from gatectl.rollout.records import read_record
from gatectl.rollout.store import Store, in_force
from gatectl.rollout.targets import Node

State = Literal["synced", "pending", "rejected", "stale", "not ready", "unreachable"]
WORST_FIRST: tuple[State, ...] = ("unreachable", "rejected", "not ready", "stale", "pending", "synced")
_LOG_BYTES = 1 << 20
"""How much of the end of a log is read."""
_HIDDEN = "its words stay in its log, because they may repeat a value from the environment"


@dataclass(frozen=True)
class Goal:
    """What everybody should obey. ``revision`` is the one in force or, while a rollout is ``under_way``, the one that
    is on its way.
    """

    revision: str | None
    under_way: bool


@dataclass(frozen=True)
class Kind:
    """One kind of file. ``taken_at`` is when Envoy read and accepted one last; ``reason`` is why it does not obey."""

    state: State
    version: str | None = None
    taken_at: datetime | None = None
    refused: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class Answered:
    """What an Envoy answered, all at once."""

    info: Info
    report: Report
    certificates: tuple[Certificate, ...]
    listener_errors: tuple[str, ...]


@dataclass(frozen=True)
class NodeStatus:
    """One Envoy. ``reason`` is why it cannot be asked; ``kinds`` is empty then."""

    name: str
    address: str
    reason: str | None = None
    info: Info | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()

    @property
    def state(self) -> State:
        """The worst of its parts."""
        if self.info is None:
            return "unreachable"
        found: set[State] = {kind.state for kind in self.kinds.values()} | (
            {"not ready"} if not self.info.live else set()
        )
        return min(found, key=WORST_FIRST.index)


def question(admin: EnvoyAdmin) -> Answered | None:
    """Ask an Envoy; None when it cannot be reached."""
    info = admin.info()
    report = admin.report() if info is not None else None
    if info is None or report is None:
        return None
    errors = admin.listener_errors() if report.kinds["lds"].refused else []
    return Answered(info, report, admin.certificates(), tuple(errors))


def judge(node: Node, answered: Answered, goal: Goal, store: Store) -> NodeStatus:
    """What an answer means, given what is on disk. Raises GatectlError when a slot is not ours."""
    report = answered.report
    offered = store.generation(node.slot)
    moved_at = _moved_at(store.state_dir / node.slot)
    states = {kind: _state(kind, report, goal, offered, moved_at) for kind in KINDS}
    rejected = [kind for kind in KINDS if states[kind] == "rejected"]
    words = _words(node, answered, rejected, store.state_dir, offered or "")
    kinds = {kind: _kind(states[kind], report.kinds[kind], words.get(kind), goal) for kind in KINDS}
    if report.warming_clusters:
        text = f"{report.warming_clusters} of its clusters warm up"
        kinds["cds"] = Kind("pending", kinds["cds"].version, kinds["cds"].taken_at, kinds["cds"].refused, text)
    for kind in _unread(report, store.bundle(offered) if offered and report.unread else None):
        text = "files of its TLS cannot be read, so connections are refused: see its log"
        kinds[kind] = Kind("not ready", kinds[kind].version, kinds[kind].taken_at, kinds[kind].refused, text)
    return NodeStatus(node.name, node.admin.address, None, answered.info, kinds, answered.certificates)


def _unread(report: Report, bundle: Bundle | None) -> Iterator[str]:
    """The kinds of file that need a secret which Envoy could not read. It takes them all the same."""
    if bundle is None:
        return
    for kind in ("lds", "cds"):
        text = bundle.files[f"envoy/{kind}.json"].decode()
        if any(f'"{name}"' in text for name in report.unread):
            yield kind


def _state(kind: str, report: Report, goal: Goal, offered: str | None, moved_at: int) -> State:
    progress = report.kinds[kind]
    if progress.version is not None and progress.version == goal.revision:
        return "synced"
    if goal.under_way:
        return "pending"
    seen = offered is not None and in_force(offered) == goal.revision
    # Envoy never reads a refused file again by itself: what it took last is older than what it was shown since
    return "rejected" if seen and progress.refused and (progress.taken_at or 0) <= moved_at else "stale"


def _kind(state: State, progress: Progress, words: str | None, goal: Goal) -> Kind:
    taken_at = datetime.fromtimestamp(progress.taken_at / 1000, UTC) if progress.taken_at else None
    reason = words
    if state in {"stale", "pending"}:
        reason = f"is at {progress.version or 'nothing'}, not {goal.revision or 'nothing'}"
    elif state == "synced" and progress.refused:
        reason = f"refused {progress.refused}× since its start; it obeys what is in force"
    return Kind(state, progress.version, taken_at, progress.refused, reason)


def _moved_at(slot: Path) -> int:
    """When a slot was switched last: milliseconds since 1970."""
    try:
        return slot.lstat().st_mtime_ns // 1_000_000
    except OSError:
        return 0


def _words(node: Node, answered: Answered, kinds: list[str], state_dir: Path, offered: str) -> dict[str, str]:
    """Envoy's own words on every kind that it rejects. Its log does not say which kind a line is about: when several
    are rejected, each gets the last words of all.
    """
    if not kinds:
        return {}
    reasons = _last_words(node.log)[-len(kinds) :]
    records = [read_record(state_dir, revision) for revision in offered.split("+")]

    def told(about: Sequence[str]) -> str:
        lines = [one_line(words) if tellable(words, records) else _HIDDEN for words in about]
        return " / ".join(dict.fromkeys(lines)) or "see its log for the reason"

    return {kind: told(reasons or (answered.listener_errors if kind == "lds" else ())) for kind in kinds}


def _last_words(log: Path | None) -> list[str]:
    try:
        return logged(log, max(0, log.stat().st_size - _LOG_BYTES)) if log is not None else []
    except OSError:
        return []


def one_line(words: str) -> str:
    """One printable line: what Envoy quotes must not steer a terminal."""
    return Diagnostic("GC0201", " ".join(words.split())).message
