"""The ways to prove who is calling."""

from ext_authz.authenticators.api_key import ApiKeyAuthenticator
from ext_authz.authenticators.certificate import CertificateAuthenticator
from ext_authz.authenticators.jwt import JwtAuthenticator
from ext_authz.denylists import Revocations
from ext_authz.engine import Authenticator
from ext_authz.jwks import JwksSources
from ext_authz.keyset import KeySet


def table(keys: KeySet, jwks: JwksSources, revocations: Revocations) -> tuple[Authenticator, ...]:
    """Every authenticator there is. A new one is a file beside this one and a line here."""
    return (
        ApiKeyAuthenticator(keys),
        JwtAuthenticator(jwks, revocations),
        CertificateAuthenticator(),
    )
