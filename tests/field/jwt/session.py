"""Checks that an engine accepts the good tokens of sign.py or sign.mjs, read from standard input, and refuses the bad ones."""

from __future__ import annotations

import json
import sys
import tempfile

from keywright import Keywright
from keywright.http import AuthContext

made = json.load(sys.stdin)
session = {"jwks": json.dumps(made["jwks"]), "algorithms": ["RS256", "ES256", "Ed25519"]}
with tempfile.TemporaryDirectory() as folder, Keywright(f"sqlite:{folder}/keys.db", brand="acme", pepper="p" * 32) as kw:
    http = kw.http(session=session, routes=[{"path": "/", "access": "session"}])
    for kind, wanted in (("good", "acme"), ("bad", 401)):
        assert made[kind]
        for token in made[kind]:
            answer = http.authenticate("GET", b"/", [(b"authorization", b"Bearer " + token.encode())])
            got = answer.org if isinstance(answer, AuthContext) else answer.status
            assert got == wanted, (kind, got, token)
