"""The service as its parent process knows it: imports what a worker needs only where it is needed."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ext_authz.settings import SETTINGS
from serving.endpoint import Page, json_body
from serving.service import Service
from serving.settings import Values

if TYPE_CHECKING:
    from ext_authz.identity_token import IdentityKeys
    from ext_authz.policy import Policy
    from serving.worker import Worker

JWKS_PAGE = "/.well-known/jwks.json"


def pages(values: Values) -> Mapping[str, Page]:
    """What the service publishes beside its own state: the public keys of the signed identity header.

    Read when somebody first asks for them.
    """

    @functools.cache
    def keys() -> "IdentityKeys":
        from ext_authz.identity_token import IdentityKeys  # noqa: PLC0415 - cryptography, before anybody asks

        return IdentityKeys(values["identity_key_file"])

    return {JWKS_PAGE: lambda: json_body(200, keys().jwks())}


def _worker() -> "Worker[Policy]":
    from ext_authz.server import WORKER  # noqa: PLC0415 - the parent process does without

    return WORKER


SERVICE = Service(name="ext_authz", worker=_worker, settings=SETTINGS, pages=pages)
