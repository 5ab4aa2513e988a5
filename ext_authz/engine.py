"""The decision: route → credentials → authentication → access. Pure: no I/O, and the clock is not its business.

Authentication may have to ask somebody (Redis, an issuer), so it stands between the two halves::

    case = examine(policy, request, authenticators)          # route, credentials
    outcomes = [authenticator.authenticate(policy, request, credential, now) for each of case.presented]
    decision = decide(case, outcomes)                        # authentication, access

A request is allowed at two places, both in :func:`decide`; all that is not allowed there is denied.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ext_authz import hosts, paths, rbac, reasons
from ext_authz.evaluation import Facts
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
    principal: str = ""
    """Of the client certificate that Envoy verified (``attributes.source.principal``): its first URI name, else its
    first DNS name, else its subject; empty without one."""
    host: str = ""
    """As Envoy routed by it: ``:authority`` or Host, several joined by ``,``."""


class Taken(NamedTuple):
    """What of a request the upstream must not see, or see changed, so that no credential goes further than here."""

    headers: tuple[str, ...] = ()
    replaced: Mapping[str, str] = {}
    """Headers that stay with another value: ``cookie`` or ``:path`` without the credential."""


class Authenticator(Protocol):
    """One way to prove who is calling. A new one is a file in ``authenticators/`` and a line in its table."""

    method: str
    """Its name in the policy, headers, metadata and metrics."""
    ambient: bool
    """Whether its credential comes with every request of a connection (a client certificate), so that sending it
    says nothing: it counts only where no credential of the request itself is there, or where the route demands it."""

    def find(self, policy: Policy, request: Request) -> Sequence[str]:
        """Every credential of this kind that the request carries; none: not sent, or not configured."""

    def authenticate(
        self, policy: Policy, request: Request, credential: str, now: float
    ) -> Outcome | Awaitable[Outcome]:
        """Judge a credential at ``now`` (Unix seconds); an awaitable when somebody has to be asked first."""

    def challenge(self, policy: Policy, realm: str, refused: Reason | None) -> str | None:
        """The ``WWW-Authenticate`` challenge (RFC 9110 section 11.6.1); None when the policy does not configure it.

        ``realm`` is a quoted-string; ``refused`` says why this authenticator's own credential was refused.
        """

    def taken(self, policy: Policy, request: Request, *, used: bool) -> Taken:
        """What the upstream must not see; ``used``: its credential was one of those accepted."""


class Presented(NamedTuple):
    """A credential that is to be judged, and by whom."""

    authenticator: Authenticator
    credential: str


class Case(NamedTuple):
    """A request on a known route with the credentials that matter there: what remains is who calls, and whether he may.

    ``presented`` is empty (none was sent), one, or those that the route demands together, in the order it names them.
    """

    policy: Policy
    route: Route
    request: Request
    authenticators: Sequence[Authenticator]
    variables: Mapping[str, str]
    presented: tuple[Presented, ...]


class Decision(NamedTuple):
    """The answer to one request, as a value."""

    allow: bool
    reason: Reason
    identity: Identity | None = None
    """Who is calling, when proved. Also set on refusals."""
    ruling: rbac.Ruling = rbac.Ruling()
    """What the rules said, when they were asked."""
    method: str | None = None
    """The authenticators that judged, joined by ``+``."""
    challenge: str | None = None
    """``WWW-Authenticate``, on 401 only."""
    identity_token: str | None = None
    """The caller as a signed token for the upstream, on allow only."""
    taken: tuple[Taken, ...] = ()
    """What to take away before the upstream sees the request, on allow only."""
    retry_after: int | None = None
    """Seconds until the same may work, on 429 only."""
    delayed: bool = False
    """Whether the answer is to be held back for a moment."""
    counted_attributes: tuple[str, ...] = ()
    """Attributes of the caller that limits count by, on allow only."""
    leases: bool = False
    """Whether limits have to know this request from others, on allow only."""


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

    sent: dict[str, Presented] = {}
    for authenticator in authenticators:
        credentials = authenticator.find(policy, request)
        if len(credentials) > 1:
            return Decision(allow=False, reason=reasons.CREDENTIAL_DUPLICATED)
        for credential in credentials:
            sent[authenticator.method] = Presented(authenticator, credential)
    case = Case(policy, route, request, authenticators, variables, ())
    presented = _demanded(case, sent)
    return presented if isinstance(presented, Decision) else case._replace(presented=presented)


def _demanded(case: Case, sent: Mapping[str, Presented]) -> tuple[Presented, ...] | Decision:
    """Those of the credentials sent that the route asks for. One that it does not ask for is refused, never ignored;
    only an ambient one is passed over where it is not asked for, or where the request brings a credential of its own.
    """
    accepted = case.route.authentication
    own = tuple(one for one in sent.values() if not one.authenticator.ambient)
    if accepted is not None:
        stranger = next((one for one in own if one.authenticator.method not in accepted.methods), None)
        if stranger is not None:
            return _refuse(case, reasons.CREDENTIAL_NOT_ACCEPTED, None, (stranger,))
        if accepted.all:
            together = tuple(sent[method] for method in accepted.methods if method in sent)
            return together if len(together) == len(accepted.methods) else _refuse(case, _missing(case, sent), None, ())
    if len(own) > 1:
        return Decision(allow=False, reason=reasons.CREDENTIALS_AMBIGUOUS)
    ambient = (one for method, one in sent.items() if accepted is None or method in accepted.methods)
    return own or tuple(ambient)[:1]


def _missing(case: Case, sent: Mapping[str, Presented]) -> Reason:
    """Why a request that needs a credential and has none, or not all of them, is refused."""
    accepted = case.route.authentication
    ambient = {one.method for one in case.authenticators if one.ambient}
    if accepted is not None:
        only_ambient = set(accepted.methods) - sent.keys() <= ambient
    else:
        only_ambient = bool(case.policy.certificates) and not _challenge(case, None, None)
    return reasons.CERTIFICATE_MISSING if only_ambient else reasons.CREDENTIAL_MISSING


def _variables(route: Route, request: Request) -> dict[str, str] | Reason:
    """The decoded path variables, or why host or path are none that this route can have been meant for."""
    if not hosts.is_host(request.host):
        return reasons.HOST_INVALID
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


def decide(case: Case, outcomes: Sequence[Outcome]) -> Decision:
    """Phases authentication and access. ``outcomes`` is what became of each of the case's credentials, in order.

    The caller is whom the first credential proves; every other one must be good as well. Raises ValueError when the
    two do not belong together: a credential that was sent must have been judged.
    """
    if len(outcomes) != len(case.presented):
        raise ValueError("the outcomes do not belong to this case")
    method = _methods(case.presented)
    for presented, outcome in zip(case.presented, outcomes, strict=True):
        if isinstance(outcome, Refusal):
            return _refuse(case, outcome.reason, outcome.identity, case.presented, presented)
    caller = next((outcome for outcome in outcomes if isinstance(outcome, Identity)), None)
    if case.route.public:
        return _allow(case, Decision(allow=True, reason=reasons.PUBLIC, identity=caller, method=method))
    if caller is None:
        return _refuse(case, _missing(case, {}), None, ())
    ruling = rbac.rule_on(case.route.rules, facts(case, caller))
    if not ruling.allow:
        return _refuse(case, reasons.ACCESS_DENIED, caller, case.presented)._replace(ruling=ruling)
    granted = Decision(allow=True, reason=reasons.GRANTED, identity=caller, ruling=ruling, method=method)
    return _allow(case, granted)


def _allow(case: Case, decision: Decision) -> Decision:
    """With what goes on with the request: without credentials, and with what limits want to know."""
    policy = case.policy
    return decision._replace(taken=_taken(case), counted_attributes=policy.counted_attributes, leases=policy.leases)


def facts(case: Case, caller: Identity) -> Facts:
    """What the rules of a case's route look at."""
    return Facts(
        method=case.request.method,
        target=case.request.path,
        headers=case.request.headers,
        user=caller.user,
        roles=caller.roles,
        plan=caller.plan,
        attributes=caller.attributes,
        variables=case.variables,
    )


def _refuse(
    case: Case,
    reason: Reason,
    identity: Identity | None,
    presented: Sequence[Presented],
    at_fault: Presented | None = None,
) -> Decision:
    challenge = _challenge(case, reason, at_fault) if reason.status == 401 else None
    if reason.status == 401 and challenge is None:  # a 401 has to say what would do (RFC 9110 section 15.5.2)
        reason = reason._replace(status=403)
    return Decision(allow=False, reason=reason, identity=identity, method=_methods(presented), challenge=challenge)


def _challenge(case: Case, reason: Reason | None, at_fault: Presented | None) -> str | None:
    """``WWW-Authenticate`` of every way that the route takes; None when HTTP can ask for none of them."""
    realm = '"' + case.policy.gateway.replace("\\", "\\\\").replace('"', '\\"') + '"'
    accepted = case.route.authentication.methods if case.route.authentication is not None else None
    challenges = (
        a.challenge(case.policy, realm, reason if at_fault is not None and a is at_fault.authenticator else None)
        for a in case.authenticators
        if accepted is None or a.method in accepted
    )
    return ", ".join(c for c in challenges if c is not None) or None


def _methods(presented: Sequence[Presented]) -> str | None:
    return "+".join(one.authenticator.method for one in presented) or None


def _taken(case: Case) -> tuple[Taken, ...]:
    used = [one.authenticator for one in case.presented]
    return tuple(a.taken(case.policy, case.request, used=a in used) for a in case.authenticators)
