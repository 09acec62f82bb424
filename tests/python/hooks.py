"""Hooks of the native module that only builds for tests have: the cargo feature ``testing``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keywright import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keywright import Keywright

hash_case: Callable[[str, Mapping[str, Any]], dict[str, Any]] = vars(_native)["_hash_case"]
"""Computes one case of the hash vectors."""

serve: Callable[[Keywright, str], None] = vars(_native)["_serve"]
"""Serves an engine at a Unix socket until it is closed."""

plant: Callable[[Keywright, Mapping[str, Any]], None] = vars(_native)["_plant"]
"""Writes a row into the database in the form of an earlier release."""
