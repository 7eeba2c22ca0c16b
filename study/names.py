"""Names of studies: which ones a new study may have. Studies that have others are still read."""

from __future__ import annotations

from study.terminal import printable

LATER_STAGES = ("confirm", "test")
"""What `study.stages` adds to a search's name, after a dash."""
_LONGEST = 200  # the database has room for 512, and stages add to it


def check_new_name(name: str) -> None:
    """Raises ValueError, in one line, where a new study cannot have this name: empty, longer than
    200 characters, with characters that no font draws, with spaces around it, with the dash of an
    option, or with what has a meaning of its own, ``-confirm``, ``-test`` and ``URL#NAME``."""
    if not name.strip():
        raise ValueError("a study needs a name that is not empty")
    if len(name) > _LONGEST:
        raise ValueError(f"the name has {len(name)} characters; {_LONGEST} are the most")
    if printable(name) != name:
        raise ValueError(f"the name '{printable(name)}' has characters that cannot be printed")
    if name != name.strip():
        raise ValueError(f"the name {name!r} starts or ends with a space")
    if name.startswith("-"):
        raise ValueError(f"the name {name!r} starts with a dash, as options do")
    if "://" in name:
        raise ValueError(f"the name {name!r} looks like a storage URL")
    for stage in LATER_STAGES:
        if name.endswith(f"-{stage}"):
            raise ValueError(
                f"the name {name!r} ends in -{stage}, as the stages that `lrstudy confirm` makes do"
            )
