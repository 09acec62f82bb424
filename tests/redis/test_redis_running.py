"""Servers that fail while an engine runs: `when_unreachable` decides, and the engine comes back by itself."""

from __future__ import annotations

import asyncio
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asking import agree, asking
from forks import ended, forked
from keywright import AsyncKeywright
from limited import ESCAPED, LIMITS, PASSWORD, PEPPER
from outage import POLICIES, Outage
from workers import SERVERS, run_workers

if TYPE_CHECKING:
    from limited import Limited

ROOT = Path(__file__).parents[2]
WIDE = {"all": {"rate": 60_000, "burst": 10_000}}


def test_a_killed_server_comes_back(limited: Limited) -> None:
    server = limited.server()
    engines = {it: limited.open(server["url"], limits) for it, limits in POLICIES.items()}
    outage = Outage(engines, [engines["local"].keys.create(name="CI").api_key for _ in range(3)])
    for _ in range(2):
        outage.is_over()
        limited.servers("stop", server["name"])
        outage.is_seen()
        limited.servers("start", server["name"])
    outage.is_over()


def test_refusals_of_many_processes_agree(limited: Limited, until: Any) -> None:
    server = limited.server()
    order = {"url": limited.url, "pepper": PEPPER, "limits": LIMITS, "limiter": server["url"], "key": limited.key}

    def comes_back() -> float:
        """When four of five requests are missing."""
        at, requests, rest, _ = map(int, limited.servers("command", server["name"], words=f"GET {limited.budget(server)}").split())
        return (at + rest) / 1e6 + (requests - 4) * 60

    with asking(order, 4) as processes:
        until(lambda: agree(processes, comes_back))


@pytest.mark.parametrize("server", SERVERS)
def test_workers_share_limits_in_redis(limited: Limited, server: str) -> None:
    run_workers(server, KEYWRIGHT_TEST_LIMITER=limited.server()["url"])


def test_a_hot_limit_takes_few_round_trips(limited: Limited) -> None:
    server = limited.server()
    kw = limited.open(server["url"], {"all": {"rate": 1_000_000_000}})

    def scripts() -> int:
        [told] = re.findall(r"cmdstat_evalsha:calls=(\d+)", limited.servers("command", server["name"], words="INFO commandstats"))
        return int(told)

    assert limited.shares(kw)
    before, begin = scripts(), time.monotonic()
    for _ in range(200_000):
        assert kw.verify(limited.key)
    # Purchases grow twofold until one lasts for 0.1 s.
    assert scripts() - before <= 30 + 30 * (time.monotonic() - begin)


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
    limited.servers("command", server["name"], words=f"SET {limited.budget(server)} nonsense")
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
    cluster = limited.servers("redis_cluster", version=limited.newest(), replicas=True)
    kw = limited.open(cluster["url"], {"all": {**WIDE["all"], "when_unreachable": "refuse"}})
    assert kw.verify(limited.key)
    limited.servers("fail_over", cluster["name"], key="{keywright}:")
    until(lambda: limited.shares(kw))
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
