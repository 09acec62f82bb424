"""Comparison of records in tests."""

from typing import Any

from keywright import Key


def uncounted(key: Key) -> dict[str, Any]:
    """A key without its counters, which a decision has as they were when the key was last read."""
    plain = key.to_dict()
    for secret in plain["secrets"]:
        del secret["last_used_at"]
    return {name: it for name, it in plain.items() if name not in ("usage_count", "denied_count", "last_used_at")}
