"""``python -m ratelimit_svc``."""

import os
import sys

from ratelimit_svc.compat import service as compat
from ratelimit_svc.service import SERVICE
from serving.supervisor import main as supervise


def main() -> int:
    """Run the service, by the gateway's policies or by files of envoyproxy/ratelimit. Returns the exit code."""
    return supervise(compat.SERVICE if compat.wanted(sys.argv[1:], os.environ) else SERVICE)


if __name__ == "__main__":
    sys.exit(main())
