"""Bodies as data: JSON and XML text, as it is or in base64. Total: what cannot be read is ``MISSING``.

The text is read as it stands first and as base64 only if that fails: Kubeshark decodes whatever happens to be valid
base64, the number 1234 included.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, NoReturn
from xml.parsers import expat

from engine.kfl.values import MISSING

DOCUMENTS: dict[str, Callable[[str], Any]] = {}
"""Helper -> what reads the text, raising ``ValueError``."""


def read_document(kind: str, value: object) -> Any:
    """What ``value.json()`` or ``value.xml()`` leads to."""
    return document(kind, value)[0]


def document(kind: str, value: object) -> tuple[Any, bool]:
    """The same, and whether it was base64."""
    if not isinstance(value, str):
        return MISSING, False
    read = DOCUMENTS[kind]
    try:
        return read(value), False
    except (ValueError, RecursionError):
        pass
    try:
        return read(from_base64(value)), True
    except (ValueError, RecursionError):
        return MISSING, False


def from_base64(text: str) -> str:
    """The UTF-8 text behind base64.

    Raises:
        ValueError: it is not base64, or not of UTF-8.
    """
    try:
        return base64.b64decode(text.encode(), validate=True).decode()
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _xml(text: str) -> dict[str, Any]:
    """``{root: element}``: an element is its text, or its children by name; of many with one name, a list.

    Attributes are ``-name``; the text of an element that has anything else is ``#text``. Names have no prefix.
    """
    top: dict[str, Any] = {}
    stack: list[tuple[str, dict[str, Any], list[str]]] = [("", top, [])]

    def start(name: str, attributes: dict[str, str]) -> None:
        stack.append((_local(name), {f"-{_local(key)}": value for key, value in attributes.items()}, []))

    def end(_: str) -> None:
        name, content, texts = stack.pop()
        text = "".join(texts).strip()
        if content and text:
            content["#text"] = text
        _add(stack[-1][1], name, content or text)

    def characters(data: str) -> None:
        stack[-1][2].append(data)

    parser = expat.ParserCreate("utf-8")  # whatever the text says it was
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from None
    return top


def _no_doctype(*_: object) -> NoReturn:
    raise ValueError("a document type may define entities that grow without bound")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _add(parent: dict[str, Any], name: str, value: Any) -> None:
    if name not in parent:
        parent[name] = value
    elif isinstance(parent[name], list):
        parent[name].append(value)
    else:
        parent[name] = [parent[name], value]


DOCUMENTS |= {"json": _json, "xml": _xml}
