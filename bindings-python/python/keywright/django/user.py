"""The user of a request with a key, for permissions, throttles and templates that read one."""

from __future__ import annotations

from collections.abc import Iterable

from keywright.http import AuthContext

__all__ = ["KeyUser"]


class KeyUser:
    """The caller of a request with a key or a session token: ``request.user``, beside ``request.auth``, an ``AuthContext``.

    It answers as a user of Django does, and has none of Django's permissions: what a key may do is in its scopes.
    """

    is_active = is_authenticated = True
    is_anonymous = is_staff = is_superuser = False

    def __init__(self, context: AuthContext) -> None:
        self.org: str | None = context.org
        self.pk: str | int | None = context.actor if context.key is None else context.key.id
        self.id: str | int | None = self.pk

    def __str__(self) -> str:
        return "" if self.pk is None else str(self.pk)

    @property
    def username(self) -> str:
        """The id of the key, or the actor of the session."""
        return str(self)

    def get_username(self) -> str:
        """The same as ``username``."""
        return str(self)

    def get_user_permissions(self, obj: object = None) -> set[str]:  # noqa: ARG002
        """None."""
        return set()

    def get_group_permissions(self, obj: object = None) -> set[str]:  # noqa: ARG002
        """None."""
        return set()

    def get_all_permissions(self, obj: object = None) -> set[str]:  # noqa: ARG002
        """None."""
        return set()

    def has_perm(self, perm: str, obj: object = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """True only without permissions."""
        return all(self.has_perm(it, obj) for it in perm_list)

    def has_module_perms(self, app_label: str) -> bool:  # noqa: ARG002
        """Never."""
        return False

    async def aget_user_permissions(self, obj: object = None) -> set[str]:
        """As ``get_user_permissions``."""
        return self.get_user_permissions(obj)

    async def aget_group_permissions(self, obj: object = None) -> set[str]:
        """As ``get_group_permissions``."""
        return self.get_group_permissions(obj)

    async def aget_all_permissions(self, obj: object = None) -> set[str]:
        """As ``get_all_permissions``."""
        return self.get_all_permissions(obj)

    async def ahas_perm(self, perm: str, obj: object = None) -> bool:
        """As ``has_perm``."""
        return self.has_perm(perm, obj)

    async def ahas_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """As ``has_perms``."""
        return self.has_perms(perm_list, obj)

    async def ahas_module_perms(self, app_label: str) -> bool:
        """As ``has_module_perms``."""
        return self.has_module_perms(app_label)
