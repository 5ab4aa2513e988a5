"""ext_authz whose clock stands still at NOW, the moment that the tokens of the tests are made for.

Only the time that credentials are judged by: everything else takes the time it takes.
"""

import sys
import time
from types import SimpleNamespace
from typing import Any

from ext_authz import server
from serving import supervisor
from tests.ext_authz.worlds import NOW

if __name__ == "__main__":
    stopped: Any = SimpleNamespace(time=lambda: float(NOW), perf_counter=time.perf_counter, monotonic=time.monotonic)
    server.time = stopped
    sys.exit(supervisor.main(server.SERVICE))
