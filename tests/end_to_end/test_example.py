"""The commands of ``examples/gcs-recorder/README.md``, as they stand there, in one shell.

Google cannot be reached from a test: ``gcloud`` is a stand-in that knows the calls of the page and no others, in front
of the strict storage server and a token endpoint that verifies signatures. Everything else is real.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.gcs_server import Store, serve
from tests.support.instance import ROOT, clean
from tests.support.tokens import serve_tokens

pytestmark = pytest.mark.slow

PAGE = ROOT / "examples/gcs-recorder/README.md"
ACCOUNT = "remora-recorder@my-project.iam.gserviceaccount.com"
SHIM = """#!{python} -I
import json, os, sys, urllib.request
request = urllib.request.Request("{address}", json.dumps([os.getcwd(), *sys.argv[1:]]).encode())
answer = json.load(urllib.request.urlopen(request))
print(answer["said"])
sys.exit(answer["code"])
"""


def commands() -> str:
    """Every block of the page that is marked as shell."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


class Cloud:
    """What ``gcloud`` does of all this."""

    def __init__(self, store: Store, key: dict[str, str]) -> None:
        self._store, self._key = store, key
        self.roles: set[str] = set()

    def call(self, folder: Path, *words: str) -> str:
        flags = dict(word.removeprefix("--").partition("=")[::2] for word in words if word.startswith("--"))
        match [word for word in words if not word.startswith("-")]:
            case ["storage", "buckets", "create", bucket]:
                assert flags["project"] == "my-project"
                self._store.buckets[bucket.removeprefix("gs://")] = {}
            case ["storage", "buckets", "update", bucket]:
                assert bucket.removeprefix("gs://") in self._store.buckets
                rules = json.loads((folder / flags["lifecycle-file"]).read_text())["rule"]
                assert rules[0]["action"] == {"type": "Delete"}
            case ["iam", "service-accounts", "create", "remora-recorder"]:
                assert flags["project"] == "my-project"
            case ["storage", "buckets", "add-iam-policy-binding", _]:
                assert flags["member"] == f"serviceAccount:{ACCOUNT}"
                self.roles.add(flags["role"])
            case ["iam", "service-accounts", "keys", "create", name]:
                assert flags["iam-account"] == ACCOUNT
                (folder / name).write_text(json.dumps(self._key))
            case ["storage", "ls", address]:
                return "\n".join(name for name in self._below(address))
            case ["storage", "cp", address, target]:
                assert "-r" in words
                parent = address.rstrip("/").rpartition("/")[0]
                for name in self._below(address):
                    path = folder / target / f"gs://{'my-recordings'}/{name}".removeprefix(f"{parent}/")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(self._store.objects("my-recordings")[name])
            case other:
                raise ValueError(f"gcloud has no {other}")
        return ""

    def _below(self, address: str) -> list[str]:
        bucket, _, prefix = address.removeprefix("gs://").partition("/")
        return [name for name in self._store.objects(bucket) if name.startswith(prefix)]


@contextmanager
def gcloud(folder: Path, cloud: Cloud) -> Iterator[None]:
    """A program of that name in ``folder``."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            where, *words = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                answer = {"said": cloud.call(Path(where), *words), "code": 0}
            except (ValueError, AssertionError, KeyError, OSError) as error:
                answer = {"said": repr(error), "code": 2}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    shim = folder / "gcloud"
    shim.write_text(SHIM.format(python=sys.executable, address=f"http://127.0.0.1:{server.server_address[1]}/"))
    shim.chmod(0o755)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")
def test_the_page_of_the_example_works_as_it_is_written(tmp_path: Path) -> None:
    top, programs = tmp_path / "top", tmp_path / "top/.venv/bin"
    programs.mkdir(parents=True)
    for name in ("examples", "scripts"):
        shutil.copytree(ROOT / name, top / name)
    os.chmod(tmp_path, 0o755)
    (programs / "remora").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m engine.cli.app "$@"\n')
    (programs / "remora").chmod(0o755)
    with serve() as (address, store), serve_tokens() as (tokens, token_address):
        key = {**tokens.info(token_address), "client_email": ACCOUNT, "project_id": "my-project"}
        cloud = Cloud(store, key)
        with gcloud(programs, cloud):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", commands()],
                cwd=top,
                env={**clean({"STORAGE_EMULATOR_HOST": address}), "HOME": str(tmp_path)},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        authorizations = store.authorizations
    assert cloud.roles == {"roles/storage.objectCreator", "roles/storage.objectViewer"}
    assert all(one.startswith("Bearer token-") for one in authorizations), "the key of the page was used for all of it"
    assert "(set)" in done.stdout
    assert "RECORDING_KFL is not set, nothing will be recorded" in done.stderr
    assert "HTTP/1.1 500" in done.stdout
    failures = [json.loads(line) for line in (top / "failures.jsonl").read_text().splitlines()]
    assert len(failures) > 10
    assert all(item["request"]["path"].startswith("/api/") for item in failures)
    assert tokens.claims["iss"] == ACCOUNT
