"""Children of a test by ``os.fork`` and by multiprocessing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from keywright import Keywright


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


def keys_of_children(kw: Keywright, children: int, keys_each: int) -> list[str]:
    """The texts of the keys that forked children of multiprocessing create with the engine of their parent."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def create() -> None:
        queue.put([kw.keys.create(name="forked").api_key for _ in range(keys_each)])

    processes = [context.Process(target=create) for _ in range(children)]
    for process in processes:
        process.start()
    texts = [text for _ in processes for text in queue.get()]
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0
    return texts
