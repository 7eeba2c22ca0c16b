"""`lrstudy confirm` and `run --bank` in this process, with a worker in this process too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search_spaces.config import Budget, Range
from study.stages import chosen
from study.storage import studies
from study.storage.studies import load_spec, set_spec
from study.tasks.task import TASKS
from study.trials import objective
from tests.security.hostile import set_attribute, writing
from tests.study.cli.launches import Launches, write_result
from tests.study.conftest import Command, Outcome, assert_one_line, without_warnings

URL = "sqlite:///study.db"
IN_ALL = 3  # two candidates and the grid's two rates, one of which is the best candidate's

pytestmark = pytest.mark.integration


Confirm = Callable[..., Outcome]


@pytest.fixture
def search(make_study: Any) -> Any:
    """A search of fixed rates with four trials, of which none has run."""
    return make_study(
        budget=Budget(epochs=1, train_size=40, val_size=20),
        trials=4,
        task="tiny",
        pruner="none",
        ranges={"base_lr": Range(low=1e-4, high=1e-2, log=True)},
    )


@pytest.fixture
def confirm(search: Any, lrstudy: Command, launches: Launches) -> Confirm:
    """`lrstudy confirm ARGUMENTS` on the finished search."""
    finish(search)
    return lambda *arguments: lrstudy("confirm", "it", *arguments, "--storage", URL)


def finish(stored: Any) -> None:
    """The first trial of the search is the best, the second one is next."""
    study = stored.load()
    for number in range(stored.spec.trials):
        trial = study.ask()
        write_result(trial, stored.spec)
        study.tell(trial, 0.9 - number / 10)


def ended_well() -> dict[str, int]:
    """Every study with the number of its trials that ended well."""
    opened = studies.open_storage(URL)
    return {
        study.study_name: sum(
            trial.state == TrialState.COMPLETE
            for trial in opened.get_all_trials(study._study_id, deepcopy=False)
        )
        for study in opened.get_all_studies()
    }


def spec_of(name: str) -> Any:
    return load_spec(studies.open_storage(URL), name)


def trials_of(name: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=name, storage=studies.open_storage(URL)).trials


GOING_ON = f"to continue: lrstudy confirm it --storage {URL}\n"


def test_both_stages_run_and_only_the_chosen_meets_the_test_images(
    confirm: Confirm, launches: Launches
) -> None:
    launches.score = None
    done = confirm("--top", "2", "--seeds", "2")
    assert (done.status, without_warnings(done)) == (0, "")
    end = f"study 'it' is confirmed; show it: lrstudy report it --storage {URL}\n"
    assert done.out.endswith(end)
    assert launches.names == ["it-confirm", "it-test"]
    assert ended_well() == {"it": 4, "it-confirm": 2 * IN_ALL, "it-test": 2}
    made, last = spec_of("it-confirm"), spec_of("it-test")
    assert [arm.origin for arm in made.arms[:2]] == [0, 1]
    assert last.arms == tuple(chosen(made, trials_of("it-confirm")))
    assert last.train_on == "train"
    assert all("test" not in trial.user_attrs for trial in trials_of("it-confirm"))
    assert all("best_accuracy" in trial.user_attrs["test"] for trial in trials_of("it-test"))


def test_where_no_run_trained_there_is_nothing_to_test(
    confirm: Confirm, launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches.score = None
    monkeypatch.setattr(objective, "stalled", lambda _records, _classes: True)
    done = confirm("--seeds", "1")
    assert (done.status, without_warnings(done)) == (
        1,
        "lrstudy: no run of 'it-confirm' trained: there is nothing to test\n",
    )
    assert launches.names == ["it-confirm"]


def test_two_configurations_and_five_seeds_unless_said(confirm: Confirm) -> None:
    told = json.loads(confirm("--dry-run", "--json").out)
    assert (told["confirm"]["trials"], told["test"]["trials"]) == (5 * IN_ALL, 5)


def test_what_is_finished_starts_no_workers(confirm: Confirm, launches: Launches) -> None:
    assert confirm("--top", "1", "--seeds", "2").status == 0
    launches.names.clear()
    again = confirm("--top", "1", "--seeds", "2")
    assert (again.status, launches.names) == (0, [])
    assert "study 'it' is confirmed; show it: lrstudy report it" in again.out


def test_a_dry_run_says_what_both_stages_cost_and_writes_nothing(
    confirm: Confirm, launches: Launches
) -> None:
    said = confirm("--dry-run", "--top", "1", "--seeds", "3", "--workers", "1")
    updates, first, second, nothing = said.out.splitlines()
    assert updates == "A run has 1 update (1 an epoch, in batches of 256)."
    assert first.startswith("confirm: 6 trials x 1 epoch on 40 images, 1 worker on cpu: about ")
    assert second.startswith("test: 3 trials x 1 epoch on 40 images, 1 worker on cpu: about ")
    assert nothing == "Nothing was written."
    told = json.loads(confirm("--dry-run", "--json", "--seeds", "3", "--train-on", "all").out)
    assert told["test"]["train_images"] == 600
    assert set(told) == {"confirm", "test"}
    assert told["confirm"]["hours"] > 0
    assert ended_well() == {"it": 4}
    assert launches.names == []


def test_stopped_half_way_it_names_the_command_that_goes_on(
    confirm: Confirm, launches: Launches
) -> None:
    launches.most = 1
    stopped = confirm("--top", "2", "--seeds", "1")
    assert stopped.status == 130
    assert stopped.out.splitlines(keepends=True)[-1] == f"2 trials are left; {GOING_ON}"
    assert ended_well() == {"it": 4, "it-confirm": 1}
    launches.most = None
    arms = spec_of("it-confirm").arms
    assert confirm().status == 0
    assert ended_well() == {"it": 4, "it-confirm": IN_ALL, "it-test": 1}
    assert spec_of("it-confirm").arms == arms


def test_the_command_that_goes_on_keeps_all_images(confirm: Confirm, launches: Launches) -> None:
    launches.most, launches.score = 1, None
    stopped = confirm("--seeds", "1", "--train-on", "all")
    command = f"lrstudy confirm it --train-on all --storage {URL}"
    assert (
        stopped.out.splitlines(keepends=True)[-1] == f"2 trials are left; to continue: {command}\n"
    )
    launches.most = None
    assert confirm("--train-on", "all").status == 0
    assert (spec_of("it-test").train_on, spec_of("it-test").budget) == ("all", Budget(epochs=1))
    (trial,) = trials_of("it-test")
    assert "accuracy" in trial.user_attrs["test"]
    assert "best_accuracy" not in trial.user_attrs["test"]


def test_more_seeds_add_runs_and_keep_what_was_chosen(confirm: Confirm, launches: Launches) -> None:
    assert confirm("--seeds", "1").status == 0
    before = {name: (spec_of(name), trials_of(name)) for name in ("it-confirm", "it-test")}
    # The candidate that was not chosen is better on the seeds to come.
    other = next(
        index
        for index, arm in enumerate(before["it-confirm"][0].arms)
        if arm.role == "candidate" and arm not in before["it-test"][0].arms
    )
    launches.score = lambda name, slot: float(name == "it-confirm" and slot % IN_ALL == other)
    launches.most = IN_ALL + 1  # of two new seeds for each
    stopped = confirm("--seeds", "3")
    assert (stopped.status, stopped.out.endswith(GOING_ON)) == (130, True)
    launches.most = None
    assert confirm().status == 0
    assert ended_well() == {"it": 4, "it-confirm": 3 * IN_ALL, "it-test": 3}
    assert chosen(spec_of("it-confirm"), trials_of("it-confirm")) != [*spec_of("it-test").arms]
    for name, (spec, trials) in before.items():
        assert spec_of(name).arms == spec.arms
        now = trials_of(name)
        assert [each.params for each in now[: len(trials)]] == [each.params for each in trials]
        assert [each.value for each in now[: len(trials)]] == [each.value for each in trials]
    assert confirm().status == 0  # nothing is left to do
    assert ended_well() == {"it": 4, "it-confirm": 3 * IN_ALL, "it-test": 3}


def test_a_test_that_was_made_larger_stays_so(confirm: Confirm) -> None:
    assert confirm("--seeds", "1").status == 0
    set_spec(studies.open_storage(URL), "it-test", spec_of("it-test").with_trials(3))
    assert confirm().status == 0
    assert ended_well()["it-test"] == 3


@pytest.fixture
def begun(confirm: Confirm, launches: Launches) -> Confirm:
    """The command, once the first stage has two seeds and the second one has begun."""
    launches.most = 2 * IN_ALL + 1
    assert confirm("--seeds", "2", "--train-on", "all").status == 130
    launches.names.clear()
    return confirm


def test_fewer_seeds_are_refused(begun: Confirm, launches: Launches) -> None:
    message = "lrstudy: the study has 2 seeds; a total of 1 is fewer\n"
    assert begun("--seeds", "1") == Outcome(2, "", message)
    assert launches.names == []


def test_another_top_is_refused_and_the_same_goes_on(begun: Confirm, launches: Launches) -> None:
    message = (
        f"lrstudy: study 'it' is being confirmed with other configurations, {IN_ALL} in all; "
        "without --top it continues with them\n"
    )
    for top in ("1", "3"):
        assert begun("--top", top) == Outcome(2, "", message)
    assert launches.names == []
    launches.most = None
    assert begun("--top", "2").status == 0


def test_other_images_are_refused_before_anything_runs(begun: Confirm, launches: Launches) -> None:
    message = "lrstudy: study 'it-test' exists already with --train-on all\n"
    for more in ([], ["--seeds", "4"], ["--dry-run"]):
        assert begun("--train-on", "train", *more) == Outcome(2, "", message)
    assert launches.names == []
    assert ended_well() == {"it": 4, "it-confirm": 2 * IN_ALL, "it-test": 1}
    launches.most = None
    assert begun().status == 0
    assert spec_of("it-test").train_on == "all"


def test_a_search_that_has_grown_is_still_confirmed_with_what_was_found(
    begun: Confirm, launches: Launches, search: Any
) -> None:
    grown = search.spec.with_trials(5)
    set_spec(search.storage, "it", grown)
    study = search.load()
    trial = study.ask()
    write_result(trial, grown)
    study.tell(trial, 0.99)
    arms, launches.most = spec_of("it-confirm").arms, None
    assert begun().status == 0
    assert spec_of("it-confirm").arms == arms
    assert begun("--top", "2").status == 2


def test_runs_that_failed_for_good_do_not_keep_the_rest_from_the_test(
    confirm: Confirm, launches: Launches
) -> None:
    """But the end is a failure all the same."""
    launches.broken = {("it-confirm", 2)}
    done = confirm("--seeds", "1")
    error = (
        f"lrstudy: study 'it-confirm' has ended, but 1 of {IN_ALL} trials failed for good; the "
        "last error: OSError: the disk is full\n"
    )
    assert (done.status, without_warnings(done)) == (1, error)
    assert ended_well() == {"it": 4, "it-confirm": IN_ALL - 1, "it-test": 1}
    again = confirm()
    assert (again.status, again.err) == (1, error)


# ---------------------------------------------------------------- what cannot be confirmed


def test_a_search_that_is_not_finished(search: Any, lrstudy: Command, launches: Launches) -> None:
    message = (
        "lrstudy: study 'it' is not finished: 4 of 4 trials are left; "
        f"`lrstudy resume it --storage {URL}` continues it\n"
    )
    for option in ([], ["--dry-run"]):
        assert lrstudy("confirm", "it", *option, "--storage", URL) == Outcome(1, "", message)
    assert ended_well() == {"it": 0}


def test_a_search_without_a_result(search: Any, lrstudy: Command, launches: Launches) -> None:
    study = search.load()
    for _ in range(4):
        trial = study.ask()
        write_result(trial, search.spec, "diverged")
        study.tell(trial, 0.1)
    outcome = lrstudy("confirm", "it", "--storage", URL)
    message = "study 'it' has no complete trial, so that nothing can be confirmed"
    assert_one_line(outcome, 2, message)


def test_a_score_that_its_history_denies_is_no_candidate(
    search: Any, lrstudy: Command, launches: Launches
) -> None:
    """The highest score of the search is left out, and it is said why."""
    finish(search)
    study = search.load()
    numbers = search.storage.get_all_trials(study._study_id)
    record = {"epoch": 0, "val_accuracy": 0.3, "first_lr": 0.1, "last_lr": 0.1}
    with writing(URL) as connection:
        set_attribute(connection, "it", numbers[0].number, "history", json.dumps([record]))
    outcome = lrstudy("confirm", "it", "--seeds", "1", "--storage", URL)
    assert outcome.status == 0
    assert without_warnings(outcome) == (
        "lrstudy: not counted, 1 trial contradicts what was recorded: trial 0: its score is 0.9, "
        "its history's last validation accuracy 0.3\n"
    )
    origins = [arm.origin for arm in spec_of("it-confirm").arms if arm.role == "candidate"]
    assert origins == [1, 2]


def test_an_unknown_study(confirm: Confirm, lrstudy: Command) -> None:
    outcome = lrstudy("confirm", "its", "--storage", URL)
    assert_one_line(outcome, 2, "unknown study 'its'. Did you mean 'it'? There are: it.")


@pytest.mark.parametrize("stage", ["it-confirm", "it-test"])
def test_a_later_stage(begun: Confirm, lrstudy: Command, stage: str) -> None:
    outcome = lrstudy("confirm", stage, "--storage", URL)
    assert_one_line(outcome, 2, f"study '{stage}' is a later stage of 'it': confirm that one")


def test_a_fixed_design(
    make_study: Any, lrstudy: Command, launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study(
        "chapter", 1, families=("constant/as-published",), task="tiny", name="chapter"
    )
    study = stored.load()
    trial = study.ask()
    write_result(trial, stored.spec)
    study.tell(trial, 0.5)
    outcome = lrstudy("confirm", "chapter", "--storage", URL)
    message = "'chapter' is no search: only the result of a search can be confirmed"
    assert_one_line(outcome, 2, message)


@pytest.mark.parametrize("stage", ["it-confirm", "it-test"])
def test_a_name_that_another_study_has(
    confirm: Confirm, make_study: Any, launches: Launches, stage: str
) -> None:
    """Found before the first stage is trained."""
    make_study(name=stage)
    for option in ([], ["--dry-run"]):
        outcome = confirm(*option)
        assert_one_line(outcome, 2, f"study '{stage}' exists already and is no stage of 'it'")
    assert launches.names == []


def test_a_device_that_is_not_there(confirm: Confirm) -> None:
    assert_one_line(confirm("--device", "cuda:9"), 2, "device 'cuda:9' is not available here")
    assert ended_well() == {"it": 4}


# ---------------------------------------------------------------- a bank


def test_a_bank_is_made_as_asked(
    lrstudy: Command, launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "fashion_mnist", TASKS["tiny"])
    size = ["--trials", "6", "--epochs", "1", "--train-size", "40", "--set", "batch_size=16"]
    done = lrstudy("run", "polynomial", "--bank", "--study", "bank", *size, "--storage", URL)
    assert (done.status, without_warnings(done)) == (0, "")
    spec, trials = spec_of("bank"), trials_of("bank")
    assert (spec.bank, spec.sampler, spec.pruner, spec.replicates) == (True, "random", "none", None)
    assert len(trials) == 6
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert not any(trial.user_attrs["baseline"] for trial in trials)
    for name in ("seed", "replicate"):
        assert len({trial.user_attrs[name] for trial in trials}) == 6
    assert len({trial.params["base_lr"] for trial in trials}) == 6
