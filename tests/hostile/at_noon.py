"""ext_authz whose clock stands still at NOW, the moment that the tokens of the tests are made for.

Only the time that credentials are judged by: everything else takes the time it takes. A file in the working directory
says by how many seconds this clock has jumped.
"""

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ext_authz import server, service
from serving import supervisor
from tests.ext_authz.worlds import NOW

CLOCK = "clock"


def stopped() -> float:
    """NOW, give or take the jump."""
    try:
        return float(NOW + int(Path(CLOCK).read_text()))
    except FileNotFoundError:
        return float(NOW)


if __name__ == "__main__":
    clock: Any = SimpleNamespace(time=stopped, perf_counter=time.perf_counter, monotonic=time.monotonic)
    server.time = clock
    sys.exit(supervisor.main(service.SERVICE))
