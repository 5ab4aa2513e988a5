"""The decision: route → credentials → authentication → access. Pure: no I/O, and the clock is not its business.

Authentication may have to ask somebody (Redis, an issuer), so it stands between the two halves::

    case = examine(policy, request, authenticators)          # route, credentials
    outcome = authenticator.authenticate(policy, credential, now)   # only when a credential was sent
    decision = decide(case, outcome)                         # authentication, access

A request is allowed at two places, both in :func:`decide`; all that is not allowed there is denied.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ext_authz import paths, rbac, reasons
from ext_authz.identity import Identity, Outcome, Refusal
from ext_authz.policy import Policy, Route
from ext_authz.reasons import Reason


class Request(NamedTuple):
    """What is known of a request. ``headers`` has lower-case names, repeated ones merged by ``,`` (Envoy does so)."""

    route: str
    revision: str
    method: str
    path: str
    """As sent, query included."""
    headers: Mapping[str, str]
    address: str
    request_id: str


class Authenticator(Protocol):
    """One way to prove who is calling. A new one is a file in ``authenticators/`` and a line in its table."""

    method: str
    """Its name in headers, metadata and metrics."""

    def find(self, policy: Policy, headers: Mapping[str, str]) -> str | None:
        """The header value that is this authenticator's credential; None: not sent, or not configured."""

    def authenticate(self, policy: Policy, credential: str, now: float) -> Outcome | Awaitable[Outcome]:
        """Judge a credential at ``now`` (Unix seconds); an awaitable when somebody has to be asked first."""

    def challenge(self, policy: Policy, realm: str, refused: Reason | None) -> str | None:
        """The ``WWW-Authenticate`` challenge (RFC 9110 section 11.6.1); None when the policy does not configure it.

        ``realm`` is a quoted-string; ``refused`` says why this authenticator's own credential was refused.
        """

    def stripped(self, policy: Policy, *, used: bool) -> Sequence[str]:
        """Request headers that the upstream must not see; ``used``: its credential was the one accepted."""


class Case(NamedTuple):
    """A request on a known route with at most one credential: what remains is who calls, and whether he may."""

    policy: Policy
    route: Route
    request: Request
    authenticators: Sequence[Authenticator]
    variables: Mapping[str, str]
    authenticator: Authenticator | None
    credential: str


class Decision(NamedTuple):
    """The answer to one request, as a value."""

    allow: bool
    reason: Reason
    identity: Identity | None = None
    """Who is calling, when proved. Also set on refusals."""
    grant: rbac.Grant | None = None
    method: str | None = None
    """The authenticator that judged the credential."""
    challenge: str | None = None
    """``WWW-Authenticate``, on 401 only."""
    stripped: tuple[str, ...] = ()
    """Request headers to take away before the upstream sees them, on allow only."""


def examine(policy: Policy | None, request: Request, authenticators: Sequence[Authenticator]) -> Case | Decision:
    """Phases route and credentials. ``policy`` is that of the revision which routed the request, None if not loaded."""
    if policy is None or policy.revision != request.revision:
        return Decision(allow=False, reason=reasons.REVISION_NOT_LOADED)
    route = policy.routes.get(request.route)
    if route is None:
        return Decision(allow=False, reason=reasons.ROUTE_UNKNOWN)
    variables = _variables(route, request)
    if isinstance(variables, Reason):
        return Decision(allow=False, reason=variables)

    sent = [
        (authenticator, credential)
        for authenticator in authenticators
        if (credential := authenticator.find(policy, request.headers)) is not None
    ]
    if len(sent) > 1:
        return Decision(allow=False, reason=reasons.CREDENTIALS_AMBIGUOUS)
    authenticator, credential = sent[0] if sent else (None, "")
    if "," in credential:  # how Envoy merges a repeated header; no credential holds one
        return Decision(allow=False, reason=reasons.CREDENTIAL_DUPLICATED)
    return Case(policy, route, request, authenticators, variables, authenticator, credential)


def _variables(route: Route, request: Request) -> dict[str, str] | Reason:
    """The decoded path variables, or why the path is not one that this route can have been meant for."""
    path = paths.without_query(request.path)
    if not paths.is_canonical(path):
        return reasons.PATH_NOT_CANONICAL
    if route.path_template is None:
        return {}
    raw = paths.match(route.path_template, path)
    if raw is None:
        return reasons.PATH_MISMATCH
    variables = paths.decode(raw)
    return reasons.PATH_VARIABLE_INVALID if variables is None else variables


def decide(case: Case, outcome: Outcome | None) -> Decision:
    """Phases authentication and access. ``outcome`` is what became of the case's credential, None if it has none.

    Raises ValueError when the two do not belong together: a credential that was sent must have been judged.
    """
    if (outcome is None) is not (case.authenticator is None):
        raise ValueError("the outcome does not belong to this case")
    method = case.authenticator.method if case.authenticator else None
    if isinstance(outcome, Refusal):
        return _refuse(case, outcome.reason, outcome.identity, method)
    if case.route.public:
        return Decision(allow=True, reason=reasons.PUBLIC, identity=outcome, method=method, stripped=_stripped(case))
    if outcome is None:
        return _refuse(case, reasons.CREDENTIAL_MISSING, None, None)
    grant = rbac.grant(case.route.rules, case.request.method, outcome, case.variables)
    if grant is None:
        return _refuse(case, reasons.ACCESS_DENIED, outcome, method)
    return Decision(
        allow=True, reason=reasons.GRANTED, identity=outcome, grant=grant, method=method, stripped=_stripped(case)
    )


def _refuse(case: Case, reason: Reason, identity: Identity | None, method: str | None) -> Decision:
    challenge = None
    if reason.status == 401:
        realm = '"' + case.policy.gateway.replace("\\", "\\\\").replace('"', '\\"') + '"'
        challenges = (
            a.challenge(case.policy, realm, reason if a is case.authenticator else None) for a in case.authenticators
        )
        challenge = ", ".join(c for c in challenges if c is not None)
        if not challenge:  # nobody can authenticate here; a 401 without a challenge would be malformed
            reason, challenge = reasons.ACCESS_DENIED, None
    return Decision(allow=False, reason=reason, identity=identity, method=method, challenge=challenge)


def _stripped(case: Case) -> tuple[str, ...]:
    return tuple(
        header
        for authenticator in case.authenticators
        for header in authenticator.stripped(case.policy, used=authenticator is case.authenticator)
    )
