"""Commands that launch workers, with a worker in this process."""

from __future__ import annotations

from functools import cache

import pytest

from search_spaces import fixed_rate
from study.storage import studies
from study.tasks.task import TASKS, Task
from study.trials import objective
from study.workers import local, worker
from tests.study.cli.launches import Launches


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch, tiny_task: Task) -> Launches:
    made = Launches()
    # Opening a database takes longer than what the tests do with it.
    monkeypatch.setattr(studies, "open_storage", cache(studies.open_storage))
    monkeypatch.setattr(local, "launch", made)
    monkeypatch.setattr(worker, "run_trial", made.run_trial)
    monkeypatch.setattr(fixed_rate, "_FACTORS", (1.0, 2.0))
    monkeypatch.setitem(TASKS, "tiny", tiny_task)
    # An epoch of 40 images teaches nothing.
    monkeypatch.setattr(objective, "stalled", lambda _records, _classes: False)
    return made
