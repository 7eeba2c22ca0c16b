"""Names of a report's folder, files and anchors, from names of studies, which may be any text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import get_args

from study.spec import Stage
from study.storage.urls import parse_url, safe_url

_LONGEST = 60
_PLAIN = re.compile(rf"[a-z0-9_][a-z0-9_-]{{0,{_LONGEST - 1}}}")
_DIGEST = re.compile(r".*-[0-9a-f]{8}")


def slug(name: str) -> str:
    """A name for files and anchors, whatever ``name`` is: lower-case letters, digits, dashes and
    underscores, at most 60."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-") or "study"


def distinct_slugs(names: Sequence[str]) -> list[str]:
    """The slugs, numbered where files of a later one, or of its stages, would be an earlier
    one's."""
    slugs: list[str] = []
    taken: set[str] = set()
    for name in names:
        base, n = slug(name), 1
        word = base
        while _forms(word) & taken:
            n += 1
            word = f"{base}-{n}"
        taken |= _forms(word)
        slugs.append(word)
    return slugs


def _forms(word: str) -> set[str]:
    """The word as it stands before the names of a study's files, in every stage."""
    return {word, *(f"{word}-{stage}" for stage in get_args(Stage))}


def folder(studies: Sequence[tuple[str, str]], url: str) -> str:
    """The folder of a report of studies, given by storage and name; no other report has it.

    url: the storage that needs no mention. One study of it with a plain name has a folder of that
    name; all others end in eight hexadecimal digits of a hash, in which plain names here never do.
    Raises StorageError where a storage is no database URL.
    """
    parts = [
        (name,) if place == url else (name, safe_url(parse_url(place))) for place, name in studies
    ]
    text = " ".join(word for part in parts for word in part)
    if len(parts) == len(parts[0]) == 1 and _PLAIN.fullmatch(text) and not _DIGEST.fullmatch(text):
        return text
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
    return f"{slug(text)}-{digest}"
