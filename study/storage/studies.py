"""Opens the database and keeps the studies in it; `study.storage.claims` hands out their trials."""

from __future__ import annotations

import re
import sqlite3
import time
import uuid
import warnings
from contextlib import suppress
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from pydantic import ValidationError

from search_spaces.schedules.problems import first_problem
from search_spaces.words.unknown import unknown
from study.records import TrialRecord
from study.spec import SPEC_ATTR, StudySpec
from study.storage.claims import SlotStorage
from study.storage.faults import sqlite_code
from study.storage.opening import check_before_filling, check_writable, connect
from study.storage.outages import patient
from study.storage.urls import (
    StorageError,
    UnknownStudyError,
    database_file,
    opening_errors,
    parse_url,
)
from study.study_command import COMMAND_ATTR, making_words

IDENTITY_ATTR = "lrstudy_identity"
STOPPING_ATTR = "lrstudy_stopping"
ANSWERED_ATTR = "lrstudy_answered"
SAMPLED_ATTR = "lrstudy_sampled_"  # and the name of a problem of `study.training.exact`
_IDENTITY = re.compile(r"[0-9a-f]{32}")
# SQLite waits so long for a lock by itself; then `study.storage.outages` does, and says so.
_FILE_OPTIONS = {"connect_args": {"timeout": 5}}
_SERVER_OPTIONS = {"pool_pre_ping": True}
_LOG = "wal"
# What SQLite answers where files cannot be locked, mapped or made as a log needs it.
_NO_LOG = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL}
# Seconds to wait, in turn, for another process that makes the tables at the same moment.
_CREATION_WAITS = (0.3, 1.0)


def open_storage(url: str, *, create: bool = False) -> SlotStorage:
    """The storage at a SQLAlchemy URL, for who works on its studies.

    create: make the database file and its tables where they are missing; otherwise nothing is
    written. Raises StorageError, in one line, where the URL is wrong, a driver is missing, the
    server or file cannot be reached or written, or the database belongs to another program or
    another version of Optuna.
    """
    parsed = parse_url(url)
    with opening_errors(parsed):
        file = database_file(parsed)
        if file is not None and file.is_file():
            check_writable(file)
        storage = _make(parsed) if create else _existing(parsed)
        if file is None:
            _speak_utc(storage)
        else:
            _serialise_writers(storage)
            storage.engine.connect().close()  # files beside it must be writable, too
    return storage


def open_for_viewing(url: str) -> RDBStorage:
    """The storage for a program that shows it: nothing is written unless a person asks that program
    to, and workers need not wait for it. Raises StorageError."""
    parsed = parse_url(url)
    with opening_errors(parsed):
        return _existing(parsed)


def _existing(parsed: sa.URL) -> SlotStorage:
    with connect(_with_password(parsed)):  # raises StorageError
        pass
    return _constructed(parsed, create=False)


def _make(parsed: sa.URL) -> SlotStorage:
    """Makes the tables where there are none, or waits for another process that is about to."""
    for seconds in _CREATION_WAITS:
        check_before_filling(parsed)
        # That check and the making are not one step, and neither are Optuna's own.
        with suppress(sa.exc.SQLAlchemyError, StorageInternalError):
            return _constructed(parsed, create=True)
        time.sleep(seconds)
    check_before_filling(parsed)
    return _constructed(parsed, create=True)


def _constructed(parsed: sa.URL, *, create: bool) -> SlotStorage:
    is_file = database_file(parsed) is not None
    return SlotStorage(
        _with_password(parsed),
        engine_kwargs=_FILE_OPTIONS if is_file else _SERVER_OPTIONS,
        skip_table_creation=not create,
        skip_compatibility_check=True,  # study.storage.schema has checked
    )


def _with_password(parsed: sa.URL) -> str:
    return parsed.render_as_string(hide_password=False)


def _speak_utc(storage: RDBStorage) -> None:
    """Makes all connections to a server agree on the time zone, in which heartbeats are written: a
    host's PGTZ goes before any option of the connection."""

    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()

    storage.engine.dispose()
    sa.event.listen(storage.engine, "connect", on_connect)


def _serialise_writers(storage: RDBStorage) -> None:
    """Lets one worker write to a SQLite file at a time, in whichever journal mode the file is.

    Without BEGIN IMMEDIATE two workers claim the same slot. The events are attached once Optuna's
    constructor is through, which would deadlock itself otherwise.
    """

    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # this module says when a transaction begins
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == _LOG:
            connection.execute("PRAGMA synchronous=NORMAL")  # as safe as FULL with a log

    def on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()
    sa.event.listen(storage.engine, "connect", on_connect)
    sa.event.listen(storage.engine, "begin", on_begin)


@patient
def write_ahead(storage: SlotStorage) -> bool:
    """Gives a SQLite file a write-ahead log, for good: workers then wait less for each other, and
    readers not at all. False where its file system cannot keep one, as networks often cannot;
    workers are as safe without it. Raises DBAPIError where the file cannot be written.
    """
    if database_file(sa.make_url(storage.url)) is None:
        return True
    connection = storage.engine.raw_connection()  # not in a transaction
    try:
        found = connection.cursor().execute(f"PRAGMA journal_mode={_LOG}").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if sqlite_code(error) in _NO_LOG:
            return False
        raise sa.exc.DBAPIError("PRAGMA journal_mode", {}, error) from None
    finally:
        connection.close()
    storage.engine.dispose()  # connections know the journal mode from when they were made
    return bool(found == _LOG)


def create_study(storage: SlotStorage, name: str, spec: StudySpec) -> optuna.Study:
    """A new study that carries its spec, the command that makes it, and an identity that no other
    study has, in whichever database. Raises optuna.exceptions.DuplicatedStudyError."""
    mine = uuid.uuid4().hex
    attrs: dict[str, Any] = {IDENTITY_ATTR: mine, SPEC_ATTR: spec.model_dump(mode="json")}
    if words := making_words(spec):
        attrs[COMMAND_ATTR] = words
    try:
        storage.create_whole_study(name, attrs)
    except DuplicatedStudyError:
        if identity(storage, name) != mine:  # else only the answer was lost
            raise
    write_ahead(storage)  # where it can: the launcher says where not
    study = optuna.load_study(study_name=name, storage=storage)
    _name_metric(study, spec)
    return study


def _name_metric(study: optuna.Study, spec: StudySpec) -> None:
    """Says what the score is, for Optuna's own figures and optuna-dashboard."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([f"{'test' if spec.reads_test else 'validation'} accuracy"])


def identity(storage: SlotStorage, name: str) -> str | None:
    """The study's identity: 32 hexadecimal digits, None where it has none that can be used."""
    attrs = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
    found = attrs.get(IDENTITY_ATTR)
    return found if isinstance(found, str) and _IDENTITY.fullmatch(found) else None


def set_stopping(storage: SlotStorage, name: str, stopping: bool) -> None:
    """Ask the workers of a study, wherever they are, to leave after their epoch; or no longer."""
    study_id = storage.get_study_id_from_name(name)
    storage.set_study_user_attr(study_id, STOPPING_ATTR, stopping)


def is_stopping(storage: SlotStorage, study_id: int) -> bool:
    """Whether the workers of a study are asked to leave."""
    return storage.get_study_user_attrs(study_id).get(STOPPING_ATTR) is True


def set_answered(storage: SlotStorage, name: str) -> None:
    """Note on a planned search that its plan was carried out."""
    storage.set_study_user_attr(storage.get_study_id_from_name(name), ANSWERED_ATTR, True)


def is_answered(storage: SlotStorage, name: str) -> bool:
    """Whether the plan of a search was carried out."""
    attrs = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
    return attrs.get(ANSWERED_ATTR) is True


def keep_samples(storage: SlotStorage, name: str, problem: str, found: dict[str, Any]) -> None:
    """Keep in a study what was sampled of a problem of `study.training.exact`, for its report."""
    study_id = storage.get_study_id_from_name(name)
    storage.set_study_user_attr(study_id, f"{SAMPLED_ATTR}{problem}", found)


def describe(family: str, params: dict[str, Any]) -> str:
    """Family and parameters in a few words, e.g. 'cosine base_lr=0.31 final_fraction=0.02'."""
    numbers = [f"{name}={value:.3g}" for name, value in params.items() if isinstance(value, float)]
    return " ".join([family, *numbers])


def set_spec(storage: SlotStorage, name: str, spec: StudySpec) -> None:
    """Replace the stored spec, e.g. by one with more trials; running workers see it at once."""
    study = optuna.load_study(study_name=name, storage=storage)
    study.set_user_attr(SPEC_ATTR, spec.model_dump(mode="json"))
    if study.metric_names is None:  # an earlier revision of lrstudy made it
        _name_metric(study, spec)


def load_spec(storage: SlotStorage, name: str) -> StudySpec:
    """The spec of a study. Raises StorageError where there is no such study of lrstudy."""
    names = [each.study_name for each in storage.get_all_studies()]
    if name not in names:
        raise UnknownStudyError(unknown("study", name, names or ["(none yet)"]))
    study = optuna.load_study(study_name=name, storage=storage)
    return parse_spec(name, study.user_attrs.get(SPEC_ATTR))


def parse_spec(name: str, found: Any) -> StudySpec:
    """The spec from the study's attribute, None where it has none. Raises StorageError."""
    if found is None:
        raise StorageError(f"study {name!r} was not made by lrstudy")
    try:
        return StudySpec.model_validate(found)
    except ValidationError as error:
        raise StorageError(
            f"study {name!r} was made by another version of lrstudy: {first_problem(error)}"
        ) from None


def last_error(storage: SlotStorage, name: str) -> str:
    """The last line of the newest error that a trial of the study met; "" where none did."""
    study = optuna.load_study(study_name=name, storage=storage)
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    errors = [TrialRecord.model_validate(trial.user_attrs).error for trial in failed]
    lines = next(filter(None, reversed(errors)), "").strip().splitlines()
    return lines[-1] if lines else ""
