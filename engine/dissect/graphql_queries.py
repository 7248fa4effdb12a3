"""GraphQL requests: what a body or a query string asks for, by operation (graphql-core reads the documents).

graphql-core takes 8 us per token, so documents are bounded, and those read last are remembered: programs send the same
ones again and again, and only their variables differ. Its import takes 0.1 s and 6 MiB, so it waits for the first
candidate, or for ``prepare`` in a process that may not read files later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

MAX_JSON_BYTES = 128 << 10
"""Of a body; larger ones are not looked into."""
MAX_DOCUMENT_CHARS = 16 << 10
"""Of the documents of one request, together."""
MAX_TOKENS = 2000
"""The same: 16 ms at worst, once per document."""
MAX_DEPTH = 50
"""Selections inside selections."""
MAX_BATCH = 50
"""Requests in one body."""
_MAX_FIELDS = 20

_STARTS = re.compile(r"(?:[\s,\ufeff]|#[^\n\r]*+)*+(?:\{|(?:query|mutation|subscription|fragment)\b|\"\"\")")
"""How a document begins; graphql-core is not asked of others. Nothing in it is tried twice, or ``###…`` never ends."""
_TOKEN = re.compile(r"\w+|[^\s,\w]")
_BRACKET = re.compile(r"[{}()\[\]]")


class Operation(NamedTuple):
    """One operation of a document."""

    type: str
    """``query``, ``mutation`` or ``subscription``."""
    name: str
    """Empty where it has none."""
    fields: tuple[str, ...]
    """What it selects at its top, without aliases; the first 20."""

    def section(self) -> dict[str, Any]:
        """As it stands in an item."""
        return {"type": self.type, "name": self.name, "fields": list(self.fields)}


def prepare() -> None:
    """Import now what is needed later."""
    for document in ("{ a }", "{"):
        _read(document)


def operations_in_body(data: bytes, mime_type: str) -> list[Operation]:
    """The operations that a body asks for: one request, a batch of them, or a bare document. Total."""
    kind = mime_type.partition(";")[0].strip().lower()
    if len(data) > MAX_JSON_BYTES:
        return []
    if kind == "application/graphql":
        return _asked([{"query": data.decode("utf-8", "replace")}])
    if kind != "application/json" or b'"query"' not in data:
        return []
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return []
    return _asked(said if isinstance(said, list) else [said])


def operations_in_query(query: str) -> list[Operation]:
    """Those that the query string of a GET asks for. Total."""
    if len(query) > MAX_JSON_BYTES:
        return []
    return _asked([dict(parse_qsl(query, errors="replace"))])


def _asked(requests: list[Any]) -> list[Operation]:
    """All of them, or none: what has anything else in it is no GraphQL."""
    found: list[Operation] = []
    chars = tokens = 0
    if len(requests) > MAX_BATCH:
        return []
    for request in requests:
        document = request.get("query") if isinstance(request, dict) else None
        if not isinstance(document, str) or not _STARTS.match(document):
            return []
        chars += len(document)
        if chars > MAX_DOCUMENT_CHARS:
            return []
        count, operations = _read(document)
        tokens += count
        if not operations or tokens > MAX_TOKENS:
            return []
        wanted = request.get("operationName")
        found += [operation for operation in operations if operation.name == wanted] or operations
    return found


@lru_cache(maxsize=128)
def _read(document: str) -> tuple[int, list[Operation]]:
    """How many tokens ``document`` has, and its operations; none where it is not GraphQL, or too much of it."""
    tokens = len(_TOKEN.findall(document))
    if tokens > MAX_TOKENS or _depth(document) > MAX_DEPTH:
        return tokens, []
    from graphql.error import GraphQLError
    from graphql.language import parse

    try:
        parsed = parse(document, no_location=True, max_tokens=MAX_TOKENS)
    except (GraphQLError, RecursionError, ValueError):
        return tokens, []
    return tokens, list(_operations(parsed))


def _operations(document: Any) -> Iterator[Operation]:
    for definition in document.definitions:
        if definition.kind == "operation_definition":
            selected = definition.selection_set.selections[:_MAX_FIELDS]
            fields = tuple(field.name.value for field in selected if field.kind == "field")
            yield Operation(definition.operation.value, definition.name.value if definition.name else "", fields)


def _depth(document: str) -> int:
    """At most so many brackets are open at once; those in texts and comments count too."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(document):
        depth += 1 if bracket in "{([" else -1
        deepest = max(deepest, depth)
    return deepest
