"""``manage.py keywright_rotate``: gives a key a new secret, and shows its text this once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from keywright.django.command import ACTOR, KeysCommand

__all__ = ["Command"]


class Command(KeysCommand):
    """Rotates a key."""

    help = "Gives an API key a new secret, and shows its text this once; the former one works for the grace."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares what it takes."""
        super().add_arguments(parser)
        parser.add_argument("id", help="its id")
        parser.add_argument("--grace", default="24h", help="how long the former secret works: like 30m, 24h, 7d, or 0")
        parser.add_argument("--reason", help="kept in the audit; compromised ends the former secret at once")

    def act(self, keys: Any, options: dict[str, Any]) -> None:
        """Does it."""
        self.show_once(keys.rotate(options["id"], grace=options["grace"], reason=options["reason"], actor=ACTOR))
