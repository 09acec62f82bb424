"""``manage.py keywright_revoke``: revokes a key, for ever."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from keywright.django.command import ACTOR, KeysCommand

__all__ = ["Command"]


class Command(KeysCommand):
    """Revokes a key."""

    help = "Revokes an API key with all its secrets, at once and for ever."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares what it takes."""
        super().add_arguments(parser)
        parser.add_argument("id", help="its id")
        parser.add_argument("--reason", help="kept in the audit")

    def act(self, keys: Any, options: dict[str, Any]) -> None:
        """Does it."""
        key = keys.revoke(options["id"], reason=options["reason"], actor=ACTOR)
        self.stdout.write(f"{key.id}\t{key.prefix}\t{key.status}")
