"""One trial: what is trained, what lands in the database, and how it ends."""

from __future__ import annotations

import copy
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch import nn

from search_spaces.config import Arm, Budget, Range, TrialConfig
from study.records import EpochRecord, from_bits
from study.tasks.fashion_mnist import Images, Split
from study.tasks.task import TASKS, Task, TaskData, load_task_data
from study.training.calibration import metrics
from study.training.evaluation import evaluate
from study.training.loop import start, train
from study.trials import objective, scoring
from study.trials.objective import Interrupted, load_data, revision, run_trial, suggest_config
from study.trials.scoring import BestEpoch

CPU = torch.device("cpu")
EPOCHS = 3


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tiny_task: Task) -> list[Split]:
    """The splits whose files were opened; the task `tiny` takes the place of Fashion-MNIST."""
    seen: list[Split] = []

    def load(split: Split) -> Images:
        seen.append(split)
        return tiny_task.load(split)

    task = Task(name="tiny", classes=10, build=tiny_task.build, load=load)
    monkeypatch.setitem(TASKS, "tiny", task)
    return seen


Trials = Callable[..., tuple[optuna.Trial, Any]]


@pytest.fixture
def ask(make_study: Any, opened: list[Split]) -> Trials:
    """``ask(space, base_lr=..., **changes) -> (trial, spec)`` of a study on the tiny images."""

    def asked(space: str = "fixed_rate", base_lr: float = 0.05, **changes: Any) -> Any:
        values: dict[str, Any] = {"epochs": EPOCHS, "task": "tiny", "pruner": "none"} | changes
        if space == "fixed_rate":
            values["ranges"] = {"base_lr": Range(low=base_lr, high=base_lr, log=True)}
        optimizer = {"batch_size": 25, "momentum": 0.9, "init": "xavier_uniform"}
        values = {"trials": 1, "optimizer": optimizer} | values
        stored = make_study(space, **values)
        return stored.load().ask(), stored.spec

    return asked


def run(trial: optuna.Trial, spec: Any, **options: Any) -> float:
    defaults: dict[str, Any] = {"on_epoch": lambda _: None, "should_stop": lambda: False}
    return run_trial(trial, spec, load_data(spec, CPU), CPU, **defaults | options)


def stored_attrs(trial: optuna.Trial) -> dict[str, Any]:
    """As another process reads them."""
    return trial.study.trials[trial.number].user_attrs


def test_all_that_was_measured_lands_in_the_trial(ask: Trials) -> None:
    trial, spec = ask()
    seen: list[EpochRecord] = []
    score = run(trial, spec, on_epoch=seen.append)
    attrs = stored_attrs(trial)
    assert TrialConfig.model_validate(attrs["config"]) == suggest_config(trial, spec)
    assert attrs["config"]["seed"] == attrs["seed"] == spec.training_seed(0)
    assert attrs["config"]["batch_size"] == 25
    assert [each["epoch"] for each in attrs["history"]] == [0, 1, 2]
    assert attrs["history"] == [each.to_json() for each in seen]
    assert {each["first_lr"] for each in attrs["history"]} == {0.05}
    assert attrs["outcome"] == "finished"
    assert (attrs["device"], attrs["threads"]) == ("cpu", torch.get_num_threads())
    assert attrs["device_name"]
    assert set(attrs["versions"]) == {"lrstudy", "python", "torch", "optuna"}
    assert attrs["versions"]["torch"] == torch.__version__
    assert attrs["revision"] == revision()
    assert "diverged_epoch" not in attrs
    assert score > 0.2


def test_the_score_is_the_last_epochs_raw_accuracy_and_the_average_is_reported(ask: Trials) -> None:
    trial, spec = ask()
    score = run(trial, spec)
    history = stored_attrs(trial)["history"]
    averaged = [each["averaged_val_accuracy"] for each in history]
    assert score == pytest.approx(history[-1]["val_accuracy"])
    reported = trial.study.trials[trial.number].intermediate_values
    assert reported == {epoch: pytest.approx(value) for epoch, value in enumerate(averaged)}
    assert averaged != [each["val_accuracy"] for each in history]


def test_a_trial_is_what_its_configuration_trains(ask: Trials) -> None:
    """The same numbers as the training loop gives on its own."""
    trial, spec = ask()
    score = run(trial, spec)
    data = load_data(spec, CPU)
    records = list(train(start(suggest_config(trial, spec), TASKS["tiny"], data, CPU), data))
    assert score == records[-1].val_accuracy
    history = stored_attrs(trial)["history"]
    assert [each["train_loss"] for each in history] == [
        each.to_json()["train_loss"] for each in records
    ]


def test_a_diverged_trial_scores_as_a_guess_and_names_its_epoch(ask: Trials) -> None:
    trial, spec = ask(base_lr=1e6)
    assert run(trial, spec) == 0.1
    attrs = stored_attrs(trial)
    assert attrs["outcome"] == "diverged"
    assert attrs["diverged_epoch"] == len(attrs["history"]) - 1 == 0
    assert trial.study.trials[trial.number].intermediate_values == {}


def test_a_trial_that_learns_nothing_is_stalled_not_diverged(ask: Trials) -> None:
    trial, spec = ask(base_lr=1e-9)
    score = run(trial, spec)
    attrs = stored_attrs(trial)
    assert attrs["outcome"] == "stalled"
    assert score == pytest.approx(attrs["history"][-1]["val_accuracy"])
    assert score < 0.145
    assert len(attrs["history"]) == EPOCHS
    assert all(math.isfinite(each["train_loss"]) for each in attrs["history"])


def test_a_pruned_trial_keeps_what_it_measured(ask: Trials) -> None:
    class Always(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return trial.last_step == 1

    trial, spec = ask()
    trial.study.pruner = Always()
    with pytest.raises(optuna.TrialPruned):
        run(trial, spec)
    attrs = stored_attrs(trial)
    assert [each["epoch"] for each in attrs["history"]] == [0, 1]
    assert "outcome" not in attrs


def test_a_worker_that_must_leave_stops_between_two_epochs(ask: Trials) -> None:
    trial, spec = ask()
    seen: list[EpochRecord] = []
    with pytest.raises(Interrupted):
        run(trial, spec, on_epoch=seen.append, should_stop=lambda: len(seen) == 2)
    assert [each["epoch"] for each in stored_attrs(trial)["history"]] == [0, 1]


def test_a_trial_that_has_trained_its_last_epoch_is_finished_all_the_same(ask: Trials) -> None:
    trial, spec = ask()
    seen: list[EpochRecord] = []
    score = run(trial, spec, on_epoch=seen.append, should_stop=lambda: len(seen) == EPOCHS)
    assert score == seen[-1].val_accuracy


def assert_bits(attrs: dict[str, Any], **correct: Any) -> None:
    """Which test images each set of weights had right, as the trial keeps it."""
    assert set(attrs["test_correct"]) == set(correct)
    for name, expected in correct.items():
        found = from_bits(attrs["test_correct"][name], attrs["test"]["images"])
        np.testing.assert_array_equal(found, expected)
        prefix = "" if name == "last" else f"{name}_"
        assert found.mean() == pytest.approx(attrs["test"][f"{prefix}accuracy"])


def test_a_search_never_opens_the_test_files(ask: Trials, opened: list[Split]) -> None:
    trial, spec = ask()
    run(trial, spec)
    assert set(opened) == {"train"}
    assert "test" not in stored_attrs(trial)


def test_a_design_trains_on_every_image_and_reads_the_test_once(
    ask: Trials, opened: list[Split]
) -> None:
    trial, spec = ask("chapter", trials=1, families=("constant/as-published",), epochs=6)
    data = load_data(spec, CPU)
    assert len(data.train.labels) == 600
    assert data.val is None
    score = run(trial, spec)
    attrs = stored_attrs(trial)
    state = start(suggest_config(trial, spec), TASKS["tiny"], data, CPU)
    records = list(train(state, data))
    assert data.test is not None
    raw, averaged = evaluate(state.model, data.test), evaluate(state.averaged, data.test)
    assert score == raw.accuracy
    assert attrs["test"] == {
        "loss": pytest.approx(raw.loss),
        "accuracy": raw.accuracy,
        "averaged_loss": pytest.approx(averaged.loss),
        "averaged_accuracy": averaged.accuracy,
        "best_epoch": None,
        "images": 100,
    }
    assert_bits(attrs, last=raw.correct, averaged=averaged.correct)
    assert [each["val_accuracy"] for each in attrs["history"]] == [None] * 6
    assert len(records) == 6
    assert trial.study.trials[trial.number].intermediate_values == {}
    assert set(opened) == {"train", "test"}


def test_the_budget_says_how_many_images_are_used(make_spec: Any, opened: list[Split]) -> None:
    budget = {"epochs": 2, "train_size": 40, "val_size": 20}
    spec = make_spec("fixed_rate", 1, budget=budget, task="tiny")
    data = load_data(spec, CPU)
    assert data.val is not None
    assert (len(data.train.labels), len(data.val.labels)) == (40, 20)


def test_replicates_share_the_start_and_families_differ(ask: Trials) -> None:
    trial, spec = ask("polynomial", trials=4, replicates=1)
    first = suggest_config(trial, spec)
    second = suggest_config(trial.study.ask(), spec)
    assert first.seed == second.seed
    assert (first.schedule.family, second.schedule.family) == ("polynomial", "inverse_power")


def test_the_revision_is_gits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    revision.cache_clear()
    package = tmp_path / "study" / "trials"
    monkeypatch.setattr(objective, "__file__", str(package / "objective.py"))
    assert revision() is None  # installed, not in git
    who = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    (tmp_path / "a").write_text("1")
    for command in (["init", "-q"], ["add", "a"], [*who, "commit", "-qm", "m"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    head = ["git", "-C", str(tmp_path), "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    revision.cache_clear()
    assert revision() == commit
    (tmp_path / "a").write_text("2")
    revision.cache_clear()
    assert revision() == f"{commit}+"
    revision.cache_clear()


# ---------------------------------------------------------------- later stages


ARM = Arm(family="constant", parameters={"base_lr": 0.05})
LATER: dict[str, Any] = {"arms": (ARM,), "source": "it", "replicates": None}


def test_a_confirm_trial_is_a_validation_and_never_opens_the_test_files(
    ask: Trials, opened: list[Split]
) -> None:
    trial, spec = ask(stage="confirm", **LATER)
    score = run(trial, spec)
    attrs = stored_attrs(trial)
    assert set(opened) == {"train"}
    assert not {"test", "test_correct"} & set(attrs)
    assert attrs["arm"] == 0
    assert attrs["config"]["schedule"]["base_lr"] == 0.05
    assert score == pytest.approx(attrs["history"][-1]["val_accuracy"])


def test_the_test_images_are_read_with_three_sets_of_weights(
    ask: Trials, opened: list[Split]
) -> None:
    """Their numbers are those of a second training that keeps every epoch's weights by hand."""
    trial, spec = ask(stage="test", epochs=5, **LATER)
    score = run(trial, spec)
    attrs = stored_attrs(trial)
    assert set(opened) == {"train", "test"}
    data = load_task_data(TASKS["tiny"], test=True, device=CPU)
    assert data.test is not None
    state = start(suggest_config(trial, spec), TASKS["tiny"], data, CPU)
    kept, validated = [], []
    for record in train(state, data):
        kept.append(copy.deepcopy(state.model))
        validated.append(record.val_accuracy or 0.0)
    best = int(np.argmax(validated))
    raw, averaged = evaluate(state.model, data.test), evaluate(state.averaged, data.test)
    at_best = evaluate(kept[best], data.test)
    assert attrs["test"] == {
        "loss": pytest.approx(raw.loss),
        "accuracy": raw.accuracy,
        "averaged_loss": pytest.approx(averaged.loss),
        "averaged_accuracy": averaged.accuracy,
        "best_loss": pytest.approx(at_best.loss),
        "best_accuracy": at_best.accuracy,
        "best_epoch": best,
        "images": 100,
    }
    assert_bits(attrs, last=raw.correct, averaged=averaged.correct, best=at_best.correct)
    assert score == raw.accuracy
    assert [each["val_accuracy"] for each in attrs["history"]] == pytest.approx(validated)


def test_on_all_images_there_is_no_best_epoch(ask: Trials, opened: list[Split]) -> None:
    trial, spec = ask(stage="test", train_on="all", **LATER)
    assert len(load_data(spec, CPU).train.labels) == 600
    score = run(trial, spec)
    attrs = stored_attrs(trial)
    assert set(attrs["test"]) == {
        *("loss", "accuracy", "averaged_loss", "averaged_accuracy", "best_epoch", "images")
    }
    assert attrs["test"]["best_epoch"] is None
    assert set(attrs["test_correct"]) == {"last", "averaged"}
    assert score == attrs["test"]["accuracy"]
    assert [each["val_accuracy"] for each in attrs["history"]] == [None] * EPOCHS


def test_a_diverged_trial_does_not_read_the_test_images(
    ask: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "evaluate", lambda *_: pytest.fail("evaluated"))
    hot = Arm(family="constant", parameters={"base_lr": 1e6})
    trial, spec = ask(base_lr=1e6, stage="test", **LATER | {"arms": (hot,)})
    assert run(trial, spec) == 0.1
    assert not {"test", "test_correct"} & set(stored_attrs(trial))


def test_an_arm_trains_on_its_own_images_for_its_own_epochs(ask: Trials) -> None:
    small = ARM.model_copy(update={"budget": Budget(epochs=2, train_size=60)})
    trial, spec = ask(stage="confirm", trials=2, **LATER | {"arms": (small, ARM)})
    run(trial, spec)
    data = load_task_data(TASKS["tiny"], train_size=60, device=CPU)
    records = list(train(start(suggest_config(trial, spec), TASKS["tiny"], data, CPU), data))
    history = stored_attrs(trial)["history"]
    assert len(history) == len(records) == 2
    for found, expected in zip(history, records, strict=True):
        for name in ("train_loss", "val_loss", "val_accuracy"):
            assert found[name] == expected.to_json()[name]
    second = trial.study.ask()
    seen: list[EpochRecord] = []
    with pytest.raises(Interrupted):
        run(second, spec, on_epoch=seen.append, should_stop=lambda: True)
    assert suggest_config(second, spec).epochs == EPOCHS
    assert second.user_attrs["seed"] == trial.user_attrs["seed"]


def epoch(number: int, accuracy: float | None) -> EpochRecord:
    layers: dict[str, float] = {}
    return EpochRecord(
        number, 0.1, 0.1, 1.0, 0.5, accuracy, accuracy, accuracy, accuracy, layers, layers, 1.0
    )


def test_the_best_epoch_is_the_first_of_the_highest_with_its_own_weights() -> None:
    model, best = nn.Linear(1, 1, bias=False), BestEpoch()
    for number, accuracy in enumerate([0.0, 0.3, 0.7, 0.2, 0.7]):
        with torch.no_grad():
            model.weight.fill_(number)
        best.see(epoch(number, accuracy), model)
    assert (best.epoch, best.accuracy) == (2, 0.7)
    assert best.model is not None
    assert best.model.get_parameter("weight").item() == 2.0
    guess = BestEpoch()
    guess.see(epoch(0, 0.0), model)
    assert guess.epoch == 0
    never = BestEpoch()
    never.see(epoch(0, None), model)
    assert (never.epoch, never.model) == (None, None)


SAMPLES = Arm(
    family="sgld",
    parameters={
        "base_lr": 0.05,
        "gamma": 0.6,
        "temperature": 0.01,
        "prior_precision": 1.0,
        "burn_in": 1.0,
    },
)


def sampled_by_hand(trial: optuna.Trial, spec: Any, data: TaskData) -> dict[str, Any]:
    """The averaged probabilities of a second training, by split."""
    state = start(suggest_config(trial, spec), TASKS["tiny"], data, CPU)
    list(train(state, data))
    assert state.predictions is not None
    return {split: each.numpy() for split, each in state.predictions.probabilities(data).items()}


def test_a_search_is_judged_by_what_the_samples_predict_on_validation_images(ask: Trials) -> None:
    optimizer = {"batch_size": 25, "init": "xavier_uniform"}
    trial, spec = ask("langevin", trials=5, optimizer=optimizer)
    score = run(trial, spec)
    attrs, data = stored_attrs(trial), load_data(spec, CPU)
    assert data.val is not None
    predicted = sampled_by_hand(trial, spec, data)["val"]
    expected = metrics(predicted, data.val.labels.numpy())
    judged = attrs["predictive"]
    assert judged["sampled"] == {"val": pytest.approx(expected._asdict())}
    assert score == judged["sampled"]["val"]["accuracy"] > 0.2
    last = attrs["history"][-1]
    assert judged["last"]["val"]["accuracy"] == pytest.approx(last["val_accuracy"])
    assert judged["last"]["val"]["nll"] == pytest.approx(last["val_loss"], rel=1e-5)
    assert judged["samples"] == 1  # sgd, the first family: the last weights alone
    assert judged["last"] == judged["sampled"]


def test_test_images_are_scaled_by_what_fits_the_validation_images(ask: Trials) -> None:
    optimizer = {"batch_size": 25, "init": "xavier_uniform"}
    later = {"stage": "test", "source": "it", "arms": (SAMPLES,), "families": ("sgld",)}
    trial, spec = ask("langevin", sampler="random", optimizer=optimizer, **later)
    score = run(trial, spec)
    attrs, data = stored_attrs(trial), load_data(spec, CPU)
    assert data.val is not None
    assert data.test is not None
    found = sampled_by_hand(trial, spec, data)
    labels = data.test.labels.numpy()
    expected = metrics(found["test"], labels, (found["val"], data.val.labels.numpy()))
    judged = attrs["predictive"]
    assert judged["sampled"]["test"] == pytest.approx(expected._asdict())
    assert set(judged["last"]) == {"val", "test"}
    assert judged["samples"] == 4
    assert score == expected.accuracy
    right = from_bits(attrs["test_correct"]["sampled"], 100)
    assert (right == (found["test"].argmax(axis=1) == labels)).all()
    assert set(attrs["test_correct"]) == {"last", "averaged", "best", "sampled"}


def test_the_noise_of_the_gradient_is_kept_as_a_temperature(ask: Trials) -> None:
    optimizer = {"batch_size": 25, "init": "xavier_uniform"}
    trial, spec = ask("langevin", trials=5, optimizer=optimizer)
    run(trial, spec)
    attrs = stored_attrs(trial)
    noise, lr = attrs["gradient_noise"], attrs["history"][-1]["last_lr"]
    model = TASKS["tiny"].build(suggest_config(trial, spec))
    parameters = sum(each.numel() for each in model.parameters())
    assert noise["parameters"] == parameters
    assert noise["trace"] > 0
    expected = lr * 500 * noise["trace"] / (2 * 25 * parameters)
    assert noise["temperature"] == pytest.approx(expected, rel=1e-6)


def test_other_spaces_sample_nothing(ask: Trials) -> None:
    trial, spec = ask()
    run(trial, spec)
    assert not {"predictive", "gradient_noise"} & set(stored_attrs(trial))
