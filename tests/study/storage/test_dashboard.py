"""What optuna-dashboard is told, and what its command says before it starts."""

from __future__ import annotations

import socket
from typing import Any

import optuna
import pytest

from study.storage.dashboard import annotate
from study.storage.studies import open_storage, set_spec
from tests.study.conftest import Command, assert_one_line

dashboard = pytest.importorskip("optuna_dashboard")


def _end(stored: Any, *outcomes: str) -> optuna.Study:
    study = stored.load()
    for outcome in outcomes:
        trial = study.ask()
        trial.set_user_attr("outcome", outcome)
        study.tell(trial, 0.1)
    return study


@pytest.mark.parametrize(
    ("space", "name"), [("fixed_rate", "validation accuracy"), ("chapter", "test accuracy")]
)
def test_the_score_has_a_name(make_study: Any, space: str, name: str) -> None:
    changes = {"sampler": "random", "pruner": "none"} if space == "chapter" else {}
    assert make_study(space, 10, **changes).load().metric_names == [name]


def test_a_study_of_an_earlier_revision_gets_the_name_when_it_goes_on(make_study: Any) -> None:
    stored = make_study()
    study_id = stored.storage.get_study_id_from_name("it")
    stored.storage.set_study_system_attr(study_id, "study:metric_names", None)
    assert stored.load().metric_names is None
    set_spec(stored.storage, "it", stored.spec)
    assert stored.load().metric_names == ["validation accuracy"]


def test_stalled_and_diverged_trials_are_named_in_the_note(make_study: Any) -> None:
    stored = make_study(trials=6)
    study = _end(stored, "finished", "stalled", "diverged", "stalled")
    annotate(stored.storage, "it")
    text = dashboard.get_note(study)
    assert "- stalled: 1, 3\n- diverged: 2" in text
    _end(stored, "diverged")
    annotate(stored.storage, "it")
    assert "- diverged: 2, 4" in dashboard.get_note(study)


def test_a_persons_note_stays(make_study: Any) -> None:
    stored = make_study()
    _end(stored, "stalled")
    dashboard.save_note(stored.load(), "mine")
    annotate(stored.storage, "it")
    assert dashboard.get_note(stored.load()) == "mine"


def test_a_busy_port_is_told_before_anything_is_announced(
    make_study: Any, lrstudy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study()
    monkeypatch.setattr(dashboard, "run_server", lambda *_, **__: pytest.fail("it was started"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        outcome = lrstudy("dashboard", "--port", port, "--storage", stored.url)
    assert_one_line(outcome, 1, f"cannot listen on port {port}: address already in use; --port")
    assert open_storage(stored.url)


def test_the_dashboard_is_announced_where_it_is(
    make_study: Any, lrstudy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, served = make_study(), []
    monkeypatch.setattr(dashboard, "run_server", lambda *_, **where: served.append(where["port"]))
    outcome = lrstudy("dashboard", "--port", "18573", "--storage", stored.url)
    assert outcome.out == "optuna-dashboard is at http://127.0.0.1:18573; Ctrl-C ends it\n"
    assert served == [18573]
