"""What the commands of ``manage.py`` share."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keywright.django.site import engine
from keywright.errors import KeywrightError

__all__ = ["ACTOR", "KeysCommand"]

ACTOR = "manage.py"
"""Who the audit says it was."""


class KeysCommand(BaseCommand):
    """A command on the keys of one org."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares what each of them takes."""
        parser.add_argument("--org", default="default", help="the tenant that owns the key; default when left out")

    def handle(self, **options: Any) -> None:
        """Runs the command; a refusal ends it with its reason."""
        try:
            self.act(engine().org(options["org"]).keys, options)
        except KeywrightError as error:
            raise CommandError(str(error)) from error

    def act(self, keys: Any, options: dict[str, Any]) -> None:
        """Does what the command is for."""
        raise NotImplementedError

    def show_once(self, new: Any) -> None:
        """Shows a new key, with the only copy of its text."""
        self.stdout.write(f"{new.id}\t{new.prefix}\t{new.name}")
        self.stdout.write(new.api_key)
        self.stderr.write("This is the only time that the key is shown.")
