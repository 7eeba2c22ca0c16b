"""Opens the database and keeps the studies in it; `study.slots` hands out their trials."""

from __future__ import annotations

import os
import re
import time
import uuid
from contextlib import suppress
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from pydantic import ValidationError

from search_spaces.parsing import first_problem, unknown
from study.slots import SlotStorage
from study.spec import SPEC_ATTR, StudySpec
from study.urls import StorageError, database_file, opening_errors, parse_url, safe_url

IDENTITY_ATTR = "lrstudy_identity"
STOPPING_ATTR = "lrstudy_stopping"
SAMPLED_ATTR = "lrstudy_sampled_"  # and the name of a problem of `study.exact`
_IDENTITY = re.compile(r"[0-9a-f]{32}")
_OPTUNAS_TABLES = {"studies", "trials", "version_info"}
# Seconds to wait, in turn, for another process that makes the tables at the same moment.
_CREATION_WAITS = (0.3, 1.0)


def open_storage(url: str, *, create: bool = False) -> SlotStorage:
    """The storage at a SQLAlchemy URL.

    create: make the database file and its tables where they are missing; otherwise they must be
    there. Raises StorageError, in one line, where the URL is wrong, a driver is missing, the
    server or file cannot be reached or written, or the database belongs to another program.
    """
    parsed = parse_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    options: dict[str, Any] = (
        {"connect_args": {"timeout": 60}} if is_sqlite else {"pool_pre_ping": True}
    )
    with opening_errors(parsed):
        _check_file(parsed, create)
        storage = _make(parsed, options) if create else _connect(parsed, options)
        if is_sqlite:
            _serialise_writers(storage)
            storage.engine.connect().close()  # its log must be writable too
        else:
            _speak_utc(storage)
    return storage


def _make(parsed: sa.URL, options: dict[str, Any]) -> SlotStorage:
    """Makes the tables where there are none, or waits for another process that is about to."""
    for seconds in _CREATION_WAITS:
        tables = _tables(parsed, options)
        if tables and not tables & _OPTUNAS_TABLES:
            break  # of another program: waiting does not help
        # Optuna's check for tables and their creation are not one step.
        with suppress(sa.exc.SQLAlchemyError, StorageError):
            return _connect(parsed, options, create=True)
        time.sleep(seconds)
    return _connect(parsed, options, create=True)


def _connect(parsed: sa.URL, options: dict[str, Any], *, create: bool = False) -> SlotStorage:
    """Raises StorageError if the tables are not Optuna's, or of another version of it."""
    tables = _tables(parsed, options)
    if tables and not tables >= _OPTUNAS_TABLES:
        raise StorageError(f"{safe_url(parsed)} is the database of another program")
    if not tables and not create:
        raise StorageError(f"{safe_url(parsed)} is empty; `lrstudy run SPACE` fills it")
    try:
        return SlotStorage(
            parsed.render_as_string(hide_password=False),
            engine_kwargs=options,
            skip_table_creation=not create,
        )
    except RuntimeError as error:  # Optuna's schema check
        raise StorageError(f"{safe_url(parsed)}: {str(error).splitlines()[0]}") from None


def _check_file(parsed: sa.URL, create: bool) -> None:
    file = database_file(parsed)
    if file is None:
        return
    if not file.exists() and not create:
        raise StorageError(f"there is no database {file}; `lrstudy run SPACE` makes one")
    if not file.parent.is_dir():
        raise StorageError(f"cannot write {file}: there is no directory {file.parent}")
    target = file if file.exists() else file.parent
    if not os.access(target, os.W_OK):
        raise StorageError(f"cannot write {target}: permission denied")


def _tables(parsed: sa.URL, options: dict[str, Any]) -> set[str]:
    engine = sa.create_engine(parsed, **options)
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def _speak_utc(storage: RDBStorage) -> None:
    """Makes all connections to a server agree on the time zone, in which heartbeats are written: a
    host's PGTZ goes before any option of the connection."""

    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()

    storage.engine.dispose()
    sa.event.listen(storage.engine, "connect", on_connect)


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
    """A new study that carries its spec, and an identity that no other study has, in whichever
    database. Raises optuna.exceptions.DuplicatedStudyError."""
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
    study.set_user_attr(IDENTITY_ATTR, uuid.uuid4().hex)
    study.set_user_attr(SPEC_ATTR, spec.model_dump(mode="json"))
    return study


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


def keep_samples(storage: SlotStorage, name: str, problem: str, found: dict[str, Any]) -> None:
    """Keep in a study what was sampled of a problem of `study.exact`, for its report."""
    study_id = storage.get_study_id_from_name(name)
    storage.set_study_user_attr(study_id, f"{SAMPLED_ATTR}{problem}", found)


def best_trial(storage: SlotStorage, name: str) -> tuple[float, str] | None:
    """Highest score so far and the configuration that has it, None before the first one."""
    study = optuna.load_study(study_name=name, storage=storage)
    scored = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not scored:
        return None
    best = max(scored, key=lambda trial: trial.value or 0.0)
    return best.value or 0.0, describe(str(best.user_attrs.get("family", "")), best.params)


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
    errors = [trial.user_attrs["error"] for trial in failed if "error" in trial.user_attrs]
    lines = str(errors[-1]).strip().splitlines() if errors else []
    return lines[-1] if lines else ""
