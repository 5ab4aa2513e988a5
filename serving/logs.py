"""Structured logs: one JSON object a line on stderr. Fields come from ``extra=``; nothing is interpolated twice.

The text of an exception may quote what a client sent or a setting, a credential for example. So an exception is
written by its type and place, never by its text, also when nobody caught it.
"""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

log = logging.getLogger(__name__)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "message", …extra}``. Always one line of valid JSON, whatever a record holds."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON (RFC 8259, ASCII only: stderr may have any encoding)."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                entry["at"] = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        for key, value in vars(record).items():
            if key not in _STANDARD:
                entry.setdefault(str(key), value)
        try:
            return json.dumps(entry, default=_text, allow_nan=False)
        except (TypeError, ValueError, RecursionError):  # NaN, keys that are no text, a structure within itself
            return json.dumps({key: _text(value) for key, value in entry.items()})


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit the message: a mistake, yet not worth losing the line
        return str(record.msg)


def _text(value: object) -> str:
    if isinstance(value, BaseException):
        return type(value).__name__
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - somebody else's __str__
        return type(value).__name__


def configure(level: str) -> None:
    """Send every log record of ``level`` and above to stderr as JSON, warnings and uncaught exceptions too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it reports every quiet second
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs
    sys.excepthook = lambda kind, error, trace: log.critical("ended by an error", exc_info=(kind, error, trace))
    threading.excepthook = lambda args: log.critical("thread ended by an error", exc_info=args.exc_value)


def on_loop_error(_: "AbstractEventLoop", context: dict[str, Any]) -> None:
    """An asyncio exception handler; the default one writes the exception's text."""
    log.error("background error", exc_info=context.get("exception"), extra={"detail": context["message"]})
