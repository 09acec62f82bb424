"""Servers that fail while an engine runs: `when_unreachable` decides, and the engine comes back by itself."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from forks import ended, forked
from keywright import AsyncKeywright
from limited import ESCAPED, LIMITS, PASSWORD, PEPPER

if TYPE_CHECKING:
    from limited import Limited

ROOT = Path(__file__).parents[2]
WIDE = {"all": {"rate": 60_000, "burst": 10_000}}


def test_a_killed_server_comes_back(limited: Limited, until: Any) -> None:
    server = limited.server()
    policies = {it: {"all": {**WIDE["all"], "when_unreachable": it}} for it in ("local", "refuse", "allow")}
    engines = {it: limited.open(server["url"], limits) for it, limits in policies.items()}
    assert all(limited.shares(kw) for kw in engines.values())
    limited.servers("stop", server["name"])
    # Stock that was bought before lasts for a moment.
    until(lambda: engines["refuse"].verify(limited.key).code == "unavailable")
    until(lambda: not limited.shares(engines["local"]))
    until(lambda: not limited.shares(engines["allow"]))
    assert engines["local"].verify(limited.key) and engines["allow"].verify(limited.key)
    limited.servers("start", server["name"])
    for kw in engines.values():
        until(lambda kw=kw: limited.shares(kw))


def fails(server: dict[str, Any], how: str) -> tuple[str, str]:
    """The command that makes a server fail, and the one that mends it."""
    return {
        "no memory": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        "replica": (f"REPLICAOF 127.0.0.1 {server['port'] + 1}", "REPLICAOF NO ONE"),
        "no rights": ("ACL SETUSER default -evalsha -eval", "ACL SETUSER default +@all"),
    }[how]


@pytest.mark.parametrize("how", ["no memory", "replica", "no rights"])
def test_a_server_that_takes_no_purchases(limited: Limited, version: str, until: Any, how: str) -> None:
    server = limited.server(version=version)
    kw = limited.open(server["url"], {"all": {**WIDE["all"], "when_unreachable": "refuse"}})
    assert kw.verify(limited.key)
    breaks, mends = fails(server, how)
    limited.servers("command", server["name"], words=breaks)
    until(lambda: kw.verify(limited.key).code == "unavailable")
    limited.servers("command", server["name"], words=mends)
    until(lambda: kw.verify(limited.key).allowed)


def test_a_server_that_waits_for_its_replicas(limited: Limited, until: Any) -> None:
    server = limited.server()
    kw = limited.open(server["url"], {"all": {**WIDE["all"], "when_unreachable": "refuse"}})
    limited.servers("command", server["name"], words="CONFIG SET min-replicas-to-write 3")
    until(lambda: kw.verify(limited.key).code == "unavailable")


def test_scripts_are_sent_again(limited: Limited) -> None:
    server = limited.server()
    kw = limited.open(server["url"])
    for left in (4, 3, 2):
        limited.servers("command", server["name"], words="SCRIPT FLUSH")
        decision = kw.verify(limited.key)
        assert [(it.remaining, it.shared) for it in decision.limits] == [(left, True)]


def test_a_budget_that_is_full_leaves_nothing_behind(limited: Limited, until: Any) -> None:
    server = limited.server()
    kw = limited.open(server["url"], {"all": {"rate": 600, "burst": 2}})
    assert limited.shares(kw)
    until(lambda: limited.servers("command", server["name"], words="DBSIZE") == 0)


def test_a_foreign_value_under_a_key_is_no_verdict(limited: Limited) -> None:
    server = limited.server()
    kw = limited.open(server["url"], {"all": {"rate": 1, "burst": 5, "exact": True, "when_unreachable": "refuse"}})
    assert kw.verify(limited.key)
    [key] = [it for it in limited.servers("command", server["name"], words="KEYS *") if set(it.partition(":")[2]) != {"0"}]
    limited.servers("command", server["name"], words=f"SET {key} nonsense")
    assert kw.verify(limited.key).code == "unavailable"


def test_children_count_in_the_same_place(limited: Limited) -> None:
    server = limited.server()
    kw = limited.open(server["url"])
    assert kw.verify(limited.key)

    def child() -> None:
        assert kw.verify(limited.key)
        assert ended(forked(lambda: kw.verify(limited.key))) == 0

    pid = forked(child)
    assert ended(pid) == 0
    decisions = [kw.verify(limited.key) for _ in range(3)]
    assert [it.code for it in decisions] == [None, None, "rate_limited"]


def test_asyncio_goes_on_while_the_server_stands_still(limited: Limited) -> None:
    server = limited.server()

    async def main() -> None:
        options = {"brand": "liq", "pepper": PEPPER, "limits": WIDE, "limiter": f"{server['url']}?response_timeout=1s"}
        async with AsyncKeywright(limited.url, **options) as kw:
            await asyncio.to_thread(limited.servers, "stop", server["name"], how="pause")
            waiting = asyncio.create_task(kw.verify(limited.key))
            # If the call held up the loop, it would be over at the loop's first turn.
            await asyncio.sleep(0)
            assert not waiting.done()
            decision = await waiting
            assert decision.allowed and not decision.limits[0].shared

    asyncio.run(main())


def test_node_goes_on_while_the_server_stands_still(limited: Limited) -> None:
    server = limited.server()
    command = ["node", str(Path(__file__).with_name("loop.mjs")), limited.url, PEPPER, f"{server['url']}?response_timeout=1s", limited.key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT / "tests") as running:
        assert running.stdin is not None and running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        limited.servers("stop", server["name"], how="pause")
        running.stdin.write("go\n")
        running.stdin.close()
        assert running.stdout.read().split() == ["turned", "allowed", "alone"]
        assert running.wait() == 0


def test_python_lets_other_threads_run_while_the_server_stands_still(limited: Limited) -> None:
    server = limited.server()
    kw = limited.open(f"{server['url']}?response_timeout=1s", WIDE)
    limited.servers("stop", server["name"], how="pause")
    done = threading.Event()
    waiting = threading.Thread(target=lambda: (kw.verify(limited.key), done.set()))
    waiting.start()
    turns = 0
    while not done.is_set():
        turns += 1
    waiting.join()
    assert turns > 0


def test_a_failover_of_the_cluster(limited: Limited, until: Any) -> None:
    cluster = limited.servers("redis_cluster", version=limited.newest())
    kw = limited.open(cluster["url"], {"all": {**WIDE["all"], "when_unreachable": "refuse"}})
    assert kw.verify(limited.key)
    limited.servers("stop", cluster["name"])
    until(lambda: kw.verify(limited.key).code == "unavailable")


def test_a_server_asks_for_a_login_after_a_restart(limited: Limited, until: Any) -> None:
    server = limited.server()
    url = f"{server['url']}?password={ESCAPED}"
    limited.servers("command", server["name"], words=f"CONFIG SET requirepass {PASSWORD}")
    kw = limited.open(url, LIMITS)
    assert limited.shares(kw)
    # All connections end; the next one logs in again.
    limited.servers("command", server["name"], words="CLIENT KILL TYPE normal", password=PASSWORD)
    until(lambda: limited.shares(kw))
