"""The API-key engine that a SaaS back end embeds: issue, verify, scope, rotate and revoke."""

from __future__ import annotations

import atexit
from importlib import import_module

from keywright._native import (
    AgentUsage,
    Audit,
    AuditCheck,
    AuditEntry,
    AuditHead,
    Decision,
    Event,
    ImportedKey,
    ImportReport,
    Key,
    Keys,
    Keywright,
    Limit,
    LimitState,
    NewKey,
    Org,
    OrgRecord,
    Orgs,
    Page,
    Parsed,
    Quota,
    QuotaState,
    Secret,
    __version__,
    _flush_open,
)
from keywright.errors import (
    Closed,
    Conflict,
    Denied,
    Forbidden,
    IdempotencyMismatch,
    InProgress,
    InvalidRequest,
    KeywrightError,
    NotFound,
    Unavailable,
    ValidationFailed,
)

# Checkers of types take this name for true. The module `typing` takes longer to import than this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from keywright.aio import AsyncAudit, AsyncKeys, AsyncKeywright, AsyncOrg, AsyncOrgs, AsyncPage
    from keywright.client import AsyncClient, Client

__all__ = [
    "AgentUsage",
    "AsyncAudit",
    "AsyncClient",
    "AsyncKeys",
    "AsyncKeywright",
    "AsyncOrg",
    "AsyncOrgs",
    "AsyncPage",
    "Audit",
    "AuditCheck",
    "AuditEntry",
    "AuditHead",
    "Client",
    "Closed",
    "Conflict",
    "Decision",
    "Denied",
    "Event",
    "Forbidden",
    "IdempotencyMismatch",
    "ImportReport",
    "ImportedKey",
    "InProgress",
    "InvalidRequest",
    "Key",
    "Keys",
    "Keywright",
    "KeywrightError",
    "Limit",
    "LimitState",
    "NewKey",
    "NotFound",
    "Org",
    "OrgRecord",
    "Orgs",
    "Page",
    "Parsed",
    "Quota",
    "QuotaState",
    "Secret",
    "Unavailable",
    "ValidationFailed",
    "__version__",
]

# For engines that nobody closes.
atexit.register(_flush_open)


def __getattr__(name: str) -> Any:
    # The client, and asyncio with its engine, are imported on first use: most programs lack one of them, and they take longer to
    # import than all else.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "keywright.client" if name in ("AsyncClient", "Client") else "keywright.aio"
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
