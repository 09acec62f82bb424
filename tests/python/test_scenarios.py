"""The scenarios of ``tests/vectors`` through both clients and a server of the engine."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from keywright import AsyncClient, Client
from remote import STEPS, RemoteWorld
from vectors import Mode, load, only


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("name", STEPS["sent"])
def test_every_scenario_holds_through_a_client(name: str, client: type[Client | AsyncClient], tmp_path: Path) -> None:
    direct, sent = STEPS["direct"][name], 0
    cases = load(f"{name}.json")["tests"]
    assert direct.keys() <= {case["id"] for case in cases}
    with Mode("sync", tmp_path) as mode:
        for case in cases:
            only(case, "config", "start", "steps")
            # The path of a socket is short, and that of a test's own folder may be long.
            with TemporaryDirectory() as folder:
                world = RemoteWorld(mode, client, Path(folder), case, direct.get(case["id"], {}))
                try:
                    for step in case["steps"]:
                        world.step(step)
                except AssertionError as error:
                    raise AssertionError(f"{name}.json {case['id']}, step {world.number}: {error}") from error
                world.close()
                sent += world.sent
    assert sent == STEPS["sent"][name]


def test_each_step_that_is_not_sent_has_a_reason() -> None:
    given = {reason for cases in STEPS["direct"].values() for steps in cases.values() for reason in steps.values()}
    assert given == STEPS["reasons"].keys()
