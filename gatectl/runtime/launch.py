"""Becomes another program, one that dies with its parent: ``launch.py <parent's pid> <program> <argument>…``.

The kernel kills a process whose PR_SET_PDEATHSIG is set as soon as its parent ends, SIGKILL included, which no
supervisor can do for its children once it is dead itself. It has to be set between fork and exec. In the supervisor
that would be Python code in a forked child (``preexec_fn``), which may deadlock; so a process of its own sets it and
then execs, in about 10 ms, and nothing of it remains.

Runs by itself (``python -I -S``): it imports nothing of ours.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2)."""


def main() -> int:
    """Exec. Returns only when the parent is dead already or the program cannot be run."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it died before we could ask
        return 1
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python; what is ignored stays so across exec
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execv(program, sys.argv[2:])  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.stderr.write(f"cannot run {program}: {error.strerror}\n")  # goes to the process's log
        return 127


if __name__ == "__main__":
    sys.exit(main())
