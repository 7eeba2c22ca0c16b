"""Optuna's database storage that hands out slots: exact totals with any number of workers.

Everything that rests on private functions of Optuna 5.0 stands in this module. A slot is claimed
in the transaction that creates its trial, under the lock that Optuna takes on the study's row
(SQLite: BEGIN IMMEDIATE). That transaction also gives up trials whose worker is gone, so nothing
can be lost between the two: a slot is free if no trial of it runs or has ended well.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import orm

from search_spaces.parsing import unknown
from study.spec import SPEC_ATTR, StudySpec

DEFAULT_URL = "sqlite:///lrstudy.db"
# A live worker signs every 15 s; a silent one is given up after 120 s, or at once where its process
# can be seen to be dead.
HEARTBEAT_SECONDS = 15.0
GRACE_SECONDS = 120.0
_ENDED_WELL = (TrialState.COMPLETE, TrialState.PRUNED)


class StorageError(Exception):
    """The storage cannot be used; the message is one line without passwords."""


class NoFreeSlot(Exception):  # noqa: N818 - an outcome of asking, not an error
    """Every slot is done or being worked on; `running` of them are."""

    def __init__(self, running: int) -> None:
        super().__init__(f"no free slot, {running} running")
        self.running = running


@dataclass(frozen=True)
class Attempt:
    """A trial as the claim sees it."""

    trial_id: int
    state: TrialState
    attrs: dict[str, Any]

    @property
    def slot(self) -> int:
        """The slot, or -1 for a trial that was not created here."""
        return int(self.attrs.get("slot", -1))

    @property
    def failed_by_itself(self) -> bool:
        """Whether the trial failed, other than by losing its worker."""
        return self.state == TrialState.FAIL and not self.attrs.get("interrupted")


class SlotStorage(RDBStorage):
    """RDBStorage whose `create_new_trial` claims the lowest free slot, or raises NoFreeSlot.

    The new trial carries the user attributes slot, attempt, family, replicate, seed, baseline,
    host and pid, and its first heartbeat, all written in the creating transaction.
    """

    def _get_prepared_new_trial(
        self,
        study_id: int,
        template_trial: optuna.trial.FrozenTrial | None,
        session: orm.Session,
    ) -> models.TrialModel:
        spec = _read_spec(session, study_id)
        if spec is not None and template_trial is None:
            found = [self._reap(session, each) for each in _attempts(session, study_id)]
            template_trial = _slot_trial(spec, found)
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        session.add(models.TrialHeartbeatModel(trial_id=trial.trial_id))
        return trial

    def _reap(self, session: orm.Session, attempt: Attempt) -> Attempt:
        """The attempt; if it runs and its worker is gone it is failed first, as interrupted."""
        if attempt.state != TrialState.RUNNING or not _worker_is_gone(session, attempt):
            return attempt
        self._set_trial_attr_without_commit(
            session, models.TrialUserAttributeModel, attempt.trial_id, "interrupted", True
        )
        row = session.get_one(models.TrialModel, attempt.trial_id)
        row.state = TrialState.FAIL
        row.datetime_complete = _now()
        return replace(attempt, state=TrialState.FAIL, attrs=attempt.attrs | {"interrupted": True})


def _slot_trial(spec: StudySpec, found: list[Attempt]) -> optuna.trial.FrozenTrial:
    """A running trial for the lowest free slot. Raises NoFreeSlot."""
    slot = _free_slot(spec, found)
    attrs = {
        "slot": slot,
        "attempt": sum(each.slot == slot for each in found),
        "family": spec.family(slot),
        "replicate": spec.replicate(slot),
        "seed": spec.training_seed(slot),
        "baseline": spec.baseline(slot) is not None,
        "host": process_space(),
        "pid": os.getpid(),
    }
    return optuna.trial.FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=_now(),
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs=attrs,
        system_attrs={},
        intermediate_values={},
    )


def _now() -> datetime:
    """The naive local time that Optuna itself writes for start and completion."""
    return datetime.now()


def _free_slot(spec: StudySpec, found: list[Attempt]) -> int:
    running = {each.slot for each in found if each.state == TrialState.RUNNING}
    taken = running | slots_done(spec, found)
    for slot in range(spec.trials):
        if slot not in taken:
            return slot
    raise NoFreeSlot(len(running))


def _read_spec(session: orm.Session, study_id: int) -> StudySpec | None:
    attr = models.StudyUserAttributeModel
    query = sa.select(attr.value_json).where(attr.study_id == study_id, attr.key == SPEC_ATTR)
    text = session.execute(query).scalar_one_or_none()
    return None if text is None else StudySpec.model_validate_json(text)


def _attempts(session: orm.Session, study_id: int) -> list[Attempt]:
    """The study's trials with the few attributes that a claim needs, in two queries."""
    trial, attr = models.TrialModel, models.TrialUserAttributeModel
    rows = session.execute(
        sa.select(trial.trial_id, trial.state).where(trial.study_id == study_id)
    ).all()
    wanted = ("slot", "interrupted", "host", "pid")
    attrs: dict[int, dict[str, Any]] = {trial_id: {} for trial_id, _ in rows}
    query = (
        sa.select(attr.trial_id, attr.key, attr.value_json)
        .join(trial, trial.trial_id == attr.trial_id)
        .where(trial.study_id == study_id, attr.key.in_(wanted))
    )
    for trial_id, key, text in session.execute(query):
        attrs[trial_id][key] = json.loads(text)
    return [Attempt(trial_id, state, attrs[trial_id]) for trial_id, state in rows]


def _worker_is_gone(session: orm.Session, attempt: Attempt) -> bool:
    if attempt.attrs.get("host") == process_space():
        return not _alive(int(attempt.attrs["pid"]))
    beat = models.TrialHeartbeatModel
    query = sa.select(beat.heartbeat, sa.func.now()).where(beat.trial_id == attempt.trial_id)
    row = session.execute(query).one_or_none()
    if row is None:
        return False  # not ours: our trials are born with a heartbeat
    last, now = (value.replace(tzinfo=None) for value in row)
    return bool(now - last > timedelta(seconds=GRACE_SECONDS))


def process_space() -> str:
    """Names the host and process-id name space: within one, a pid says whether a worker lives."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # not Linux: the host's name alone has to do
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def safe_url(url: str) -> str:
    """The storage URL without its password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "(not a URL)"


def open_storage(url: str, *, create: bool = False) -> SlotStorage:
    """The storage at a SQLAlchemy URL.

    create: make the database file and its tables where they are missing; otherwise they must be
    there. Raises StorageError, in one line, where the URL is wrong, a driver is missing, the
    server or file cannot be reached or written, or the database belongs to another program.
    """
    parsed = _parse(url)
    _check_file(parsed, create)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    options: dict[str, Any] = (
        {"connect_args": {"timeout": 60}}
        if is_sqlite
        else {"pool_pre_ping": True, "connect_args": {"options": "-c timezone=UTC"}}
    )
    with _one_line_errors(url):
        _check_owner(parsed, options, create)
        storage = SlotStorage(
            parsed.render_as_string(hide_password=False),
            engine_kwargs=options,
            skip_table_creation=not create,
        )
        if is_sqlite:
            _serialise_writers(storage)
    return storage


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise StorageError(
            "the storage is not a database URL such as sqlite:///lrstudy.db"
        ) from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StorageError(
            f"{safe_url(url)}: use sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _check_file(parsed: sa.URL, create: bool) -> None:
    if parsed.get_backend_name() != "sqlite":
        return
    if parsed.database in (None, "", ":memory:"):
        raise StorageError("the storage must be a file: sqlite:///FILE")
    file = Path(str(parsed.database))
    if not file.exists() and not create:
        raise StorageError(f"there is no database {file}; `lrstudy run SPACE` makes one")
    if not file.parent.is_dir():
        raise StorageError(f"cannot write {file}: there is no directory {file.parent}")
    target = file if file.exists() else file.parent
    if not os.access(target, os.W_OK):
        raise StorageError(f"cannot write {target}: permission denied")


def _check_owner(parsed: sa.URL, options: dict[str, Any], create: bool) -> None:
    """Raises StorageError if the database has tables, but not Optuna's."""
    engine = sa.create_engine(parsed, **options)
    try:
        tables = set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()
    if tables and not {"studies", "trials", "version_info"} <= tables:
        raise StorageError(f"{safe_url(str(parsed))} is the database of another program")
    if not tables and not create:
        raise StorageError(f"{safe_url(str(parsed))} is empty; `lrstudy run SPACE` fills it")


@contextmanager
def _one_line_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (sa.exc.DBAPIError, StorageInternalError) as error:
        cause = error if isinstance(error, sa.exc.DBAPIError) else error.__cause__
        reason = str(getattr(cause, "orig", cause)).strip().splitlines()[0]
        raise StorageError(f"cannot use the storage {safe_url(url)}: {reason}") from None
    except ImportError:
        hint = "pip install 'lrstudy[postgres]'"
        raise StorageError(f"{safe_url(url)} needs a database driver: {hint}") from None
    except RuntimeError as error:  # Optuna's schema check
        raise StorageError(f"{safe_url(url)}: {str(error).splitlines()[0]}") from None


def _serialise_writers(storage: RDBStorage) -> None:
    """Makes SQLite safe for several workers: a write-ahead log, and one writer at a time.

    Without BEGIN IMMEDIATE two workers claim the same slot. The events are attached once Optuna's
    constructor is through, which would deadlock itself otherwise.
    """

    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # this module says when a transaction begins
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    def on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()
    sa.event.listen(storage.engine, "connect", on_connect)
    sa.event.listen(storage.engine, "begin", on_begin)


def create_study(storage: SlotStorage, name: str, spec: StudySpec) -> optuna.Study:
    """A new study that carries its spec. Raises optuna.exceptions.DuplicatedStudyError."""
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
    study.set_user_attr(SPEC_ATTR, spec.model_dump(mode="json"))
    return study


def attempts(storage: SlotStorage, name: str) -> list[Attempt]:
    """Every trial of a study, in the order of creation."""
    study_id = storage.get_study_id_from_name(name)
    with storage.scoped_session() as session:
        found = _attempts(session, study_id)
    storage.scoped_session.remove()
    return found


def slots_done(spec: StudySpec, found: list[Attempt]) -> set[int]:
    """Slots that need no further attempt: ended well, or failed for good."""
    failures = [each.slot for each in found if each.failed_by_itself]
    given_up = {slot for slot in failures if failures.count(slot) > spec.max_retries}
    return given_up | {each.slot for each in found if each.state in _ENDED_WELL}


def best_trial(storage: SlotStorage, name: str) -> tuple[float, str] | None:
    """Highest score so far and the configuration that has it, None before the first one."""
    study = optuna.load_study(study_name=name, storage=storage)
    scored = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not scored:
        return None
    best = max(scored, key=lambda trial: trial.value or 0.0)
    return best.value or 0.0, describe(best.user_attrs.get("family", ""), best.params)


def describe(family: str, params: dict[str, Any]) -> str:
    """Family and parameters in a few words, e.g. 'cosine base_lr=0.31 final_fraction=0.02'."""
    numbers = [f"{name}={value:.3g}" for name, value in params.items() if isinstance(value, float)]
    return " ".join([family, *numbers])


def set_spec(storage: SlotStorage, name: str, spec: StudySpec) -> None:
    """Replace the stored spec, e.g. by one with more trials; running workers see it at once."""
    study_id = storage.get_study_id_from_name(name)
    storage.set_study_user_attr(study_id, SPEC_ATTR, spec.model_dump(mode="json"))


def load_spec(storage: SlotStorage, name: str) -> StudySpec:
    """The spec of a study. Raises StorageError where there is no such study of lrstudy."""
    names = [each.study_name for each in storage.get_all_studies()]
    if name not in names:
        raise StorageError(unknown("study", name, names or ["(none yet)"]))
    study = optuna.load_study(study_name=name, storage=storage)
    if SPEC_ATTR not in study.user_attrs:
        raise StorageError(f"study {name!r} was not made by lrstudy")
    return StudySpec.model_validate(study.user_attrs[SPEC_ATTR])
