"""``manage.py keywright_create``: makes a key, and shows its text this once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from keywright.django.command import ACTOR, KeysCommand

__all__ = ["Command"]


class Command(KeysCommand):
    """Makes a key."""

    help = "Makes an API key, and shows its text this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares what it takes."""
        super().add_arguments(parser)
        parser.add_argument("name", help="what the key is called, 1 to 200 characters")
        parser.add_argument("--scopes", help="like deals:read,deals:write")
        parser.add_argument("--environment", help="one of those configured")
        parser.add_argument("--level", choices=["read", "read_write", "full"], help="which HTTP methods it may use")
        parser.add_argument("--tier", help="a named set of limits")
        parser.add_argument("--expires-in-days", type=int, help="after how many days it ends; never when left out")

    def act(self, keys: Any, options: dict[str, Any]) -> None:
        """Does it."""
        fields = ("name", "scopes", "environment", "level", "tier", "expires_in_days")
        self.show_once(keys.create(**{it: options[it] for it in fields if options[it] is not None}, created_by=ACTOR))
