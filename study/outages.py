"""PatientStorage waits for a database that is away and then goes on, as if nothing had happened.

Optuna's storage retries the creation of a trial alone; any other call ends the worker when its
server restarts. Every call here is safe to repeat: those that write put a value in its place, and
the end of a trial is recognised where it was written although the answer was lost.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from study.urls import StorageAwayError, StorageError

# How long a call waits in all. Shorter than the grace of a silent trial: who comes back after an
# outage must not find its trial given away because of it.
PATIENCE_SECONDS = 75.0
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 4.0
Call = TypeVar("Call", bound=Callable[..., Any])


def patient(call: Call) -> Call:
    """The same call, repeated for up to ``PATIENCE_SECONDS`` while the database is away."""

    @functools.wraps(call)
    def repeated(*args: Any, **kwargs: Any) -> Any:
        deadline, wait = time.monotonic() + PATIENCE_SECONDS, _FIRST_WAIT
        while True:
            try:
                return call(*args, **kwargs)
            except (sa.exc.SQLAlchemyError, StorageInternalError, StorageError) as error:
                if not is_away(error) or time.monotonic() + wait > deadline:
                    raise
            time.sleep(wait * random.uniform(0.5, 1.0))  # not all at once
            wait = min(2 * wait, _LONGEST_WAIT)

    return cast(Call, repeated)


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached or is busy, not that it refuses."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    return isinstance(cause, StorageAwayError | sa.exc.OperationalError | sa.exc.InterfaceError)


class PatientStorage(RDBStorage):
    """RDBStorage whose calls outlast an outage of the database; what a worker needs of them."""

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
