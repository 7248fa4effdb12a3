from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from engine.shipping.key import BadKey, load_key

PRIVATE = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----\n"
INFO = {
    "type": "service_account",
    "project_id": "shop",
    "private_key_id": "1",
    "private_key": PRIVATE,
    "client_email": "recorder@shop.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
}
TEXT = json.dumps(INFO)
ARRIVALS = {
    "as it is": TEXT,
    "indented": json.dumps(INFO, indent=2) + "\n",
    "real line breaks inside the key": TEXT.replace("\\n", "\n"),
    "line breaks escaped twice": TEXT.replace("\\n", "\\\\n"),
    "everything escaped twice": json.dumps(TEXT)[1:-1],
    "base64": base64.b64encode(TEXT.encode()).decode(),
    "base64 in lines": base64.encodebytes(TEXT.encode()).decode(),
    "base64 for URLs without padding": base64.urlsafe_b64encode(TEXT.encode()).decode().rstrip("="),
}
SECRET = "MIIEvQIBADANBg"


@pytest.mark.parametrize("text", ARRIVALS.values(), ids=ARRIVALS.keys())
def test_a_key_is_understood_however_it_arrives(text: str) -> None:
    assert load_key(text, "GCS_SA_KEY_JSON") == INFO


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(TEXT)
    assert load_key(f" {path}\n", "GCS_SA_KEY_JSON") == INFO


def changed(**fields: object) -> str:
    return json.dumps({name: value for name, value in {**INFO, **fields}.items() if value is not None})


WRONG = {
    "cut off": (TEXT[:-20], "characters that are no JSON object"),
    "a list": ("[" + TEXT + "]", "neither, nor a file"),
    "another type": (changed(type="authorized_user"), "'type' is not 'service_account'"),
    "no type": (changed(type=None), "'type' is not 'service_account'"),
    "no project": (changed(project_id=None), "without project_id"),
    "no key and an empty address": (changed(private_key=None, client_email=""), "without client_email and private_key"),
    "a number as key": (changed(private_key=7), "without private_key"),
    "the bare key": (PRIVATE, "neither, nor a file"),
    "a missing file": ("/nowhere/key.json", "neither, nor a file"),
    "base64 of something else": (base64.b64encode(PRIVATE.encode()).decode(), "neither, nor a file"),
    "nul": ("\0", "neither, nor a file"),
}


@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_key_is_refused_without_quoting_it(text: str, reason: str) -> None:
    with pytest.raises(BadKey, match=reason) as caught:
        load_key(text, "GCS_SA_KEY_JSON")
    assert str(caught.value).startswith("GCS_SA_KEY_JSON: expected a service account's key")
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
