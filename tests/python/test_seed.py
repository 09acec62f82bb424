"""The snippets of LendIQ's documentation, as typed there, on an engine in place of the remote client."""

from __future__ import annotations

from pathlib import Path

import pytest

from hooks import plant
from keywright import Keywright
from seed import CREATE, LIST, REVOKE

ROW = {
    "key_id": "456",
    "org": "default",
    "environment": "live",
    "lookup": "9mG719N4YNpb",
    "prefix": "liq_live_9mG719N4YNpb",
    "format": "liq_{env}_{lookup:12}_{secret:32}{checksum:6}",
    "verifier": "$hmac-sha256$v=1,p=0777ba43076281f0$nX79s8DRHXZVo4UuBgJr0elwx7Hnx2kShu6qJcxkWSY",
    "filter": None,
    "scopes": ["deals:read"],
}


def test_create_list_and_revoke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pepper = "pepper for vectors, thirty-two bytes or more"
    with Keywright(f"sqlite:{tmp_path / 'keys.db'}", brand="liq", id_style="integer", pepper=pepper) as client:
        plant(client, ROW)
        exec(CREATE, {"client": client})
        api_key, id, expires_at = capsys.readouterr().out.splitlines()
        decision = client.verify(api_key, scopes=["deals:read", "documents:write"])
        assert decision.key is not None
        assert (api_key[:9], str(decision.key.id), str(decision.key.expires_at)) == ("liq_live_", id, expires_at)
        exec(LIST + REVOKE, {"client": client})
        listed = capsys.readouterr().out.splitlines()
        used = client.keys.get(decision.key.id).last_used_at
        assert used is not None
        assert sorted(listed) == sorted(
            [f"{id} Production Integration {decision.key.prefix} {used}", "456 planted liq_live_9mG719N4YNpb None"]
        )
        assert client.keys.get(456).status == client.keys.get("456").status == "revoked"
