"""Files that a person asked for: whole or untouched, and why not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from study.files import advice, draft, reason


def test_a_draft_takes_its_place_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "a.txt"
    out.write_text("old")
    with draft(out) as part:
        part.write_text("new")
        assert out.read_text() == "old"
    assert out.read_text() == "new"
    assert list(tmp_path.iterdir()) == [out]


def test_what_was_there_stays_where_writing_fails(tmp_path: Path) -> None:
    out = tmp_path / "a.txt"
    out.write_text("old")

    def fill() -> None:
        with draft(out) as part:
            part.write_text("half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_directory_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), draft(tmp_path):
        pass


KINDS = [errno.ENOSPC, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EACCES]


@pytest.mark.parametrize("number", [*KINDS, errno.EROFS, errno.ENAMETOOLONG, errno.EIO])
def test_a_reason_is_words_alone(number: int) -> None:
    error = OSError(number, os.strerror(number), "/a/.draft.part")
    assert advice(error).startswith(reason(error))
    assert "Errno" not in advice(error)
    assert "draft" not in advice(error)


def test_a_reason_without_a_number_of_the_system() -> None:
    assert advice(OSError("two\nlines")) == "two lines"
