"""Webhooks, verified by the library of Standard Webhooks: the vectors, the engine in threads and processes, and the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from keywright import AsyncKeywright, Event, Keywright, ValidationFailed
from keywright.testing import ManualClock
from program import PROGRAM, Served, environment
from provider import certificates
from receiver import SECRET, receiving
from vectors import load
from waiting import PATIENCE, until

PEPPER = "a pepper for tests, thirty-two bytes"
FILE = load("webhook.json")


def opened(folder: Path, *webhooks: dict[str, Any], **options: Any) -> Keywright:
    return Keywright(f"sqlite:{folder}/keys.db", brand="liq", pepper=PEPPER, webhooks=webhooks, **options)


def test_every_case_is_counted() -> None:
    cases = FILE["tests"]
    assert FILE["count"] == len(cases) == len({case["id"] for case in cases}) == load("manifest.json")["webhook.json"]
    print(f"vectors python: webhook {len(cases)}")


@pytest.mark.parametrize("case", [it for it in FILE["tests"] if it["op"] == "sign"], ids=lambda it: it["id"])
def test_the_library_signs_the_same(case: dict[str, Any]) -> None:
    at = datetime.fromtimestamp(case["input"]["timestamp"], tz=timezone.utc)
    signed = [Webhook(secret).sign(case["input"]["message"], at, case["input"]["body"]) for secret in case["input"]["secrets"]]
    assert " ".join(signed) == case["expect"]["signature"]


@pytest.mark.parametrize("case", [it for it in FILE["tests"] if it["op"] == "secret"], ids=lambda it: it["id"])
def test_a_wrong_secret_is_refused(tmp_path: Path, case: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        opened(tmp_path, {"url": "https://hooks.example", "secret": case["input"]["secret"]})
    assert (refused.value.field, refused.value.code) == (case["expect"]["field"], case["expect"]["code"])


def test_every_event_has_its_call(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=timezone.utc))
    with receiving(verify=False) as receiver:
        endpoint = {"url": receiver.url, "secret": SECRET}
        kw = opened(tmp_path, endpoint, clock=clock, quotas={"credits": {"amount": 1}})
        new = kw.keys.create(name="CI")
        kw.keys.update(new.id, name="renamed")
        kw.keys.rotate(new.id)
        kw.keys.end_grace(new.id)
        kw.keys.credit(new.id, 5)
        kw.keys.disable(new.id)
        kw.keys.enable(new.id)
        kw.keys.revoke(new.id)
        # An engine that runs registers its endpoints each hour.
        kw.close()
        clock.advance(31 * 86_400_000)
        kw = opened(tmp_path, endpoint, clock=clock)
        kw.keys.purge(new.id)
        kw.keys.create(name="another")
        kw.orgs.update("default", networks=["10.0.0.0/8"])
        kw.orgs.disable("default")
        kw.orgs.enable("default")
        kw.orgs.revoke_keys("default")
        until("all events arrive", lambda: len(receiver.messages) == 15)
        kw.close()
    for case in [it for it in FILE["tests"] if it["op"] == "event"]:
        event = next(event for _, event in receiver.messages if event["type"] == case["expect"]["type"])
        assert list(event["data"]) == case["expect"]["data"]


def test_a_message_is_the_record_with_org_and_actor_and_no_secret(tmp_path: Path) -> None:
    with receiving() as receiver, opened(tmp_path, {"url": receiver.url, "secret": [SECRET], "events": ["key.created"]}) as kw:
        new = kw.org("acme").keys.create(name="CI", metadata={"plan": "basic"}, created_by="alice")
        until("the event arrives", lambda: receiver.messages)
    [(_, event)] = receiver.messages
    data = event["data"]
    assert (data["id"], data["org"], data["actor"], data["record"]["metadata"]) == (new.id, "acme", "alice", {"plan": "basic"})
    assert new.api_key not in str(event)


def test_during_a_rotation_old_and_new_receivers_verify(tmp_path: Path) -> None:
    other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    with receiving() as old, receiving(secret=other) as new:
        webhooks = [{"url": receiver.url, "secret": [other, SECRET]} for receiver in (old, new)]
        with opened(tmp_path, *webhooks) as kw:
            kw.keys.create(name="CI")
            until("both hear of it", lambda: len(old.messages) == len(new.messages) == 2)


def test_asyncio_sends_and_fails_again_and_again(tmp_path: Path) -> None:
    with receiving(lambda number: 204 if number > 2 else 503) as receiver:

        async def work() -> None:
            webhooks = [{"url": receiver.url, "secret": SECRET, "events": ["key.revoked"]}]
            async with AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER, webhooks=webhooks) as kw:
                new = await kw.keys.create(name="CI")
                await kw.keys.revoke(new.id)
                # The second attempt comes after five seconds.
                await asyncio.to_thread(until, "the event arrives twice", lambda: len(receiver.messages) == 2)

        asyncio.run(work())
    assert len(receiver.ids()) == 1


def test_an_https_receiver_needs_a_certificate_of_a_known_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stranger, _), (authority, server) = certificates(tmp_path), certificates(tmp_path)
    path = "/services/T01AB/hunter2?token=hunter2"

    (tmp_path / "pepper").write_text(PEPPER)
    (tmp_path / "pepper").chmod(0o600)
    command = [PROGRAM, "webhooks", "list", "--json", "--url", "sqlite:keys.db", "--brand", "liq", "--pepper-file", "pepper"]

    def failures() -> dict[str, str]:
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True, timeout=PATIENCE)
        endpoints = [json.loads(line) for line in done.stdout.splitlines()]
        return {it["url"]: it["failure"] for it in endpoints if it["failure"] is not None}

    with receiving(certificate=server) as receiver:
        # The certificate is for the address alone.
        other = receiver.url.replace("127.0.0.1", "localhost")
        webhooks = [{"url": url + path, "secret": SECRET, "events": ["key.created"]} for url in (receiver.url, other)]
        monkeypatch.setenv("SSL_CERT_FILE", str(stranger))
        with opened(tmp_path, *webhooks) as kw:
            kw.keys.create(name="CI")
            until("both are refused", lambda: len(failures()) == 2)
        assert all("no authority that this system trusts" in it for it in failures().values())
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        with opened(tmp_path, *webhooks):
            # The second attempt comes after five seconds.
            until("the message arrives", lambda: receiver.messages)
            until("the other is refused for its name", lambda: any("for another name" in it for it in failures().values()))
            until("the end is noted", lambda: len(failures()) == 1)
    [(shown, failure)] = failures().items()
    assert shown == f"{other}/services/…/…?…" and len(receiver.messages) == 1
    assert "hunter2" not in failure and SECRET not in failure


def test_a_receiver_that_is_gone_is_told(tmp_path: Path) -> None:
    heard: list[Event] = []
    with receiving(lambda _: 410) as receiver, opened(tmp_path, {"url": receiver.url, "secret": SECRET}, on_event=heard.append) as kw:
        kw.keys.create(name="CI")
        until("it is told", lambda: any(it.kind == "webhook_disabled" for it in heard))
    told = next(it for it in heard if it.kind == "webhook_disabled")
    assert told.reason is not None and "410 Gone" in told.reason and "/hooks" not in told.reason


WORKER = """
import sys, time
from keywright import Keywright
url, database, number, pepper, secret = sys.argv[1:]
kw = Keywright(database, brand="liq", pepper=pepper, webhooks=[{"url": url, "secret": secret, "events": ["key.created"]}])
for it in range(int(number)):
    kw.keys.create(name=f"key {it}")
print("made", flush=True)
sys.stdin.read()
kw.close()
"""


def test_four_processes_share_one_outbox_and_a_killed_one_loses_nothing(tmp_path: Path) -> None:
    database = f"sqlite:{tmp_path}/keys.db"
    Keywright(database, brand="liq", pepper=PEPPER).close()
    with receiving() as receiver:
        command = [sys.executable, "-c", WORKER, receiver.url, database, "10", PEPPER, SECRET]
        workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        for worker in workers:
            assert worker.stdout and worker.stdout.readline() == "made\n"
        os.kill(workers[0].pid, signal.SIGKILL)
        until("all events arrive", lambda: len(receiver.ids()) == 40)
        for worker in workers:
            worker.communicate(timeout=PATIENCE)


def test_a_forked_child_sends(tmp_path: Path) -> None:
    with receiving() as receiver:
        kw = opened(tmp_path, {"url": receiver.url, "secret": SECRET, "events": ["key.created"]})
        kw.keys.create(name="of the parent")
        until("the parent sends", lambda: len(receiver.messages) == 1)
        child = os.fork()
        if child == 0:
            try:
                kw.keys.create(name="of the child")
                kw.close()
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        until("the event of the child arrives", lambda: len(receiver.ids()) == 2)
        kw.close()


@pytest.mark.parametrize("place", ["secret", "secret_file"])
def test_the_server_sends_and_counts(tmp_path: Path, place: str) -> None:
    (tmp_path / "webhook.secret").write_text(SECRET + "\n")
    (tmp_path / "webhook.secret").chmod(0o600)
    value = SECRET if place == "secret" else "webhook.secret"
    with receiving(lambda number: 200 if number < 3 else 500) as receiver:
        served = Served(tmp_path, server="", http="")
        text = (tmp_path / "keywright.toml").read_text()
        (tmp_path / "keywright.toml").write_text(
            f'{text}\n[[webhooks]]\nurl = "{receiver.url}"\n{place} = "{value}"\nevents = ["key.created"]\n'
        )
        # A command queues, and sends nothing.
        served.create()
        assert '"pending":1' in served.run("webhooks", "list", "--json").replace(" ", "")
        assert SECRET not in served.attempt("doctor").stdout
        served.start()
        until("the server sends", lambda: len(receiver.messages) == 1)
        served.create()
        until("the server sends what another program does", lambda: len(receiver.messages) == 2)
        served.create()
        until("the server tries a third", lambda: len(receiver.messages) == 3)

        def metrics() -> str:
            with urllib.request.urlopen(f"{served.admin}/metrics", timeout=PATIENCE) as answer:
                return str(answer.read().decode())

        until("the failure is counted", lambda: "\nkeywright_webhooks_failed_total 1\n" in metrics())
        assert "\nkeywright_webhooks_delivered_total 2\n" in metrics()
        assert "\nkeywright_webhooks_pending 1\n" in metrics()
        assert served.stop()[0] == 0
    assert len(receiver.ids()) == 3
