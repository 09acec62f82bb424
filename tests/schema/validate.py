"""Holds every file of tests/vectors against its JSON Schema in this folder."""

import json
import sys
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator, Registry

HERE = Path(__file__).resolve().parent
MOST_SHOWN = 10


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def main() -> int:
    schemas = {path.name: read(path) for path in sorted(HERE.glob("*.schema.json"))}
    registry = Registry([(schema.get("$id", name), schema) for name, schema in schemas.items()])
    wrong = 0
    for vectors in sorted((HERE.parent / "vectors").glob("*.json")):
        validator = Draft202012Validator(
            schemas[f"{vectors.stem}.schema.json"], registry=registry, base_uri=f"json-schema:///{vectors.stem}.schema.json"
        )
        found = list(validator.iter_errors(read(vectors)))
        for error in found[:MOST_SHOWN]:
            print(f"{vectors.name} {'/'.join(map(str, error.instance_path))}: {error.message[:300]}")
        wrong += len(found)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
