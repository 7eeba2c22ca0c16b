"""PatientStorage waits for a database that is away and then goes on, as if nothing had happened.

Optuna's storage retries the creation of a trial alone; any other call ends the worker when its
server restarts. Every call here is safe to repeat: those that write put a value in its place, and
the end of a trial is recognised where it was written although the answer was lost.
"""

from __future__ import annotations

import functools
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from study.storage.faults import is_passing
from study.storage.urls import StorageAwayError, StorageError, safe_url, trouble

# How long a call waits in all. Shorter than the grace of a silent trial: who comes back after an
# outage must not find its trial given away because of it.
PATIENCE_SECONDS = 75.0
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 4.0
# What is over sooner is not spoken of; what lasts is spoken of again and again.
_QUIET_SECONDS, _REMINDER_SECONDS = 2.0, 15.0
# Gets a line when a wait begins, while it lasts, and when it is over; a command shows them.
WAITS = logging.getLogger("lrstudy.waits")
Call = TypeVar("Call", bound=Callable[..., Any])


class _Voice:
    """Says what this process waits for, once, although several of its threads may wait.

    Times are seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began: float | None = None  # of a wait that was spoken of
        self._next = 0.0

    def waiting(self, began: float, why: str) -> None:
        """A call has waited since ``began`` and is about to wait again."""
        now = time.monotonic()
        with self._lock:
            if now - began < _QUIET_SECONDS or (self._began is not None and now < self._next):
                return
            self._began = began if self._began is None else self._began
            self._next = now + _REMINDER_SECONDS
            seconds = now - self._began  # another thread, or another call, may have begun
        line = "%s; waiting, for %.0f s now and at most %.0f s"
        WAITS.warning(line, why, seconds, PATIENCE_SECONDS)

    def ended(self, where: str | None) -> None:
        """A call that has waited is through; where: what answered, None where nothing did."""
        with self._lock:
            began, self._began = self._began, None
        if began is not None and where is not None:
            WAITS.warning("the storage %s is back after %.0f s", where, time.monotonic() - began)


_VOICE = _Voice()


def patient(call: Call) -> Call:
    """The same call, repeated for up to ``PATIENCE_SECONDS`` while the database is away. Its first
    argument is a storage or its URL."""

    @functools.wraps(call)
    def repeated(*args: Any, **kwargs: Any) -> Any:
        began, wait = time.monotonic(), 0.0
        while True:
            try:
                result = call(*args, **kwargs)
            except (sa.exc.SQLAlchemyError, StorageInternalError, StorageError) as error:
                if not is_away(error):
                    raise
                wait = min(2 * wait, _LONGEST_WAIT) or _FIRST_WAIT
                if time.monotonic() + wait > began + PATIENCE_SECONDS:
                    _VOICE.ended(None)
                    raise
                _VOICE.waiting(began, _why(args[0], error))
            else:
                if wait:
                    _VOICE.ended(safe_url(_url(args[0])))
                return result
            time.sleep(wait * random.uniform(0.5, 1.0))  # not all at once

    return cast(Call, repeated)


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached or is busy, not that it refuses."""
    return isinstance(error, StorageAwayError) or is_passing(error)


def _why(storage: Any, error: BaseException) -> str:
    return str(error) if isinstance(error, StorageError) else trouble(_url(storage), error)


def _url(storage: Any) -> str:
    return str(getattr(storage, "url", storage))


class PatientStorage(RDBStorage):
    """RDBStorage whose calls outlast an outage of the database; what a worker needs of them."""

    create_new_study = patient(RDBStorage.create_new_study)
    set_study_user_attr = patient(RDBStorage.set_study_user_attr)
    get_all_studies = patient(RDBStorage.get_all_studies)
    get_study_id_from_name = patient(RDBStorage.get_study_id_from_name)
    get_study_name_from_id = patient(RDBStorage.get_study_name_from_id)
    get_study_directions = patient(RDBStorage.get_study_directions)
    get_study_user_attrs = patient(RDBStorage.get_study_user_attrs)
    get_study_system_attrs = patient(RDBStorage.get_study_system_attrs)
    get_trial = patient(RDBStorage.get_trial)
    _get_trials = patient(RDBStorage._get_trials)
    _create_new_trial = patient(RDBStorage._create_new_trial)
    _set_trial_param = patient(RDBStorage._set_trial_param)
    set_trial_intermediate_value = patient(RDBStorage.set_trial_intermediate_value)
    set_trial_user_attr = patient(RDBStorage.set_trial_user_attr)
    set_trial_system_attr = patient(RDBStorage.set_trial_system_attr)
    record_heartbeat = patient(RDBStorage.record_heartbeat)

    @patient
    def _end(self, trial_id: int, state: TrialState, values: Sequence[float] | None) -> bool:
        return super().set_trial_state_values(trial_id, state, values)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """As Optuna's; where the answer to the first try was lost, what it wrote is recognised."""
        try:
            return self._end(trial_id, state, values)
        except UpdateFinishedTrialError:
            known = self.get_trial(trial_id)
            if known.state == state and known.values == (None if values is None else list(values)):
                return True
            raise
