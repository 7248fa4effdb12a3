from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.errors import UploadError
from engine.shipping.destination import DestinationMisconfigured
from engine.shipping.local import LocalFolder
from tests.support.audit import crc32c, objects_in
from tests.support.destination_contract import NAME, DestinationContract
from tests.support.disk import file_size_limit


class TestLocalFolder(DestinationContract):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> LocalFolder:
        self.root = tmp_path / "recordings"
        return LocalFolder(self.root)

    def stored(self) -> dict[str, bytes]:
        """Hidden names are none: see that they are gone as well."""
        files = [path for path in self.root.rglob("*") if path.is_file()]
        assert len(files) == len(objects_in(self.root)) + sum(path.name.startswith(".") for path in files)
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in files}


class TestLocalFolderWithoutLinks(TestLocalFolder):
    @pytest.fixture(autouse=True)
    def _no_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(source: Path, target: Path) -> None:
            raise OSError(errno.EOPNOTSUPP, "no links here")

        monkeypatch.setattr(os, "link", refuse)


def test_what_a_killed_put_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "local").write_bytes(b"packets")
    folder = LocalFolder(tmp_path / "recordings")
    with file_size_limit(3), pytest.raises(UploadError, match="too large"):
        folder.put(tmp_path / "local", NAME, 7, crc32c(b"packets"))
    hidden = (tmp_path / "recordings" / NAME).parent
    assert list(hidden.iterdir()) == []
    folder.put(tmp_path / "local", NAME, 7, crc32c(b"packets"))
    assert objects_in(tmp_path / "recordings") == {NAME: b"packets"}


def test_a_folder_that_cannot_be_written_is_for_the_operator(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_bytes(b"a file, no folder")
    (tmp_path / "local").write_bytes(b"packets")
    with pytest.raises(DestinationMisconfigured, match="name another folder"):
        LocalFolder(tmp_path / "recordings").put(tmp_path / "local", NAME, 7, crc32c(b"packets"))
