"""Steps of the vectors over HTTP: from a client to a server of the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hooks import serve
from keywright import AsyncClient, Client
from vectors import FOLDER, Case, Mode, World

STEPS: Case = json.loads((FOLDER.parent / "http" / "scenarios.json").read_text("utf-8"))
"""The steps that HTTP cannot express, with their reasons, and the number of the others."""


NOBODY = "nobody"
"""The actor of calls that name none, because only a session with an actor may use idempotency keys."""


def without_nobody(record: Any) -> Any:
    """The record of a call that names no actor."""
    if isinstance(record, dict):
        named = ("actor", "created_by")
        return {name: None if name in named and it == NOBODY else without_nobody(it) for name, it in record.items()}
    return [without_nobody(it) for it in record] if isinstance(record, list) else record


class RemoteWorld(World):
    """A world whose engine is behind a server, which gets the steps that HTTP can express."""

    def __init__(self, mode: Mode, client: type[Client | AsyncClient], folder: Path, case: Case, direct: dict[str, str]) -> None:
        super().__init__(mode, case["config"], case["start"])
        self.kind, self.folder, self.direct = client, folder, direct
        self.place = ""
        self.clients: dict[str, Any] = {}
        self.number = self.sent = self.servers = 0
        self.serve()

    def serve(self) -> None:
        """Begins a server of the present engine. The one before ends with its own."""
        self.servers += 1
        self.place = str(self.folder / f"{self.servers}.sock")
        serve(self.kw, self.place)

    def step(self, step: Case) -> None:
        self.number += 1
        super().step(step)

    def _do(self, step: Case) -> Any:
        answer = super()._do(step)
        if step["do"] == "reopen":
            self.end_clients()
            self.serve()
        return answer

    def call(self, name: str, positional: list[Any], arguments: dict[str, Any], org: str | None = None) -> Any:
        if str(self.number) in self.direct:
            return super().call(name, positional, arguments, org)
        self.sent += 1
        session: dict[str, Any] = {"org": "default" if org in (None, "*") else org, "actor": NOBODY}
        session["every_org"] = org == "*" or name.startswith("orgs.")
        for field in ("actor", "created_by"):
            if field in arguments:
                session["actor"] = arguments.pop(field)
        handle = self.client(session)
        *path, method = name.split(".")
        if not path and org not in (None, "*"):
            handle = handle.org(org)
        for step in path:
            handle = getattr(handle, step)
        return without_nobody(self.plain(getattr(handle, method)(*positional, **arguments)))

    def client(self, session: dict[str, Any]) -> Any:
        """The client with this session."""
        token = json.dumps(session, separators=(",", ":"))
        if token not in self.clients:
            self.clients[token] = self.kind(f"unix:{self.place}", api_key=token, timeout="5m")
        return self.clients[token]

    def end_clients(self) -> None:
        for client in self.clients.values():
            self.mode.settled(client.close())
        self.clients.clear()

    def close(self) -> None:
        self.end_clients()
        super().close()
