"""Runs a program that dies with the process that started it, even when that one is killed with SIGKILL.

Run as a program, `die_with_parent.py PARENT PROGRAM ARGUMENT…`, PARENT being the process id of who starts it.
On Linux only; elsewhere the program outlives its parent.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(sys.argv[1]):
            sys.exit("the parent is gone already")
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - becoming the program is the purpose
