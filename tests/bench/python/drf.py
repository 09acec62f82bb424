"""djangorestframework-api-key on SQLite, in WAL mode and FULL-sync like ours, or on PostgreSQL."""

import hashlib
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import django
from django.conf import settings

SAMPLE = 20_000
COLUMNS = "id, prefix, hashed_key, created, name, revoked, expiry_date"


def sqlite(file: Path) -> dict[str, Any]:
    options = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", "transaction_mode": "IMMEDIATE"}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file), "OPTIONS": options}


def postgres(database: str) -> dict[str, Any]:
    """The server is that of the environment. Connections stay open, as in production."""
    return {"ENGINE": "django.db.backends.postgresql", "NAME": database, "CONN_MAX_AGE": None}


def text(index: int) -> str:
    return f"{index:08x}.{'x' * 24}{index:08d}"


class Peer:
    """The keys of one database, which gets `count` more of them."""

    def __init__(self, database: dict[str, Any], count: int = 0) -> None:
        if not settings.configured:
            settings.configure(
                INSTALLED_APPS=["rest_framework", "rest_framework_api_key"],
                DATABASES={"default": dict(database)},
                USE_TZ=True,
            )
            django.setup()
        from django.core.management import call_command
        from django.db import connection, transaction
        from rest_framework_api_key.models import APIKey

        connection.close()
        connection.settings_dict.update(database)
        call_command("migrate", verbosity=0)
        self.connection = connection
        self.keys: Any = APIKey.objects
        self.texts = [text(index) for index in range(0, count, max(1, count // SAMPLE))]
        with transaction.atomic(), connection.cursor() as cursor:
            (self._fill_postgres if connection.vendor == "postgresql" else self._fill_sqlite)(cursor, APIKey._meta.db_table, count)

    def _fill_sqlite(self, cursor: Any, table: str, count: int) -> None:
        now = datetime.now(timezone.utc)

        def rows() -> Any:
            for index in range(count):
                prefix = f"{index:08x}"
                hashed = f"sha512$${hashlib.sha512(text(index).encode()).hexdigest()}"
                yield (f"{prefix}.{hashed}", prefix, hashed, now, "bench", False, None)

        cursor.executemany(f"INSERT INTO {table} ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s)", rows())

    def _fill_postgres(self, cursor: Any, table: str, count: int) -> None:
        cursor.execute(
            f"INSERT INTO {table} ({COLUMNS}) "
            "SELECT prefix || '.' || hashed, prefix, hashed, now(), 'bench', false, NULL FROM generate_series(0, %s - 1) AS n, "
            "LATERAL (SELECT lpad(to_hex(n), 8, '0') AS prefix) AS p, "
            "LATERAL (SELECT 'sha512$$' || encode(sha512((prefix || '.' || repeat('x', 24) || lpad(n::text, 8, '0'))::bytea), 'hex') "
            "AS hashed) AS h",
            [count],
        )
        cursor.execute(f"ANALYZE {table}")

    def verify(self, text: str) -> bool:
        return bool(self.keys.is_valid(text))

    def refuse(self, text: str) -> bool:
        return not self.keys.is_valid(text)

    def create(self, name: str) -> str:
        return str(self.keys.create_key(name=name)[1])

    def list(self, limit: int) -> list[Any]:
        return [(key.id, key.name, key.prefix, key.created, key.expiry_date) for key in self.keys.all()[:limit]]
