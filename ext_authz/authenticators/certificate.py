"""Client certificates, as the TLS of Envoy's listener has verified them."""

from collections.abc import Sequence

from ext_authz import reasons
from ext_authz.engine import Request, Taken
from ext_authz.identity import Identity, Outcome, Refusal, identity
from ext_authz.policy import Policy
from ext_authz.reasons import Reason

METHOD = "mtls"
_UNKNOWN = Refusal(reasons.CERTIFICATE_UNKNOWN)


class CertificateAuthenticator:
    """Holders of certificates that the policy lists by their principal.

    The principal comes from Envoy alone (``attributes.source.principal``), never from a header. It is compared byte
    by byte with what is listed: no case folding, no trailing dot, no pattern.
    """

    method = METHOD
    ambient = True

    def __init__(self) -> None:
        self._known: dict[str, tuple[Policy, dict[str, Identity]]] = {}

    def find(self, policy: Policy, request: Request) -> Sequence[str]:
        """The principal, where the policy lists certificates."""
        return (request.principal,) if policy.certificates and request.principal else ()

    def authenticate(self, policy: Policy, request: Request, credential: str, now: float) -> Outcome:  # noqa: ARG002 - TLS has seen to the dates
        """Look the principal up; one that is not listed is refused."""
        return self._callers(policy).get(credential, _UNKNOWN)

    def challenge(self, policy: Policy, realm: str, refused: Reason | None) -> str | None:  # noqa: ARG002 - it has none
        """None: HTTP cannot ask for a certificate."""
        return None

    def taken(self, policy: Policy, request: Request, *, used: bool) -> Taken:  # noqa: ARG002 - the same for all
        """Nothing: a certificate does not travel with the request."""
        return Taken()

    def _callers(self, policy: Policy) -> dict[str, Identity]:
        """A policy's callers by principal, built on first use and kept for the few policies that are loaded."""
        known = self._known.get(policy.revision)
        if known is not None and known[0] is policy:
            return known[1]
        if len(self._known) >= 8:
            self._known.clear()
        callers = {
            one.name: caller
            for one in policy.certificates
            if (
                caller := identity(
                    user=one.user, roles=one.roles, plan=one.plan, attributes=one.attributes, method=METHOD
                )
            )
            is not None
        }
        self._known[policy.revision] = (policy, callers)
        return callers
