"""What a change of TLS opens, and what it does not."""

from pathlib import Path
from typing import Any

import pytest

from gatectl.changes.effects import effects
from gatectl.changes.resources import contents
from tests.gatectl.specs import bundle

OWN = {"certificate": "/c.pem", "key": "/c.key"}
PIN, OTHER_PIN = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="
ASKED = {**OWN, "client_ca": "/a.pem"}
LISTENER: dict[str, tuple[Any, Any, list[str]]] = {
    "none → tls": (None, OWN, []),
    "another certificate": (OWN, {**OWN, "certificate": "/d.pem"}, []),
    "tls → none": (OWN, None, ["credentials, requests and answers travel in plain text"]),
    "older version": ({**OWN, "min_version": "1.3"}, OWN, ["an older version of TLS will do"]),
    "newer version": (OWN, {**OWN, "min_version": "1.3"}, []),
    "asked": (OWN, ASKED, ["certificates of clients are believed by other authorities, or another revocation list"]),
    "not required": (ASKED, {**ASKED, "client_certificates": "optional"}, ["clients get in without a certificate"]),
    "not asked": (ASKED, OWN, ["clients get in without a certificate"]),
    "another authority": (
        ASKED,
        {**ASKED, "client_ca": "/b.pem"},
        ["certificates of clients are believed by other authorities, or another revocation list"],
    ),
    "http3": (OWN, {**OWN, "http3": True}, ["it can be reached over HTTP/3, at the same port of UDP"]),
    "no http3": ({**OWN, "http3": True}, OWN, []),
}
KNOWN = {"san": ["a.example", "b.example"], "ca": "/a.pem"}
UPSTREAM: dict[str, tuple[Any, Any, list[str]]] = {
    "none → tls": (None, KNOWN, []),
    "tls → none": (KNOWN, None, ["requests leave in plain text"]),
    "not verified": (
        KNOWN,
        {"insecure_skip_verify": True},
        ["requests go to whoever answers: its certificate is not verified"],
    ),
    "verified": ({"insecure_skip_verify": True}, KNOWN, []),
    "another authority": (KNOWN, {**KNOWN, "ca": "/b.pem"}, ["its certificate is believed by another authority"]),
    "a name less": (KNOWN, {**KNOWN, "san": ["a.example"]}, []),
    "a name more": ({**KNOWN, "san": ["a.example"]}, KNOWN, ["its certificate may be for another name"]),
    "pinned": (KNOWN, {**KNOWN, "pins": [PIN]}, []),
    "a pin less": ({**KNOWN, "pins": [PIN, OTHER_PIN]}, {**KNOWN, "pins": [PIN]}, []),
    "a pin more": (
        {**KNOWN, "pins": [PIN]},
        {**KNOWN, "pins": [PIN, OTHER_PIN]},
        ["its certificate may have another key"],
    ),
    "unpinned": ({**KNOWN, "pins": [PIN]}, KNOWN, ["its certificate may have another key"]),
}


def opened(directory: Path, before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str]]:
    was, now = (contents(bundle(directory, **fields)) for fields in (before, after))
    return [(one.object, one.message) for one in effects(was, now) if one.kind == "opens-access"]


@pytest.mark.parametrize("name", LISTENER)
def test_of_the_listener(tmp_path: Path, name: str) -> None:
    before, after, told = LISTENER[name]
    sides = [{"listener": {"address": "127.0.0.1"} | ({"tls": tls} if tls else {})} for tls in (before, after)]
    assert opened(tmp_path, *sides) == [("listener", message) for message in told]


@pytest.mark.parametrize("name", UPSTREAM)
def test_of_an_upstream(tmp_path: Path, name: str) -> None:
    before, after, told = UPSTREAM[name]
    sides = [
        {"upstreams": {"u": {"endpoints": ["10.0.0.1:1"]} | ({"tls": tls} if tls else {})}} for tls in (before, after)
    ]
    assert opened(tmp_path, *sides) == [('cluster "upstream-u"', message) for message in told]
