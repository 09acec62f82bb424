"""Pydantic schemas of records: an instance in, plain data out. Only pydantic imports this, so it is installed."""

from __future__ import annotations

from collections.abc import Callable
from operator import getitem
from typing import Any, get_args

from pydantic_core import CoreSchema, core_schema

__all__ = ["page", "record"]


def record(kind: type[Any]) -> CoreSchema:
    """Returns the schema of a record with the fields of this class alone, so that a new key is valid where a key is declared."""
    return _instance(kind, dict.fromkeys(kind._json_schema()["properties"], core_schema.any_schema()), getitem)


def page(kind: type[Any], source: Any, handler: Any) -> CoreSchema:
    """Returns the schema of a page with the item type of an annotation."""
    unknown = core_schema.any_schema(serialization=core_schema.plain_serializer_function_ser_schema(dict))
    items = [handler.generate_schema(it) for it in get_args(source)]
    fields: dict[str, CoreSchema] = {
        "data": core_schema.list_schema(*(items or [unknown])),
        "has_more": core_schema.bool_schema(),
        "next_cursor": core_schema.nullable_schema(core_schema.str_schema()),
    }
    return _instance(kind, fields, getattr)


def _instance(kind: type[Any], fields: dict[str, CoreSchema], read: Callable[[Any, str], Any]) -> CoreSchema:
    def shown(found: Any) -> dict[str, Any]:
        return {name: read(found, name) for name in fields}

    shape = core_schema.typed_dict_schema({name: core_schema.typed_dict_field(it) for name, it in fields.items()})
    shown_so = core_schema.plain_serializer_function_ser_schema(shown, return_schema=shape)
    return core_schema.is_instance_schema(kind, serialization=shown_so)
