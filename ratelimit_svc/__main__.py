"""``python -m ratelimit_svc``."""

import sys

from ratelimit_svc.service import SERVICE
from serving.supervisor import main as supervise


def main() -> int:
    """Run the service. Returns the exit code."""
    return supervise(SERVICE)


if __name__ == "__main__":
    sys.exit(main())
