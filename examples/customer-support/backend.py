"""The demo's upstream: tickets, users and customers of a support desk, in memory, and an assistant.

It trusts whoever calls it: authentication, authorization and limits are the gateway's part. With ``--debug`` it also
tells what reached it (``/debug/echo``) and misbehaves on demand, for tests.
"""

import argparse
import asyncio
import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from http1 import HttpError, Request
from server import Response, serve

try:
    from uvloop import run
except ImportError:  # twice as fast with it, just as correct without
    from asyncio import run

MAX_RECORDS = 10_000
MAX_LISTED = 100
"""The newest records are listed; nothing here needs paging."""
MAX_TEXT = 1000
MAX_DELAY_MS = 60_000
MAX_LINES = 1000
LINE_SECONDS = 0.1
ANSWER_SECONDS = 0.3

Record = dict[str, str]
Endpoint = Callable[..., Response | Awaitable[Response]]
"""Called with the request and the groups of the path pattern."""


def _json(document: object, status: int = 200, *headers: tuple[str, str]) -> Response:
    return Response(status, json.dumps(document).encode(), headers=headers)


def _document(request: Request, fields: tuple[str, ...]) -> Record:
    """The JSON object of a request, of texts; HttpError 400, or 422 for other fields or longer texts."""
    try:
        document: Any = json.loads(request.body)
    except (ValueError, RecursionError):
        raise HttpError(400, "the body is not JSON") from None
    if not isinstance(document, dict) or set(document) != set(fields):
        raise HttpError(422, f"the body must be an object with exactly: {', '.join(fields)}")
    for name, value in document.items():
        if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
            raise HttpError(422, f"{name} must be a text of 1 to {MAX_TEXT} characters")
    return document


async def _answer(request: Request) -> Response:
    """What stands in for a language model: it takes its time, and is sure of itself."""
    question = _document(request, ("question",))
    await asyncio.sleep(ANSWER_SECONDS)
    return _json({**question, "answer": "Have you tried to switch it off and on again?"})


@dataclass
class Collection:
    """Records of one kind, by id. ``fields`` must be given to create one; ``defaults`` are filled in."""

    path: str
    id_prefix: str
    fields: tuple[str, ...]
    defaults: Record
    records: dict[str, Record] = field(default_factory=dict)

    def read_all(self, _: Request) -> Response:
        """The newest records, oldest of them first."""
        return _json(list(self.records.values())[-MAX_LISTED:])

    def read(self, _: Request, record_id: str) -> Response:
        """One record; HttpError 404 when there is none."""
        record = self.records.get(record_id)
        if record is None:
            raise HttpError(404, f"nothing under {self.path} has this id")
        return _json(record)

    def create(self, request: Request) -> Response:
        """Store a record from a JSON object; HttpError 400, 422 or, when the store is full, 507."""
        document = _document(request, self.fields)
        if len(self.records) >= MAX_RECORDS:
            raise HttpError(507, f"no more than {MAX_RECORDS} records are kept")
        record = {"id": f"{self.id_prefix}{1001 + len(self.records)}", **document, **self.defaults}
        self.records[record["id"]] = record
        return _json(record, 201, ("location", f"{self.path}/{record['id']}"))


def _support_desk() -> list[tuple[str, dict[str, Endpoint]]]:
    """The API: path patterns, each with its methods."""
    tickets = Collection(
        "/api/v1/tickets",
        "t-",
        ("subject", "customer"),
        {"status": "open"},
        {
            "t-1001": {"id": "t-1001", "subject": "Cannot sign in", "customer": "carol", "status": "open"},
            "t-1002": {"id": "t-1002", "subject": "Wrong invoice", "customer": "dave", "status": "open"},
        },
    )
    users = Collection(
        "/api/v1/users",
        "u-",
        ("name", "role"),
        {},
        {
            "u-1001": {"id": "u-1001", "name": "Alice", "role": "agent"},
            "u-1002": {"id": "u-1002", "name": "Bob", "role": "admin"},
        },
    )
    customers = Collection(
        "/api/v1/customers",
        "",
        (),
        {},
        {
            "carol": {"id": "carol", "name": "Carol", "email": "carol@example.com"},
            "dave": {"id": "dave", "name": "Dave", "email": "dave@example.com"},
        },
    )
    return [
        ("/healthz", {"GET": lambda _: _json({"status": "ok"})}),
        (tickets.path, {"GET": tickets.read_all, "POST": tickets.create}),
        (f"{tickets.path}/([^/]+)", {"GET": tickets.read}),
        (users.path, {"GET": users.read_all, "POST": users.create}),
        (f"{users.path}/([^/]+)", {"GET": users.read}),
        (f"{customers.path}/([^/]+)", {"GET": customers.read}),
        ("/api/v1/assistant", {"POST": _answer}),
    ]


class Debug:
    """Endpoints that show what the upstream saw, and that fail on demand."""

    def __init__(self) -> None:
        self._failures_left = 0

    def echo(self, request: Request) -> Response:
        """What reached the upstream, as JSON; bytes that are not UTF-8 are replaced."""
        body = request.body.decode(errors="replace")
        return _json({"method": request.method, "path": request.target, "headers": request.headers, "body": body})

    def status(self, _: Request, code: str) -> Response:
        """A response with this status, 200 to 599, from an upstream that tells of a limit of its own."""
        return _json({"status": _number(code, 200, 599)}, int(code), ("X-RateLimit-Limit", "1"))

    async def delay(self, _: Request, milliseconds: str) -> Response:
        """A response after this many milliseconds."""
        await asyncio.sleep(_number(milliseconds, 0, MAX_DELAY_MS) / 1000)
        return _json({"delayed_ms": int(milliseconds)})

    def fail_next(self, _: Request, count: str) -> Response:
        """Make the next ``count`` requests to ``/debug/flaky`` fail; 0 ends it."""
        self._failures_left = _number(count, 0, 1_000_000)
        return _json({"failing": self._failures_left})

    def flaky(self, _: Request) -> Response:
        """500 while failures are left, 200 otherwise."""
        if self._failures_left > 0:
            self._failures_left -= 1
            raise HttpError(500, "failing on demand")
        return _json({"status": "ok"})

    def stream(self, _: Request, count: str) -> Response:
        """A chunked text of ``count`` lines, one each 100 ms."""
        return Response(200, content_type="text/plain", stream=_lines(_number(count, 1, MAX_LINES)))

    def endpoints(self) -> list[tuple[str, dict[str, Endpoint]]]:
        """Path patterns, each with its methods."""
        return [
            ("/debug/echo(?:/.*)?", dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), self.echo)),
            ("/debug/status/([0-9]{3})", {"GET": self.status, "POST": self.status}),
            ("/debug/delay/([0-9]{1,5})", {"GET": self.delay}),
            ("/debug/fail-next/([0-9]{1,7})", {"POST": self.fail_next, "GET": self.fail_next}),
            ("/debug/flaky", {"GET": self.flaky}),
            ("/debug/stream/([0-9]{1,4})", {"GET": self.stream}),
        ]


async def _lines(count: int) -> AsyncIterator[bytes]:
    for number in range(1, count + 1):
        if number > 1:
            await asyncio.sleep(LINE_SECONDS)
        yield f"line {number} of {count}\n".encode()


def _number(text: str, low: int, high: int) -> int:
    if not low <= int(text) <= high:
        raise HttpError(400, f"must be from {low} to {high}")
    return int(text)


class Application:
    """Finds the endpoint of a request by path and method."""

    def __init__(self, *, debug: bool) -> None:
        table = [*_support_desk(), *(Debug().endpoints() if debug else [])]
        self._table = [(re.compile(pattern), methods) for pattern, methods in table]

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        """Answer a request; HttpError 404, 405 or what the endpoint raises."""
        path = request.target.partition("?")[0]
        for pattern, methods in self._table:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
            if endpoint is None:
                raise HttpError(405, "the method is not known here", ("allow", ", ".join(methods)))
            return endpoint(request, *match.groups())
        raise HttpError(404, "nothing is under this path")


def main() -> int:
    """Run the backend until SIGTERM or SIGINT; 1 when the address is taken."""
    parser = argparse.ArgumentParser(prog="backend.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True, help="TCP port; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--debug", action="store_true", help="offer the endpoints under /debug")
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    host = f"[{options.host}]" if ":" in options.host else options.host

    def announce(port: int) -> None:
        print(f"backend listens on http://{host}:{port}", flush=True)  # noqa: T201 - the one line callers wait for

    try:
        run(serve(Application(debug=options.debug), options.host, options.port, announce))
    except (OSError, OverflowError) as error:
        print(f"backend: cannot listen on {host}:{options.port}: {error}", file=sys.stderr)  # noqa: T201 - the reason why it ends
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
