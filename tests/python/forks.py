"""Children of a test by ``os.fork``."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable


def forked(work: Callable[[], Any]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid


def ended(pid: int) -> int:
    """The exit status of a child, killed when it hangs."""
    done, status = 0, 0

    def has_ended() -> bool:
        nonlocal done, status
        done, status = os.waitpid(pid, os.WNOHANG)
        return done == pid

    try:
        until("the child ends", has_ended)
    finally:
        if not done:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)
