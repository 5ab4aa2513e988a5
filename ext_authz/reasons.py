"""Why a request was let through or refused: the one vocabulary of answers, metrics, audit lines and `explain`.

The code is public (it ends the problem type ``urn:gatectl:error:<code>``), so none of them tells a caller more than
he already proved to know: an unknown key and a wrong secret are the same ``key-invalid``.
"""

from typing import NamedTuple


class Reason(NamedTuple):
    """A reason code, the HTTP status it leads to, and one sentence for the client (no quotes: RFC 6750 section 3)."""

    code: str
    status: int
    detail: str


# access granted
GRANTED = Reason("granted", 200, "A rule of the route grants access.")
PUBLIC = Reason("public", 200, "The route is public.")

# route
REVISION_NOT_LOADED = Reason(
    "revision-not-loaded", 503, "The gateway configuration that routed this request is not loaded yet."
)
ROUTE_UNKNOWN = Reason("route-unknown", 403, "No access policy covers this route.")
HOST_INVALID = Reason("host-invalid", 400, "The Host header is not one host.")
PATH_NOT_CANONICAL = Reason("path-not-canonical", 400, "The path is not in canonical form.")
PATH_MISMATCH = Reason("path-mismatch", 403, "The path does not match the route's template.")
PATH_VARIABLE_INVALID = Reason("path-variable-invalid", 400, "A path variable is not valid percent-encoded text.")

# credentials
CREDENTIAL_MISSING = Reason("credential-missing", 401, "This route needs a credential.")
CREDENTIAL_DUPLICATED = Reason("credential-duplicated", 400, "A credential was sent more than once.")
CREDENTIALS_AMBIGUOUS = Reason("credentials-ambiguous", 400, "More than one kind of credential was sent.")
CREDENTIAL_NOT_ACCEPTED = Reason("credential-not-accepted", 401, "This route does not take that kind of credential.")

# failures before this one
TOO_MANY_FAILURES = Reason("too-many-failures", 429, "Too many credentials were not accepted; try again later.")

# authentication by API key
KEY_INVALID = Reason("key-invalid", 401, "The API key is not valid.")
KEY_EXPIRED = Reason("key-expired", 401, "The API key has expired.")
KEY_NOT_YET_VALID = Reason("key-not-yet-valid", 401, "The API key is not valid yet.")
KEY_ADDRESS = Reason("key-address", 403, "The API key is not accepted from this address.")
KEY_REVOKED = Reason("key-revoked", 401, "The API key has been revoked.")
KEY_STORE_UNAVAILABLE = Reason("key-store-unavailable", 503, "API keys cannot be checked at the moment.")

# authentication by token
SCHEME_UNSUPPORTED = Reason("scheme-unsupported", 401, "The Authorization header must be of scheme Bearer.")
TOKEN_TOO_LARGE = Reason("token-too-large", 401, "The token is larger than 8 KiB.")
TOKEN_MALFORMED = Reason("token-malformed", 401, "The token is not a signed JWT.")
TOKEN_HEADER_FORBIDDEN = Reason("token-header-forbidden", 401, "The token has a header parameter that is not allowed.")
TOKEN_ISSUER_UNKNOWN = Reason("token-issuer-unknown", 401, "The token comes from an issuer that is not trusted.")
TOKEN_ALGORITHM = Reason("token-algorithm", 401, "The token is signed with an algorithm that is not allowed.")
TOKEN_KEY_UNKNOWN = Reason("token-key-unknown", 401, "The key that signed the token is not known.")
TOKEN_SIGNATURE = Reason("token-signature", 401, "The signature of the token is not valid.")
TOKEN_AUDIENCE = Reason("token-audience", 401, "The token is meant for another audience.")
TOKEN_EXPIRED = Reason("token-expired", 401, "The token has expired.")
TOKEN_NOT_YET_VALID = Reason("token-not-yet-valid", 401, "The token is not valid yet.")
TOKEN_LIFETIME = Reason("token-lifetime", 401, "The token is valid for longer than its issuer may say.")
TOKEN_REVOKED = Reason("token-revoked", 401, "The token has been revoked.")
TOKEN_CLAIMS = Reason("token-claims", 401, "A claim of the token is missing or malformed.")
ISSUER_KEYS_UNAVAILABLE = Reason(
    "issuer-keys-unavailable", 503, "The keys of the token's issuer are not available at the moment."
)
REVOCATIONS_UNAVAILABLE = Reason(
    "revocations-unavailable", 503, "Whether the token has been revoked cannot be checked at the moment."
)

# identity for the upstream
IDENTITY_KEY_MISSING = Reason("identity-key-missing", 503, "The caller cannot be vouched for: there is no signing key.")

# authentication by certificate; 403: a 401 would need a challenge, and TLS has none
CERTIFICATE_MISSING = Reason("certificate-missing", 403, "This route needs a client certificate.")
CERTIFICATE_UNKNOWN = Reason("certificate-unknown", 403, "The client certificate belongs to nobody who is known here.")

# access
ACCESS_DENIED = Reason("access-denied", 403, "The caller may not do this.")

# anything that should not have happened
INTERNAL_ERROR = Reason("internal-error", 503, "Access could not be decided.")
