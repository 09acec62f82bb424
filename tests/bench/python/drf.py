"""djangorestframework-api-key on a SQLite file, in WAL mode and FULL-sync like ours."""

import hashlib
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import django
from django.conf import settings

SAMPLE = 20_000


class Peer:
    """The keys of one file, which gets `count` more of them."""

    def __init__(self, file: Path, count: int = 0) -> None:
        if not settings.configured:
            settings.configure(
                INSTALLED_APPS=["rest_framework", "rest_framework_api_key"],
                DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}},
                USE_TZ=True,
            )
            django.setup()
        from django.core.management import call_command
        from django.db import connection, transaction
        from rest_framework_api_key.models import APIKey

        connection.close()
        connection.settings_dict["NAME"] = str(file)
        connection.settings_dict["OPTIONS"] = {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
            "transaction_mode": "IMMEDIATE",
        }
        call_command("migrate", verbosity=0)
        self.connection = connection
        self.keys: Any = APIKey.objects
        with transaction.atomic():
            self.texts = self._fill(APIKey._meta.db_table, count)

    def _fill(self, table: str, count: int) -> list[str]:
        every = max(1, count // SAMPLE)
        texts = []
        now = datetime.now(timezone.utc)

        def rows() -> Any:
            for index in range(count):
                prefix = f"{index:08x}"
                text = f"{prefix}.{'x' * 24}{index:08d}"
                hashed = f"sha512$${hashlib.sha512(text.encode()).hexdigest()}"
                if index % every == 0:
                    texts.append(text)
                yield (f"{prefix}.{hashed}", prefix, hashed, now, "bench", False, None)

        columns = "id, prefix, hashed_key, created, name, revoked, expiry_date"
        with self.connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s)", rows())
        return texts

    def verify(self, text: str) -> bool:
        return bool(self.keys.is_valid(text))

    def refuse(self, text: str) -> bool:
        return not self.keys.is_valid(text)

    def create(self, name: str) -> str:
        return str(self.keys.create_key(name=name)[1])

    def list(self, limit: int) -> list[Any]:
        return [(key.id, key.name, key.prefix, key.created, key.expiry_date) for key in self.keys.all()[:limit]]
