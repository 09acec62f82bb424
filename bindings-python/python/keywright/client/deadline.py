"""The deadline of an attempt that waits for a socket many times."""

from __future__ import annotations

import math
import time

__all__ = ["TimeLeft"]


class TimeLeft:
    """The whole seconds until a deadline, rounded up, as the limit of each wait of a socket.

    So an answer that comes in many parts gets no more time than one that comes at once.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def __index__(self) -> int:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return math.ceil(left)

    def __float__(self) -> float:
        return float(self.__index__())
