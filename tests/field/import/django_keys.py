"""Issues keys with djangorestframework-api-key, and exports its table in several ways: `django_keys.py FOLDER`."""

import csv
import json
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

folder = Path(sys.argv[1])
database = folder / "django.db"
HASHERS = {
    "pbkdf2_sha256": "PBKDF2PasswordHasher",
    "argon2": "Argon2PasswordHasher",
    "bcrypt_sha256": "BCryptSHA256PasswordHasher",
    "scrypt": "ScryptPasswordHasher",
}
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(database)}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "rest_framework_api_key"],
    PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}" for name in HASHERS.values()],
    USE_TZ=True,
)
django.setup()
call_command("migrate", verbosity=0)

from django.contrib.auth.hashers import make_password  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework_api_key.models import APIKey  # noqa: E402

texts = []


def issue(name: str, code: str = "allowed", **fields: object) -> None:
    key, text = APIKey.objects.create_key(name=name, **fields)
    texts.append({"text": text, "code": code, "scopes": ["deals:read"]})
    return key


for number in range(20):
    issue(f"key {number}")
issue("for a year", expiry_date=timezone.now() + timedelta(days=365))
issue("expired", "expired", expiry_date=timezone.now() - timedelta(days=1))
issue("revoked", "revoked", revoked=True)
# Releases before 3.0 hashed with the first of Django's password hashers, whichever that was.
for hasher in HASHERS:
    key = issue(f"hashed by {hasher}")
    key.hashed_key = make_password(texts[-1]["text"], hasher=hasher)
    key.save()

files = [folder / f"django-{name}" for name in ("dumpdata.json", "dumpdata.jsonl", "table.csv", "table.json")]
call_command("dumpdata", "rest_framework_api_key.apikey", indent=2, output=str(files[0]))
call_command("dumpdata", "rest_framework_api_key.apikey", format="jsonl", output=str(files[1]))
rows = sqlite3.connect(database)
rows.row_factory = sqlite3.Row
table = [dict(row) for row in rows.execute("SELECT * FROM rest_framework_api_key_apikey")]
with files[2].open("w", newline="") as file:
    writer = csv.DictWriter(file, list(table[0]))
    writer.writeheader()
    writer.writerows(table)
# As `sqlite3 -json` writes it.
files[3].write_text("[" + ",\n".join(json.dumps(row) for row in table) + "]\n")
for file in files:
    Path(f"{file}.texts").write_text("".join(json.dumps(text) + "\n" for text in texts))
