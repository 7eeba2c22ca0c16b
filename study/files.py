"""Files that a person asked for: written whole or not at all, and why that did not work."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ELSEWHERE = "choose another place"
_ROOM = "make room, or choose another place"
_REASONS = {
    errno.ENOSPC: ("the disk is full", _ROOM),
    errno.EDQUOT: ("your share of the disk is used up", _ROOM),
    errno.ENOENT: ("there is no such file or directory", _ELSEWHERE),
    errno.EEXIST: ("a file stands where a directory is needed", _ELSEWHERE),
    errno.ENOTDIR: ("a file stands where a directory is needed", _ELSEWHERE),
    errno.EISDIR: ("it is a directory", "name a file"),
    errno.EACCES: ("permission denied", _ELSEWHERE),
    errno.EPERM: ("permission denied", _ELSEWHERE),
    errno.EROFS: ("the disk is read-only", _ELSEWHERE),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
}


def reason(error: OSError) -> str:
    """What the system said. The path is left out: a draft has another than the user named."""
    system = error.strerror
    # It stands within a sentence.
    text = str(error) if not system else system[0].lower() + system[1:]
    return _REASONS.get(error.errno or 0, (" ".join(text.split()), ""))[0]


def advice(error: OSError) -> str:
    """The reason why something cannot be written, and what to do about it."""
    what = _REASONS.get(error.errno or 0, ("", ""))[1]
    return f"{reason(error)}; {what}" if what else reason(error)


def read_text(path: Path) -> str:
    """The text of a file that a person named. Raises ValueError, in one line that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: it is not a text in UTF-8") from None


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it takes its place at the end, or nothing changes.

    Raises OSError where there is no room for it, or no directory.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a directory", str(path))
    part = path.with_name(f".{path.stem}.part{path.suffix}")  # the suffix may say the format
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
