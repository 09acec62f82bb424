"""Functions and operators that somebody may put into the schema `public`, to have his code run by the sessions of others.

PostgreSQL takes them where they fit a statement better than those of the system. So there is one for each name that the store
uses and for each pair of types, and each fails. A statement that takes one of them is a hole.
"""

from __future__ import annotations

import re
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "core" / "src" / "store"
NAME = re.compile(r"\b([a-z_0-9]+)\(")
TYPES = ["text", "text[]", "int4", "int8", "numeric", "timestamptz", "interval", "name", '"char"', "json", "jsonb", "bytea", "oid"]
MADE = """
set search_path to pg_catalog;
set check_function_bodies = off;
do $do$
declare
  types text[] := array[{types}];
  names text[] := array(select distinct proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace
    and proname = any (array[{names}]));
  operators text[] := array(select distinct oprname from pg_operator where oprnamespace = 'pg_catalog'::regnamespace and oprkind = 'b'
    and oprname = any (string_to_array('= <> < > <= >= + - * / % || -> ->> << >> | & ~~ ?', ' ')));
  body text := 'returns bool language plpgsql as $$ begin raise exception ''a function of public was called''; end $$';
  one text;
  other text;
  name text;
begin
  foreach one in array types loop
    foreach name in array names loop
      execute format('create function public.%I(%s) %s', name, one, body);
    end loop;
    foreach other in array types loop
      foreach name in array names || 'trap'::text loop
        execute format('create function public.%I(%s, %s) %s', name, one, other, body);
      end loop;
      foreach name in array operators loop
        execute format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.trap)', name, one, other);
      end loop;
    end loop;
  end loop;
end $do$
"""


def traps() -> str:
    """The statements that make them."""
    used = {name for source in SOURCES.rglob("*.rs") for name in NAME.findall(source.read_text(encoding="utf-8"))}
    return MADE.format(types=", ".join(f"'{it}'" for it in TYPES), names=", ".join(f"'{it}'" for it in sorted(used)))
