"""What was counted is written down, and what is left is told, when Python ends, whoever forgot to close an engine."""

from __future__ import annotations

import atexit
from multiprocessing.util import Finalize, register_after_fork

from keywright._native import _flush_open

__all__ = ["watch"]


class _Process:
    """What ``multiprocessing`` remembers us by."""


_HERE = _Process()


def watch() -> None:
    """Asks to be called at the end of this process and of those that are forked from it."""
    atexit.register(_flush_open)
    # A child of multiprocessing ends without atexit, and drops what its parent asked to be called.
    register_after_fork(_HERE, _watch_child)
    _watch_child(_HERE)


def _watch_child(_process: _Process) -> None:
    Finalize(None, _flush_open, exitpriority=0)
