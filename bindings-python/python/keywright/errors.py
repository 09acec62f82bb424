"""The exceptions of Keywright. Every class has a stable ``code``. The message names the field, the reason and the fix."""

from __future__ import annotations

# As in the package, which imports this module at once.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from keywright._native import Decision

__all__ = [
    "Closed",
    "Conflict",
    "Denied",
    "Forbidden",
    "IdempotencyMismatch",
    "InProgress",
    "InvalidRequest",
    "KeywrightError",
    "NotFound",
    "Unavailable",
    "ValidationFailed",
]


class KeywrightError(Exception):
    """Base class of all exceptions of Keywright."""

    code: str = "error"
    """The stable code, the same in Rust, Python and Node."""

    status: int = 500
    """The HTTP status that goes with the code."""

    field: str | None
    """The argument or option at fault, if there is one."""

    def __init__(self, message: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidRequest(KeywrightError, TypeError):
    """A wrong type, an unknown option, a missing argument, or two options that exclude each other.

    An unknown keyword of ``verify`` or ``authenticate`` raises Python's own ``TypeError``, the base of this class.
    """

    code = "invalid_request"
    status = 400


class ValidationFailed(KeywrightError, ValueError):
    """The right type with a value that is not allowed."""

    code = "validation_failed"
    status = 400


class Forbidden(KeywrightError):
    """The caller lacks the permission for this call or object."""

    code = "forbidden"
    status = 403


class NotFound(KeywrightError, LookupError):
    """No such object in this org."""

    code = "not_found"
    status = 404


class Conflict(KeywrightError):
    """The state of the key or org does not allow the change."""

    code = "conflict"
    status = 409


class InProgress(KeywrightError):
    """The same request is still running."""

    code = "in_progress"
    status = 409


class IdempotencyMismatch(KeywrightError):
    """The idempotency key was used before with another request."""

    code = "idempotency_mismatch"
    status = 422


class Unavailable(KeywrightError):
    """The store could not answer. Nothing was changed."""

    code = "unavailable"
    status = 503


class Closed(KeywrightError):
    """The engine was used after ``close``."""

    code = "closed"
    status = 503


class Denied(KeywrightError):
    """``authenticate`` denied the key. ``code`` and ``status`` are those of the decision."""

    code: str
    status: int
    decision: Decision

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.decision = decision
        self.status = decision.status
        if decision.code is not None:
            self.code = decision.code

    def __reduce__(self) -> tuple[type[Denied], tuple[str, Decision]]:
        return type(self), (str(self), self.decision)


BY_CODE: Final = {cls.code: cls for cls in KeywrightError.__subclasses__() if "code" in vars(cls)}
"""The class of each code; a denial of any code is :class:`Denied`."""
