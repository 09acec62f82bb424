"""Writes the counters and delivers the events of open engines when a child of ``multiprocessing`` exits.

The native module imports this before it opens the first engine: ``multiprocessing`` takes longer to import than the package.
"""

from __future__ import annotations

from multiprocessing.util import Finalize, register_after_fork

from keywright._native import _flush_open

__all__ = ["watch"]


class _Process:
    """An object that ``multiprocessing`` keeps for its hook."""


_HERE = _Process()


def watch() -> None:
    """Registers hooks for the exit of this process, if it is such a child, and of the children that it forks."""
    # Such a child exits without atexit, and drops the hooks of its parent.
    register_after_fork(_HERE, _watch_child)
    _watch_child(_HERE)


def _watch_child(_process: _Process) -> None:
    Finalize(None, _flush_open, exitpriority=0)
