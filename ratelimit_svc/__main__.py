"""``python -m ratelimit_svc``."""

import os
import sys

from ratelimit_svc.compat import settings as compat
from serving.supervisor import main as supervise


def main() -> int:
    """Run the service, by the gateway's policies or by files of envoyproxy/ratelimit. Returns the exit code."""
    if compat.wanted(sys.argv[1:], os.environ):
        from ratelimit_svc.compat.server import SERVICE as FILES  # noqa: PLC0415 - only one of them is needed

        return supervise(FILES)
    from ratelimit_svc.server import SERVICE  # noqa: PLC0415 - likewise

    return supervise(SERVICE)


if __name__ == "__main__":
    sys.exit(main())
