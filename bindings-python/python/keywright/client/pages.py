"""Pages of a list of a server, for asyncio and trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any, Generic, NoReturn, TypeVar

from keywright._native import Page
from keywright.page import AsyncPage

__all__ = ["RemoteListing", "RemotePage"]

T = TypeVar("T", covariant=True)


class RemotePage(AsyncPage[T]):
    """One page of a list. ``async for`` covers this page and all that follow."""

    __slots__ = ("_turn",)

    def __init__(self, found: tuple[list[Any], bool, str | None], turn: Callable[[str | None], Awaitable[RemotePage[T]]]) -> None:
        data, has_more, next_cursor = found
        self._page: Page[T] = Page._received(data, has_more, next_cursor, _awaited)
        self._turn = turn

    async def __aiter__(self) -> AsyncIterator[T]:
        page: RemotePage[T] | None = self
        while page is not None:
            for item in page.data:
                yield item
            page = await self._turn(page.next_cursor) if page.has_more else None


class RemoteListing(Generic[T]):
    """A list that was requested: await it for one page, or iterate it for all items."""

    __slots__ = ("_turn",)

    def __init__(self, turn: Callable[[str | None], Awaitable[RemotePage[T]]]) -> None:
        self._turn = turn

    def __await__(self) -> Generator[Any, None, RemotePage[T]]:
        return self._turn(None).__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self._turn(None):
            yield item


def _awaited(_: str) -> NoReturn:
    raise RuntimeError("the next page of this list is awaited")
