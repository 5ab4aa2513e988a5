"""What clients read when Envoy itself answers: one problem (RFC 9457) for each status that it can make up."""

from dataclasses import dataclass

REQUEST_ID = "%REQ(X-REQUEST-ID)%"
"""Null for a request that was refused before it got an id, such as one that is no HTTP."""


@dataclass(frozen=True)
class Problem:
    """One status, its reason phrase (RFC 9110) and a sentence."""

    status: int
    title: str
    detail: str

    @property
    def type(self) -> str:
        """A stable name for programs."""
        return f"urn:gatectl:error:{self._code}"

    @property
    def sentence(self) -> str:
        """The same for clients that get a line of text (grpc-message)."""
        return f"{self._code}: {self.detail}"

    @property
    def _code(self) -> str:
        return self.title.lower().replace(" ", "-")


PROBLEMS = (
    Problem(400, "Bad Request", "The request, its path or a header is written in a way that is not accepted."),
    Problem(403, "Forbidden", "The request is not allowed."),
    Problem(404, "Not Found", "Nothing is here."),
    Problem(408, "Request Timeout", "The request did not arrive in time."),
    Problem(413, "Content Too Large", "The request body is larger than the gateway accepts."),
    Problem(426, "Upgrade Required", "HTTP/1.1 or later is needed."),
    Problem(429, "Too Many Requests", "There are too many requests; try again later."),
    Problem(431, "Request Header Fields Too Large", "The headers are larger than the gateway accepts."),
    Problem(500, "Internal Server Error", "The gateway could not process the request."),
    Problem(501, "Not Implemented", "The request uses a transfer coding that is not supported."),
    Problem(502, "Bad Gateway", "The upstream gave an answer that cannot be used."),
    Problem(503, "Service Unavailable", "The upstream cannot be used, or the gateway cannot decide; try again later."),
    Problem(504, "Gateway Timeout", "The upstream did not answer in time."),
)
