"""Keys in queries and cookies through a real Envoy: the upstream gets everything but the key."""

import asyncio
import hashlib
from pathlib import Path

from gatectl.rehearsal.callers import Caller
from gatectl.rehearsal.rehearsal import Course, Rehearsal
from gatectl.rehearsal.request import Request
from gatectl.rollout.candidate import read

KEY = "k3y-of-this-test"
SPEC = f"""\
version: 1
name: places
authentication:
  api_keys:
    query: api_key
    cookie: session
    static: [{{id: s, sha256: {hashlib.sha256(KEY.encode()).hexdigest()}, user: ci}}]
upstreams: {{u: {{endpoints: ["127.0.0.1:9"]}}}}
routes:
  - {{name: open, match: {{path: /open}}, upstream: u, access: public}}
  - {{name: a, match: {{path_prefix: /a}}, upstream: u, rewrite_prefix: /z, access: authenticated}}
"""
CASES = [  # target, cookies, and what the upstream got: path and cookie; or why not
    (f"/a/x?b=2&api_key={KEY}&a&b=1&c=%20+/?", None, ("/z/x?b=2&a&b=1&c=%20+/?", None)),
    (f"/a?api_key={KEY}", "x=1", ("/z", "x=1")),
    ("/a?q=1", f"session={KEY}", ("/z?q=1", None)),
    ("/a", f"x=1; session={KEY}; y=a,b", ("/z", "x=1; y=a,b")),
    (f"/open?api_key={KEY}&q", f"x={KEY}", ("/open?q", f"x={KEY}")),
    ("/open?q", "x=1", ("/open?q", "x=1")),
    (f"/a?api%5Fkey={KEY}", None, "key-invalid"),
    (f"/open?api_ke%79={KEY}", None, "key-invalid"),
    (f"/a?api_key={KEY}&api_key={KEY}", None, "credential-duplicated"),
    (f"/a?api_key={KEY}", f"session={KEY}", "credential-duplicated"),
    ("/open", f"session={KEY}; session=x", "credential-duplicated"),
    ("/a?x=1", "x=1", "credential-missing"),
]


def outcome(course: Course) -> tuple[str, str | None] | str:
    assert course.check is not None
    if course.forwarded is None:
        return course.check.decision.reason.code
    headers = dict(course.forwarded.headers)
    assert not any(KEY in value for name, value in headers.items() if name != "cookie")
    return course.forwarded.path, headers.get("cookie")


def test_the_upstream_gets_everything_as_it_was_sent_but_the_key(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(SPEC)

    async def rehearse() -> list[tuple[str, str | None] | str]:
        candidate = read([str(tmp_path / "gateway.yaml")])
        async with Rehearsal.of(candidate, [Caller(user="bob")], tmp_path) as rehearsal:
            cookies = [((("cookie", cookie),) if cookie is not None else ()) for _, cookie, _ in CASES]
            sent = [Request("GET", case[0], headers) for case, headers in zip(CASES, cookies, strict=True)]
            found = [outcome(await rehearsal.ask(request)) for request in sent]
            twice = Request("GET", "/a", (("cookie", "x=1"), ("cookie", f"y=2; session={KEY}")))
            found.append(outcome(await rehearsal.ask(twice)))
            found.append(outcome(await rehearsal.ask(Request("GET", "/a?q=1"), rehearsal.credentials[0])))
        return found

    *found, twice, assumed = asyncio.run(rehearse())
    assert found == [expected for _, _, expected in CASES]
    assert twice == ("/z", "x=1,y=2")
    assert assumed == ("/z?q=1", None)


def test_a_caller_is_assumed_by_a_query_parameter_where_there_is_no_other_place(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(SPEC.replace("    cookie: session\n", ""))

    async def rehearse() -> tuple[str, str | None] | str:
        candidate = read([str(tmp_path / "gateway.yaml")])
        async with Rehearsal.of(candidate, [Caller(key=KEY)], tmp_path) as rehearsal:
            return outcome(await rehearsal.ask(Request("GET", "/a?q=1"), rehearsal.credentials[0]))

    assert asyncio.run(rehearse()) == ("/z?q=1", None)
