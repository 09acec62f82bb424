"""Base class of the commands of ``manage.py``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keywright.django.site import engine
from keywright.errors import KeywrightError

__all__ = ["ACTOR", "KeysCommand"]

ACTOR = "manage.py"
"""The actor in the audit."""


class KeysCommand(BaseCommand):
    """A command on the keys of one org."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Adds the arguments that all commands take."""
        parser.add_argument("--org", default="default", help="the tenant that owns the key; default when left out")

    def handle(self, **options: Any) -> None:
        """Runs the command. An error of Keywright ends it with its message."""
        try:
            self.act(engine().org(options["org"]).keys, options)
        except KeywrightError as error:
            raise CommandError(str(error)) from error

    def act(self, keys: Any, options: dict[str, Any]) -> None:
        """Does the work of the command."""
        raise NotImplementedError

    def show_once(self, new: Any) -> None:
        """Prints a new key, with the only copy of its text."""
        self.stdout.write(f"{new.id}\t{new.prefix}\t{new.name}")
        self.stdout.write(new.api_key)
        self.stderr.write("This is the only time that the key is shown.")
