"""For the tests of applications: a clock that a test moves by hand.

Fixtures for pytest are in :mod:`keywright.testing.fixtures`.
"""

from keywright._native import ManualClock

__all__ = ["ManualClock"]
