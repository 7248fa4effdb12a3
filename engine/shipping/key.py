"""A service account's key, in whatever form it arrives. No error ever quotes it."""

from __future__ import annotations

import base64
import binascii
import json
import string
from pathlib import Path
from typing import Any

from engine.shipping.destination import DestinationMisconfigured

_NEEDED = ("project_id", "client_email", "private_key", "token_uri")
_EXPECTED = "expected a service account's key: its JSON, base64 of it, or the path of the file"


class BadKey(DestinationMisconfigured):
    """The text is no service account's key."""

    def __init__(self, variable: str, found: str) -> None:
        """``found`` says what it is instead, without quoting it."""
        super().__init__(
            f"{variable}: {_EXPECTED}; got {found}; create one with 'gcloud iam service-accounts keys create'"
        )


def load_key(text: str, variable: str) -> dict[str, Any]:
    """The key's fields, out of JSON, base64 of JSON, or a path.

    Forgives what shells, YAML and Kubernetes secrets do to it: real line breaks inside the private key, escaped ones
    escaped once more, quotes likewise.

    Args:
        text: what the variable holds.
        variable: its name, for messages.

    Raises:
        BadKey: it is none of these.
    """
    compact = text.strip()
    if not compact.startswith("{"):
        compact = _decoded(compact) or _read(compact, variable)
    info = _parse(compact, variable)
    if info.get("type") != "service_account":
        raise BadKey(variable, "JSON whose 'type' is not 'service_account'")
    missing = [name for name in _NEEDED if not isinstance(info.get(name), str) or not info[name]]
    if missing:
        raise BadKey(variable, f"one without {' and '.join(missing)}")
    info["private_key"] = info["private_key"].replace("\\n", "\n")
    return info


def _parse(text: str, variable: str) -> dict[str, Any]:
    for candidate in (text, text.replace('\\"', '"')):
        try:
            info = json.loads(candidate, strict=False)
        except json.JSONDecodeError:
            continue
        if isinstance(info, dict):
            return info
    raise BadKey(variable, f"{len(text)} characters that are no JSON object")


def _decoded(text: str) -> str:
    """What base64 holds, where it is base64 of an object; else nothing."""
    compact = "".join(text.split())
    if not compact or set(compact) - set(string.ascii_letters + string.digits + "+/-_="):
        return ""
    standard = compact.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        decoded = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded if decoded.lstrip().startswith("{") else ""


def _read(path: str, variable: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, ValueError):
        raise BadKey(variable, f"{len(path)} characters that are neither, nor a file that can be read") from None
