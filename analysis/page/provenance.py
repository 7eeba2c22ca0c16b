"""How a study was measured, and the command that runs it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.estimators.intervals import N_BOOTSTRAP
from analysis.section import counted
from analysis.study import Study
from analysis.wording import listed
from search_spaces.config import TrialConfig
from search_spaces.words.phrases import count
from study.durations import duration
from study.spec import StudySpec
from study.storage import hints
from study.storage.hints import DEFAULT_STORAGE


def facts(study: Study) -> dict[str, str]:
    """What a reader needs to judge or repeat the study, by its name."""
    spec, attempts = study.spec, study.attempts
    seconds = float(attempts["seconds"].sum())
    found = {
        "Trials": f"{spec.trials} planned: {listed(counted(study))}",
        "Attempts": f"{len(attempts)}, repeated ones included",
        **_shared(spec),
        **_intervals(spec),
        "Training seeds": f"{attempts['seed'].nunique()} used; trials of one seed share initial "
        "weights and the order of the images",
        "Epochs": f"{spec.budget.epochs} a trial",
        "Training images": _images(spec),
        "Judged on": "test images, once, at the end"
        if spec.reads_test
        else "validation images; the test images were not read",
        "Sampler": _sampler(spec),
        "Pruner": spec.pruner,
        "Optimizer": _optimizer(spec),
        "Device": _distinct(attempts, "device_name"),
        "Threads a worker": _distinct(attempts, "threads"),
        "Training time": f"{duration(seconds)}, summed over workers",
        "Versions": "; ".join(
            f"{name} {_distinct(attempts, f'version_{name}')}"
            for name in ("lrstudy", "python", "torch", "optuna")
        ),
        "Source revision": _distinct(attempts, "revision"),
    }
    again = command(f"{spec.source or study.name}-again", spec, study.address)
    return found | ({"To run it again": again} if again else {})


def _shared(spec: StudySpec) -> dict[str, str]:
    """What shares the trials equally."""
    each = spec.turn(spec.trials)
    if not spec.arms:
        return {"Schedules": f"{len(spec.families)}, each with {count(each, 'trial')}"}
    found = sum(arm.role == "candidate" for arm in spec.arms)
    kinds = f"{found} from the search, {len(spec.arms) - found} for the question"
    smaller = sum(arm.budget is not None for arm in spec.arms)
    if smaller:
        kinds += f", {smaller} of these on fewer images or epochs"
    if spec.stage == "test":
        kinds = "one for each schedule, chosen by mean validation accuracy"
    return {"Configurations": f"{len(spec.arms)} ({kinds}), each with {count(each, 'seed')}"}


def _intervals(spec: StudySpec) -> dict[str, str]:
    """How intervals of means over a later stage's seeds are made."""
    if not spec.arms:
        return {}
    return {
        "Intervals of means": f"Student's t over seeds; from {N_BOOTSTRAP} seeds on a BCa bootstrap"
    }


def _sampler(spec: StudySpec) -> str:
    if spec.arms:
        return "none: given configurations"
    if spec.designed:
        return "none: a fixed design"
    return f"{spec.sampler}, a bank of independent trials" if spec.bank else spec.sampler


def _images(spec: StudySpec) -> str:
    if spec.budget.train_size is not None:
        return f"{spec.budget.train_size:,}"
    return "all but the validation images" if spec.validates else "all"


def _optimizer(spec: StudySpec) -> str:
    changed = [f"{name} {value}" for name, value in spec.optimizer.items()]
    return ", ".join(["SGD", *changed]) + ("" if changed else " with its defaults")


def _distinct(attempts: pd.DataFrame, column: str) -> str:
    values = attempts[column].dropna().unique()
    words = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    return ", ".join(words) or "not recorded"


def command(name: str, spec: StudySpec, url: str = DEFAULT_STORAGE) -> str | None:
    """The command that runs the same study again under that name (of a later stage: of its search)
    in the storage; None where no preset has its replicates and validation images, which only a
    program can choose."""
    if spec.source is not None:
        return _confirming(spec, name, url)
    preset = _preset(spec)
    if preset is None:
        return None
    usual = spec.search_space.PRESETS[preset].budget
    optimizer = _optimizer_values(spec, spec.search_space.PRESETS[preset].optimizer)
    words = ["--study", name, "--preset", preset]
    words += ["--trials", str(spec.trials)]
    if spec.budget.epochs != usual.epochs:
        words += ["--epochs", str(spec.budget.epochs)]
    if spec.budget.train_size != usual.train_size:
        words += ["--train-size", str(spec.budget.train_size)]
    if spec.bank:
        words += ["--bank"]
    elif not spec.designed:
        words += ["--sampler", spec.sampler, "--pruner", spec.pruner]
    words += ["--seed", str(spec.seed), *_choices(spec)]
    for field, value in optimizer.items():
        words += ["--set", f"{field}={str(value).lower() if isinstance(value, bool) else value}"]
    return hints.command(url, "run", spec.space, *words)


def _confirming(spec: StudySpec, source: str, url: str) -> str:
    words = ["--seeds", str(spec.turn(spec.trials))]
    if spec.stage == "confirm":
        families = [arm.family for arm in spec.arms if arm.role == "candidate"]
        words += ["--top", str(max(families.count(family) for family in families))]
    elif spec.train_on == "all":
        words += ["--train-on", "all"]
    return hints.command(url, "confirm", source, *words)


def _preset(spec: StudySpec) -> str | None:
    for name, preset in spec.search_space.PRESETS.items():
        sizes = (None, preset.budget.train_size)
        same = spec.bank or preset.replicates == spec.replicates
        same = same and preset.budget.val_size == spec.budget.val_size
        if same and (spec.budget.train_size is not None or sizes[1] is None):
            return name
    return None


def _optimizer_values(spec: StudySpec, preset: Mapping[str, Any]) -> dict[str, Any]:
    """The study's optimizer where it differs from the preset's."""
    names = [*spec.optimizer, *(name for name in preset if name not in spec.optimizer)]
    defaults = {name: TrialConfig.model_fields[name].default for name in names}
    asked, usual = defaults | spec.optimizer, defaults | dict(preset)
    return {name: asked[name] for name in names if asked[name] != usual[name]}


def _choices(spec: StudySpec) -> list[str]:
    """``--set`` and ``--range`` for what differs from the space's own."""
    space, words = spec.search_space, []
    if spec.families != space.FAMILIES:
        words += ["--set", f"schedule={','.join(spec.families)}"]
    usual = space.ranges(spec.budget)
    for name, chosen in spec.ranges.items():
        if usual.get(name) == chosen:
            continue
        if chosen.fixed:
            words += ["--set", f"{name}={chosen.low!r}"]
        else:
            words += ["--range", f"{name}={chosen.low!r}:{chosen.high!r}"]
    return words
