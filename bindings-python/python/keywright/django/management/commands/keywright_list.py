"""``manage.py keywright_list``: lists keys."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from keywright.django.command import KeysCommand

__all__ = ["Command"]


class Command(KeysCommand):
    """Lists keys."""

    help = "Lists API keys, newest first: id, prefix, status, last use, name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares what it takes."""
        super().add_arguments(parser)
        parser.add_argument("--status", choices=["active", "disabled", "expired", "revoked", "all"], help="all but revoked when left out")

    def act(self, keys: Any, options: dict[str, Any]) -> None:
        """Does it."""
        asked = {} if options["status"] is None else {"status": options["status"]}
        for key in keys.list(**asked):
            used = key.last_used_at.isoformat(timespec="seconds") if key.last_used_at else "-"
            self.stdout.write("\t".join([str(key.id), key.prefix, key.status, used, key.name]))
