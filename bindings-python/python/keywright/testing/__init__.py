"""For tests: a clock moved by hand, and what the shared test vectors need.

Fixtures for pytest are in :mod:`keywright.testing.fixtures`.
"""

from keywright._native import ManualClock, hash_case, plant

__all__ = ["ManualClock", "hash_case", "plant"]
