"""Where does a request end? Smuggling, folding, old versions, and a good request behind a bad one."""

from tests.hostile.cases import ADMIN, CLOSE, Case, ask, passed, refused

SMUGGLED = ask("/admin", ADMIN, CLOSE)
"""A request that would get through: it must never be taken out of the body of another one."""
CHUNKED = "transfer-encoding: chunked"


def post(*headers: str, body: bytes = b"") -> bytes:
    return ask("/open", *headers, method="POST", body=body)


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n0\r\n\r\n" % (len(data), extension, data)


BAD = {
    "CL.TE": post("content-length: 4", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    "TE.CL": post(CHUNKED, "content-length: 4", body=chunk(SMUGGLED)),
    "CL.0 and TE": post("content-length: 0", CHUNKED, body=chunk(b"x")),
    "two lengths": post("content-length: 0", f"content-length: {len(SMUGGLED)}", body=SMUGGLED),
    "two lengths in one line": post(f"content-length: 0, {len(SMUGGLED)}", body=SMUGGLED),
    "negative length": post("content-length: -1", body=SMUGGLED),
    "length with a sign": post("content-length: +4", body=b"abcd"),
    "length in hex": post("content-length: 0x4", body=b"abcd"),
    "length with a fraction": post("content-length: 4.0", body=b"abcd"),
    "length with letters": post("content-length: 4a", body=b"abcd"),
    "length beyond 64 bits": post("content-length: 99999999999999999999999", body=b"abcd"),
    "length with inner space": post("content-length: 1 0", body=b"abcdefghij"),
    "empty length": post("content-length:", body=SMUGGLED),
    "TE with a vertical tab": post("transfer-encoding: \x0bchunked", body=chunk(SMUGGLED)),
    "TE with a space before the colon": post("transfer-encoding : chunked", body=chunk(SMUGGLED)),
    "CL with a space before the colon": post("content-length : 4", body=b"abcd"),
    "a folded first line": b"GET /open HTTP/1.1\r\n x: y\r\nhost: fort\r\n\r\n",
    "TE with an underscore": post("transfer_encoding: chunked", "content-length: 4", body=b"abcd"),
    "bare CR for an end of line": b"GET /open HTTP/1.1\rhost: fort\r\r",
    "a chunk of no size": post(CHUNKED, body=b"\r\n\r\n"),
    "a chunk size with a sign": post(CHUNKED, body=b"+1\r\nx\r\n0\r\n\r\n"),
    "a chunk size with 0x": post(CHUNKED, body=b"0x1\r\nx\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": post(CHUNKED, body=b"fffffffffffffffff\r\nx\r\n0\r\n\r\n"),
    "a chunk that hides a request": post(CHUNKED, body=b"1\r\nx0\r\n\r\n" + SMUGGLED),
    "a chunk extension with LF": post(CHUNKED, body=b"1;a\nb\r\nx\r\n0\r\n\r\n"),
    "a chunk extension with CR": post(CHUNKED, body=b"1;a\rb\r\nx\r\n0\r\n\r\n"),
    "a chunk that ends in LF": post(CHUNKED, body=b"1\nx\n0\n\n"),
    "a NUL among the headers": ask("/open", "x-a: \x00"),
    "HTTP/11": b"GET /open HTTP/11\r\nhost: fort\r\n\r\n",
    "http in small letters": b"GET /open http/1.1\r\nhost: fort\r\n\r\n",
    "blanks before the method": b" GET /open HTTP/1.1\r\nhost: fort\r\n\r\n",
    "no HTTP at all": b"nonsense\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(32),
    "a Redis command": b"*1\r\n$4\r\nPING\r\n",
    "a PROXY header": b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + ask("/open"),
}
"""400, nothing reaches the upstream, and the connection is closed: what follows on it is never read."""

OTHER_VERSIONS = {
    "HTTP/0.9": b"GET /open\r\n\r\n",
    "HTTP/1.0": b"GET /admin HTTP/1.0\r\nhost: fort\r\n\r\n",
    "HTTP/1.0 with keep-alive": b"GET /open HTTP/1.0\r\nhost: fort\r\nconnection: keep-alive\r\n\r\n",
    "HTTP/1.2": b"GET /open HTTP/1.2\r\nhost: fort\r\n\r\n",
    "HTTP/2.0 in words": b"GET /open HTTP/2.0\r\nhost: fort\r\n\r\n",
}

REWRITTEN = {
    # Envoy is lenient with these, and writes them anew: the upstream gets the one reading that was judged
    "LF for ends of lines": b"GET /open HTTP/1.1\nhost: fort\n\n",
    "two blanks": b"GET  /open HTTP/1.1\r\nhost: fort\r\n\r\n",
    "a tab for a blank": b"GET\t/open\tHTTP/1.1\r\nhost: fort\r\n\r\n",
    "a folded header": ask("/open", "x-a: b\r\n x-gate-user: forged"),
    "a bare CR in a value": ask("/open", "x-a: b\rx-gate-user: forged"),
    "an end of line after an empty value": ask("/open", "x-a:\r\n\tx-gate-user: forged"),
    "an unknown expectation": ask("/open", "expect: weird"),
    "an upgrade to h2c": ask(
        "/open", "connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABk"
    ),
}
WITH_BODY = {
    "TE folded": post("transfer-encoding:\r\n chunked", body=chunk(SMUGGLED)),
    "a chunk with an extension": post(CHUNKED, body=chunk(SMUGGLED, b";a=b")),
    "a blank after a chunk's size": post(CHUNKED, body=chunk(SMUGGLED, b" ")),
    "a chunk longer than it says": post(CHUNKED, body=b"1\r\nxyz\r\n0\r\n\r\n"),
    "a request as a body": post(f"content-length: {len(SMUGGLED)}", body=SMUGGLED),
    "a length that Connection names": post(
        f"content-length: {len(SMUGGLED)}", "connection: content-length", body=SMUGGLED
    ),
}

CASES: list[Case] = [
    *(refused(name, sent, 400, "bad-request", closes=True) for name, sent in BAD.items()),
    refused(
        "TE twice",
        post(CHUNKED, "transfer-encoding: identity", body=chunk(SMUGGLED)),
        501,
        "not-implemented",
        closes=True,
    ),
    refused(
        "TE of two codings",
        post("transfer-encoding: gzip, chunked", body=chunk(SMUGGLED)),
        501,
        "not-implemented",
        closes=True,
    ),
    refused(
        "TE of nonsense", post("transfer-encoding: xchunked", body=chunk(SMUGGLED)), 501, "not-implemented", closes=True
    ),
    refused(
        "TE quoted", post('transfer-encoding: "chunked"', body=chunk(SMUGGLED)), 501, "not-implemented", closes=True
    ),
    *(refused(name, sent, 426, "upgrade-required", closes=True) for name, sent in OTHER_VERSIONS.items()),
    *(passed(name, sent, "/open") for name, sent in REWRITTEN.items()),
    *(passed(name, sent, "/open", method="POST") for name, sent in WITH_BODY.items()),
    refused("a header of 34 KB", ask("/open", f"x-big: {'a' * 33_500}"), 431, "request-header-fields-too-large"),
    refused("150 headers", ask("/open", *(f"x-{n}: 1" for n in range(150))), 431, "request-header-fields-too-large"),
    refused("an upgrade nobody speaks of", ask("/open", "connection: upgrade", "upgrade: websocket"), 403, "forbidden"),
]
