"""Webhooks on PostgreSQL: several processes share one outbox, with the rights that the guide grants."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from database import PEPPER
from receiver import SECRET, receiving
from test_roles import application
from traps import traps
from waiting import until

if TYPE_CHECKING:
    from database import Database

__all__ = ["application"]

WORKER = """
import sys
from keywright import Keywright

url, database, pepper, secret = sys.argv[1:]
webhooks = [{"url": url, "secret": secret, "events": ["key.created"]}]
with Keywright(database, brand="liq", pepper=pepper, busy_timeout="5m", webhooks=webhooks) as kw:
    for number in range(10):
        kw.keys.create(name=f"key {number}")
    print("made", flush=True)
    sys.stdin.read()
"""


def pending(database: Database) -> int:
    return int(database.sql("select count(*) from webhook_outbox where dead_at is null"))


def test_four_processes_share_one_outbox_and_a_killed_one_loses_nothing(database: Database) -> None:
    database.open().close()
    with receiving() as receiver:
        command = [sys.executable, "-c", WORKER, receiver.url, database.url(), PEPPER, SECRET]
        workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        for worker in workers:
            assert worker.stdout and worker.stdout.readline() == "made\n"
        os.kill(workers[0].pid, signal.SIGKILL)
        until("all events arrive", lambda: len(receiver.ids()) == 40)
        until("all is noted", lambda: pending(database) == 0)
        for worker in workers:
            worker.communicate()


def test_the_role_of_an_application_queues_and_delivers(database: Database, application: str) -> None:
    with receiving() as receiver:
        webhooks = [{"url": receiver.url, "secret": SECRET}]
        with database.open(database.url(role=application), webhooks=webhooks) as kw:
            new = kw.keys.create(name="CI")
            kw.keys.revoke(new.id)
            until("all events arrive", lambda: receiver.types() == ["key.created", "key.revoked", "org.created"])
            until("all is noted", lambda: pending(database) == 0)


def test_no_statement_of_webhooks_calls_a_function_of_public(apart: Database) -> None:
    apart.sql(traps())
    answers = iter([500, 410])
    with receiving(lambda _: next(answers, 200)) as receiver:
        webhooks = [{"url": receiver.url, "secret": SECRET, "events": ["key.created"]}]
        with apart.open(webhooks=webhooks) as kw:
            kw.keys.create(name="fails once, and then the receiver is gone")
            until("the endpoint is disabled", lambda: apart.sql("select 1 from webhook_endpoints where disabled_at is not null"))
        apart.sql("update webhook_endpoints set disabled_at = null; update webhook_outbox set dead_at = null, next_at = to_timestamp(0)")
        with apart.open(webhooks=webhooks):
            until("all is noted", lambda: pending(apart) == 0)
    assert len(receiver.ids()) == 1
