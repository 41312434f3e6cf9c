"""Check request bodies against Discord's published OpenAPI description (discord/discord-api-spec).

The description is not part of this repository. DiscordServer takes the path of its file.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match

_KEYWORDS_OF_A_CHOICE = ("anyOf", "oneOf")


class Contract:
    """Discord's OpenAPI 3.1 description, read from a .json or .json.gz file.

    Raises: OSError if the file cannot be read, ValueError if it is no OpenAPI description.
    """

    def __init__(self, file: str | Path) -> None:
        raw = Path(file).read_bytes()
        document = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        if "paths" not in document or "components" not in document:
            raise ValueError(f"{file} is not an OpenAPI description")
        self._components = document["components"]
        self._operations = [
            (re.compile(_pattern(template)), template.count("{"), operations)
            for template, operations in document["paths"].items()
        ]
        self._validators: dict[int, jsonschema.Draft202012Validator] = {}

    def breaches(self, method: str, path: str, body: Any) -> list[str]:
        """Return the differences between a JSON body and its schema, each as "where: what".

        An unknown operation is a difference, and so is a body where none is taken. A missing body (None) is not.
        `path` is relative to the API base. One difference is ignored: discord.py sends the `id` of an
        attachment as an integer where the description says string, and Discord accepts both.
        """
        found = [item for item in self._operations if item[0].fullmatch(path) and method.lower() in item[2]]
        if not found:
            return [f"{method} {path}: no such operation"]
        operation = min(found, key=lambda item: item[1])[2][method.lower()]
        content = operation.get("requestBody", {}).get("content", {})
        if body is None:
            return []
        schema = content.get("application/json", {}).get("schema")
        if schema is None:
            return [] if content else [f"{method} {path}: takes no body"]
        return sorted(
            {_description(error) for error in self._validator(schema).iter_errors(_with_text_ids(body))}
        )

    def _validator(self, schema: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
        known = self._validators.get(id(schema))
        if known is None:
            whole = {**schema, "components": self._components}
            known = self._validators[id(schema)] = jsonschema.Draft202012Validator(whole)
        return known


def _pattern(template: str) -> str:
    return "/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in template.split("/"))


def _with_text_ids(body: Any) -> Any:
    if isinstance(body, list):
        return [_with_text_ids(item) for item in body]
    if not isinstance(body, Mapping):
        return body
    copy = {key: _with_text_ids(value) for key, value in body.items()}
    for attachment in copy.get("attachments") or []:
        if isinstance(attachment, dict) and isinstance(attachment.get("id"), int):
            attachment["id"] = str(attachment["id"])
    return copy


def _nearest(causes: Sequence[jsonschema.ValidationError]) -> jsonschema.ValidationError:
    """Return the main error of the alternative that fits the body best.

    An alternative with the `type` of the body fits better than others. Then the number of errors decides.
    """
    branches: dict[Any, list[jsonschema.ValidationError]] = {}
    for cause in causes:
        branches.setdefault(cause.schema_path[0], []).append(cause)
    every = list(branches.values())
    meant = [branch for branch in every if all(list(cause.path) != ["type"] for cause in branch)] or every
    fewest = sorted(meant, key=len)[0]
    return best_match(fewest) or fewest[0]


def _description(error: jsonschema.ValidationError) -> str:
    """Describe the innermost error. In a choice between schemas, take the error of the one that fits best."""
    while error.validator in _KEYWORDS_OF_A_CHOICE and error.context:
        error = _nearest(error.context)
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return f"{where.lstrip('.') or 'body'}: {error.message[:300]}"
