"""Prints the OpenAPI document of management as JSON: in the default spelling, or as `camel` has it."""

import json
import sys
import tempfile
from typing import Any

from keywright import Keywright

SPELLINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "camel": {"casing": "camel", "secret_field": "key", "nulls": "absent", "list": "bare", "errors": "list"},
}

with tempfile.TemporaryDirectory() as folder:
    kw = Keywright(f"sqlite:{folder}/keys.db", brand="acme", pepper="a pepper for tests, thirty-two bytes or more")
    document = kw.http(self_service=["show", "rotate", "revoke", "attest"], **SPELLINGS[sys.argv[1]]).openapi()
    kw.close()
print(json.dumps(document, indent=2))
