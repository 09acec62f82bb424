"""The asyncio engine: the same methods, awaited, and a loop that never waits for a disk."""

from __future__ import annotations

import asyncio
import gc
import inspect
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio

import keywright
from keywright import (
    AsyncKeywright,
    AsyncPage,
    Closed,
    Denied,
    InvalidRequest,
    Keywright,
    KeywrightError,
    NotFound,
    Unavailable,
    ValidationFailed,
)
from keywright.http import AuthContext
from keywright.testing import ManualClock
from records import uncounted
from waiting import PATIENCE, until, until_async

PEPPER = "pepper for tests, thirty-two bytes or more"


def url(folder: Path) -> str:
    return f"sqlite:{folder / 'keys.db'}"


def test_options_are_checked_at_once_and_the_first_call_opens(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"did you mean brand\?"):
        AsyncKeywright(url(tmp_path), brnad="liq")  # type: ignore[call-arg]
    with pytest.raises(ValidationFailed):
        AsyncKeywright("mysql://localhost/keys", brand="liq")

    async def main() -> None:
        kw = AsyncKeywright(url(tmp_path), brand="liq", pepper=PEPPER)
        assert not (tmp_path / "keys.db").exists()
        assert (await kw.verify("x")).code == "invalid"
        assert (tmp_path / "keys.db").exists()
        assert await kw.open() is kw
        await kw.close()
        await kw.close()

    asyncio.run(main())


def test_texts_and_orgs_need_no_database(kw: Keywright, async_kw: AsyncKeywright, tmp_path: Path) -> None:
    new = kw.keys.create(name="CI")
    (tmp_path / "keywright.db").unlink()
    for _ in ("before the first call", "after the last"):
        parsed = async_kw.parse(new.api_key)
        assert parsed is not None
        assert parsed == kw.parse(new.api_key)
        assert async_kw.redact(f"({new.api_key})") == f"({new.prefix}_[redacted])"
        assert async_kw.key_pattern() == kw.key_pattern()
        asyncio.run(async_kw.close())
    assert not (tmp_path / "keywright.db").exists()
    for bad in ("", "a b", "\ud800", 7):
        with pytest.raises(KeywrightError) as caught:
            async_kw.org(bad)  # type: ignore[arg-type]
        assert caught.value.field == "org"


def test_the_main_job(async_kw: AsyncKeywright, clock: ManualClock) -> None:
    async def main() -> None:
        async with async_kw as kw:
            new = await kw.keys.create(name="CI", scopes="deals:read", expires_in_days=1)
            decision = await kw.verify(new.api_key, scopes="deals:read")
            assert decision
            assert decision.key is not None
            found = await kw.keys.get(new.id)
            assert (found.usage_count, uncounted(found)) == (1, uncounted(decision.key))
            assert (await kw.authenticate(new.api_key.encode())).id == new.id
            with pytest.raises(Denied) as caught:
                await kw.authenticate(new.api_key, scopes="deals:write")
            assert caught.value.code == "insufficient_scope"
            with pytest.raises(ValidationFailed):
                await kw.verify(new.api_key, scopes="")
            with pytest.raises(NotFound):
                await kw.org("acme").keys.get(new.id)
            assert (await kw.org("acme").verify(new.api_key)).code == "invalid"
            assert await kw.every_org().verify(new.api_key)
            rotated = await kw.keys.rotate(new.id)
            assert (await kw.verify(new.api_key)).deprecated
            await kw.keys.end_grace(new.id)
            assert (await kw.verify(new.api_key)).code == "revoked"
            clock.advance(86_400_000)
            assert (await kw.verify(rotated.api_key)).code == "expired"
            assert (await kw.keys.revoke(new.id)).status == "revoked"
            assert (await kw.audit.verify()).ok
            assert await kw.orgs.revoke_keys("default") == 0
        with pytest.raises(Closed):
            await kw.verify(new.api_key)
        with pytest.raises(Closed):
            await kw.keys.list()
        with pytest.raises(Closed):
            await kw.open()

    asyncio.run(main())


def test_lists(async_kw: AsyncKeywright, clock: ManualClock) -> None:
    async def main() -> None:
        for number in range(5):
            await async_kw.keys.create(name=f"{number}")
            clock.advance(1)
        page = await async_kw.keys.list(limit=2)
        assert isinstance(page, AsyncPage)
        assert ([it.name for it in page.data], page.has_more) == (["4", "3"], True)
        assert [it.name async for it in page] == ["4", "3", "2", "1", "0"]
        assert [it.name async for it in async_kw.keys.list(limit=2)] == ["4", "3", "2", "1", "0"]
        assert page == await async_kw.keys.list(limit=2)
        assert hash(page) == hash(await async_kw.keys.list(limit=2))
        assert repr(page).startswith("AsyncPage(data=[Key(")
        second = await async_kw.keys.list(limit=2, cursor=page.next_cursor)
        assert second.to_dict()["data"][0]["name"] == "2"
        assert [it.id async for it in async_kw.orgs.list()] == ["default"]
        assert [it.seq async for it in async_kw.audit.list(limit=4)] == [6, 5, 4, 3, 2, 1]
        with pytest.raises(InvalidRequest):
            await async_kw.keys.list(limit=True)

    asyncio.run(main())


def test_many_at_once_open_one_engine(async_kw: AsyncKeywright) -> None:
    async def main() -> None:
        made = await asyncio.gather(*(async_kw.keys.create(name=f"{it}") for it in range(50)))
        decisions = await asyncio.gather(*(async_kw.verify(it.api_key) for it in made))
        assert all(decisions)
        assert len({it.id for it in made}) == 50

    before = set(threading.enumerate())
    asyncio.run(main())
    threads = [it for it in threading.enumerate() if it.name.startswith("keywright") and it not in before]
    assert len(threads) <= 8


def test_one_engine_serves_loop_after_loop_and_loops_at_once(async_kw: AsyncKeywright) -> None:
    async def main() -> None:
        new = await async_kw.keys.create(name="CI")
        assert await async_kw.verify(new.api_key)

    asyncio.run(main())
    asyncio.run(main())
    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(asyncio.run(names(async_kw))) == 6


async def names(kw: AsyncKeywright) -> list[str]:
    return [it.name async for it in kw.keys.list()]


def test_a_verification_at_hand_hops_no_thread(async_kw: AsyncKeywright) -> None:
    """Runs without any loop: an await that waits for nothing ends at its first step."""

    async def main() -> str:
        return (await async_kw.keys.create(name="CI")).api_key

    text = asyncio.run(main())
    for given in (text, "x", None):
        verification = async_kw.verify(given)
        with pytest.raises(StopIteration) as ended:
            verification.send(None)
        assert ended.value.value.code == {text: None, "x": "invalid", None: "missing"}[given]


def test_a_slow_hash_does_not_stop_the_loop(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncKeywright(url(tmp_path), brand="liq") as kw:
            new = await kw.keys.create(name="CI")
            # Other tasks have their turn before the decision is there.
            turned = asyncio.create_task(asyncio.sleep(0))
            assert await kw.verify(new.api_key)
            assert turned.done()
            assert all(await asyncio.gather(*(kw.verify(new.api_key) for _ in range(4))))
            assert (await kw.authenticate(new.api_key)).id == new.id
            with pytest.raises(Denied):
                await kw.authenticate(new.api_key, scopes="deals:read")

    asyncio.run(main())


def test_a_cancelled_await_leaves_the_call_running_to_its_end(async_kw: AsyncKeywright) -> None:
    async def main() -> None:
        await async_kw.open()
        tasks = [asyncio.create_task(async_kw.keys.create(name="left alone")) for _ in range(50)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(ends[-1], asyncio.CancelledError)

        async def all_made() -> bool:
            return len(await names(async_kw)) == 50

        await until_async("all calls have run to their end", all_made)

    asyncio.run(main())


def test_a_loop_may_end_before_its_calls(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\nfrom keywright import AsyncKeywright, Keywright\n"
        "async def main():\n"
        "    asyncio.get_running_loop().slow_callback_duration = 600\n"
        f"    kw = AsyncKeywright(sys.argv[1], brand='liq', pepper={PEPPER!r})\n"
        "    await kw.open()\n"
        "    return [asyncio.create_task(kw.keys.create(name='CI')) for _ in range(20)], await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-X", "dev", "-c", program, url(tmp_path)], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    with Keywright(url(tmp_path), brand="liq", pepper=PEPPER) as kw:
        assert len(kw.keys.list().data) == 20, "the interpreter waits for what was asked for"


def test_a_failed_opening_may_be_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        blocked = tmp_path / "keys.db"
        blocked.write_text("no database, but a text that somebody left here\n" * 100)
        kw = AsyncKeywright(url(tmp_path), brand="liq", pepper=PEPPER)
        with pytest.raises(Unavailable):
            await kw.open()
        with pytest.raises(Unavailable):
            await kw.keys.list()
        blocked.unlink()
        assert (await kw.verify("x")).code == "invalid"
        await kw.close()

    asyncio.run(main())


def test_trouble_at_the_first_verification_is_a_decision(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "keys.db").write_text("no database, but a text that somebody left here\n" * 100)
        kw = AsyncKeywright(url(tmp_path), brand="liq", pepper=PEPPER)
        for judge in (kw, kw.org("acme"), kw.every_org()):
            decision = await judge.verify("x", scopes="deals:read")
            assert (bool(decision), decision.code, decision.status, decision.key) == (False, "unavailable", 503, None)
            with pytest.raises(Denied) as denied:
                await judge.authenticate("x")
            assert (denied.value.code, denied.value.decision.code) == ("unavailable", "unavailable")
        with pytest.raises(ValidationFailed):
            await kw.verify("x", scopes="")
        with pytest.raises(InvalidRequest):
            await kw.verify(7)  # type: ignore[arg-type]
        await kw.close()
        with pytest.raises(Closed):
            await kw.verify("x")

    asyncio.run(main())


def test_a_missing_pepper_is_a_decision_and_a_wrong_option_is_not(tmp_path: Path) -> None:
    with Keywright(url(tmp_path), brand="liq", pepper=PEPPER) as kw:
        text = kw.keys.create(name="CI").api_key

    async def main() -> None:
        stranger = AsyncKeywright(url(tmp_path), brand="liq", pepper="another pepper, of thirty-two bytes too")
        assert (await stranger.verify(text)).code == "unavailable"
        await stranger.close()
        wrong = AsyncKeywright(url(tmp_path), brand="liq", pepper=PEPPER, id_style="integer")
        with pytest.raises(ValidationFailed, match="id_style"):
            await wrong.verify(text)
        await wrong.close()

    asyncio.run(main())


def test_closing_what_was_never_opened(tmp_path: Path) -> None:
    async def main() -> None:
        kw = AsyncKeywright(url(tmp_path), brand="liq", pepper=PEPPER)
        await kw.close()
        with pytest.raises(Closed):
            await kw.keys.list()
        assert not (tmp_path / "keys.db").exists()

    asyncio.run(main())


def test_a_dropped_engine_leaves_no_thread(tmp_path: Path) -> None:
    async def main() -> None:
        kw = AsyncKeywright(url(tmp_path), brand="liq", pepper=PEPPER)
        await kw.keys.create(name="CI")

    def pool() -> set[str]:
        return {it.name for it in threading.enumerate() if it.name.startswith("keywright")}

    before = pool()
    asyncio.run(main())
    gc.collect()
    until("the threads end", lambda: pool() <= before)


def test_trio_awaits_the_same_engine(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncKeywright(url(tmp_path), brand="liq", pepper=PEPPER) as kw:
            new = await kw.keys.create(name="CI", scopes="deals:read")
            assert (await kw.verify(new.api_key, scopes="deals:read")).allowed
            assert [it.id async for it in kw.keys.list()] == [new.id]
            with pytest.raises(NotFound):
                await kw.org("acme").keys.get(new.id)
            http = kw.http()
            assert isinstance(await http.authenticate("GET", b"/", [(b"api-key", new.api_key.encode())], None), AuthContext)
            await http.flush()
            assert (await kw.keys.get(new.id)).usage_count == 2
            with trio.move_on_after(0) as scope:
                await kw.keys.revoke(new.id)
            assert scope.cancelled_caught

            async def revoked() -> bool:
                return (await kw.keys.get(new.id)).status == "revoked"

            # The await ends at once, and the call runs to its end.
            await until_async("the key is revoked", revoked)

    trio.run(main)
    anyio.run(names, AsyncKeywright(url(tmp_path), brand="liq", pepper=PEPPER), backend="trio")


def test_another_loop_is_refused_by_name(async_kw: AsyncKeywright) -> None:
    step = async_kw.keys.list().__await__()
    with pytest.raises(RuntimeError, match="asyncio or trio"):
        next(step)


@pytest.mark.parametrize("name", ["Keywright", "Org", "Keys", "Orgs", "Audit"])
def test_both_engines_have_the_same_methods(name: str) -> None:
    def methods(cls: Any) -> set[str]:
        return {it for it in dir(cls) if not it.startswith("_")}

    ours, theirs = methods(getattr(keywright, f"Async{name}")), methods(getattr(keywright, name))
    assert ours - {"open"} == theirs
    instant = {"keys", "orgs", "audit", "org", "every_org", "parse", "key_pattern", "redact", "list", "http"}
    for method in theirs - instant:
        assert inspect.iscoroutinefunction(getattr(getattr(keywright, f"Async{name}"), method))
