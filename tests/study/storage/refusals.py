"""What everybody is told who opens a database that is not to be used."""

from __future__ import annotations

import pytest

from study.storage.opening import connect
from study.storage.studies import open_storage
from study.storage.urls import StorageError


def refusal(url: str) -> str:
    """What readers and workers are told alike, in one line."""
    with pytest.raises(StorageError) as reading, connect(url):
        pass
    with pytest.raises(StorageError) as writing:
        open_storage(url)
    assert str(reading.value) == str(writing.value)
    assert "\n" not in str(reading.value)
    return str(reading.value)
