"""What became of a study after all that was done to it: nothing lost, nothing done twice."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, replace

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from search_spaces.config import TrialConfig
from study.records import EpochRecord
from study.spec import StudySpec
from study.storage.studies import load_spec, open_storage
from study.tasks.task import TASKS, TaskData, first_images
from study.training.loop import diverged, start, train
from study.trials.objective import load_data

ENDED_WELL = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass
class Ledger:
    """Numbers of a study's slots and attempts; those from running on must be 0.

    diverged: slots whose trial did, and so has fewer epochs. repeated: epochs trained more often
    than once. too_many_repeated: slots that repeated more than one epoch for each attempt that was
    cut off. wrong_history: slots whose trial has not each epoch once; told says which epochs they
    have. different: slots whose result is not, bit for bit, that of an undisturbed run.
    """

    slots: int
    attempts: int
    interrupted: int
    failed: int
    diverged: int
    repeated: int
    running: int = 0
    lost: int = 0
    duplicated: int = 0
    too_many_repeated: int = 0
    wrong_history: int = 0
    different: int = 0
    told: tuple[str, ...] = ()

    @property
    def faultless(self) -> bool:
        """Whether the laws hold."""
        return not any(list(asdict(self).values())[6:]) and self.failed == 0

    def __str__(self) -> str:
        counts = {name: n for name, n in asdict(self).items() if name != "told"}
        words = [f"{name.replace('_', ' ')} {n}" for name, n in counts.items()]
        return ", ".join([*words, *self.told])


def ledger(url: str, name: str, *, repeat: bool) -> Ledger:
    """Read the study; ``repeat``: train every slot that had several attempts again, undisturbed,
    and compare."""
    storage = open_storage(url)
    spec, study = load_spec(storage, name), optuna.load_study(study_name=name, storage=storage)
    slots: dict[int, list[FrozenTrial]] = defaultdict(list)
    for trial in study.get_trials(deepcopy=False):
        slots[trial.user_attrs["slot"]].append(trial)
    trials = [trial for own in slots.values() for trial in own]
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    interrupted = [trial for trial in failed if trial.user_attrs.get("interrupted")]
    made = Ledger(
        slots=spec.trials,
        attempts=len(trials),
        interrupted=len(interrupted),
        failed=len(failed) - len(interrupted),
        diverged=sum(trial.user_attrs.get("outcome") == "diverged" for trial in trials),
        repeated=sum(map(_repeated, slots.values())),
        running=sum(trial.state == TrialState.RUNNING for trial in trials),
    )
    torch.set_num_threads(1)  # as each of several workers has, and so the same sums
    data = load_data(spec, torch.device("cpu"))
    for slot in range(spec.trials):
        ends = [trial for trial in slots[slot] if trial.state in ENDED_WELL]
        made.lost += not ends
        made.duplicated += len(ends) > 1
        made.too_many_repeated += _repeated(slots[slot]) > len(slots[slot]) - len(ends)
        for trial in ends[:1]:
            epochs = [record["epoch"] for record in trial.user_attrs["history"]]
            last = trial.user_attrs.get("diverged_epoch", spec.slot_budget(slot).epochs - 1)
            if epochs != list(range(last + 1)):
                made.wrong_history += 1
                states = [each.state.name.lower() for each in slots[slot]]
                made.told += (f"slot {slot} ({', '.join(states)}) has epochs {epochs}",)
            again = repeat and len(slots[slot]) > 1
            made.different += again and not _same(trial, spec, data)
    return replace(made, duplicated=made.duplicated + len(set(slots) - set(range(spec.trials))))


def _repeated(attempts: list[FrozenTrial]) -> int:
    """Epochs that the attempts at a slot trained beyond the first time."""
    trained = sum(
        len(each.user_attrs.get("history", [])) - each.user_attrs.get("epochs_restored", 0)
        for each in attempts
    )
    return trained - max((len(each.user_attrs.get("history", [])) for each in attempts), default=0)


def _same(trial: FrozenTrial, spec: StudySpec, data: TaskData) -> bool:
    """Whether the trial is what its configuration gives when nothing happens."""
    records, value = _undisturbed(trial, spec, data)
    told = [each | {"seconds": None} for each in trial.user_attrs["history"]]
    mine = [record.to_json() | {"seconds": None} for record in records]
    return told == mine and trial.value == value


def _undisturbed(
    trial: FrozenTrial, spec: StudySpec, data: TaskData
) -> tuple[list[EpochRecord], float | None]:
    """The epochs of the trial's configuration, and its score."""
    config, task = TrialConfig.model_validate(trial.user_attrs["config"]), TASKS[spec.task]
    own = first_images(data, spec.slot_budget(trial.user_attrs["slot"]).train_size)
    records: list[EpochRecord] = []
    for record in train(start(config, task, own, torch.device("cpu")), own):
        records.append(record)
        if diverged(records, task.classes):
            return records, task.worst_score
    return records, records[-1].val_accuracy
