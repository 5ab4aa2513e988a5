"""The service as its parent process knows it: imports what a worker needs only where it is needed."""

from typing import TYPE_CHECKING

from ratelimit_svc.settings import SETTINGS
from serving.service import Service

if TYPE_CHECKING:
    from ratelimit_svc.policy import Policy
    from serving.worker import Worker


def _worker() -> "Worker[Policy]":
    from ratelimit_svc.server import WORKER  # noqa: PLC0415 - the parent process does without

    return WORKER


SERVICE = Service(name="ratelimit_svc", worker=_worker, settings=SETTINGS)
