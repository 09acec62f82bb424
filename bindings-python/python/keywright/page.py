"""Pages of a list for asyncio and trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

from keywright._native import Page
from keywright.threads import Threads

__all__ = ["AsyncPage", "Listing"]

T = TypeVar("T", covariant=True)


class AsyncPage(Generic[T]):
    """One page of a list. ``async for`` covers this page and all that follow."""

    __slots__ = ("__weakref__", "_page", "_threads")

    def __init__(self, page: Page[T], threads: Threads) -> None:
        self._page: Page[T] = page
        self._threads: Threads = threads

    @property
    def data(self) -> list[T]:
        """The items of this page."""
        return self._page.data

    @property
    def has_more(self) -> bool:
        """Whether another page follows."""
        return self._page.has_more

    @property
    def next_cursor(self) -> str | None:
        """The ``cursor`` of the next page."""
        return self._page.next_cursor

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON, with times as RFC 3339 text."""
        return self._page.to_dict()

    def keys(self) -> list[str]:
        """Returns the field names, so that ``dict(page)`` equals ``to_dict()``."""
        return self._page.keys()

    def __getitem__(self, name: str) -> Any:
        return self._page[name]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from keywright import schema  # noqa: PLC0415 - pydantic is optional

        return schema.page(cls, source, handler)

    async def __aiter__(self) -> AsyncIterator[T]:
        page: Page[T] | None = self._page
        while page is not None:
            for item in page.data:
                yield item
            page = await self._threads.run(page._next) if page.has_more else None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncPage):
            return self._page == other._page  # pyright: ignore[reportUnknownMemberType]
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._page)

    def __repr__(self) -> str:
        return f"Async{self._page!r}"


class Listing(Generic[T]):
    """A list that was requested: await it for one page, or iterate it for all items."""

    __slots__ = ("_fetch", "_threads")

    def __init__(self, fetch: Callable[[], Awaitable[Page[T]]], threads: Threads) -> None:
        self._fetch: Callable[[], Awaitable[Page[T]]] = fetch
        self._threads: Threads = threads

    async def _page(self) -> AsyncPage[T]:
        return AsyncPage(await self._fetch(), self._threads)

    def __await__(self) -> Generator[Any, None, AsyncPage[T]]:
        return self._page().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self._page():
            yield item
