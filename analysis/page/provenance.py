"""How a study was measured, and the command that runs it again."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.estimators.skew import FEWEST
from analysis.section import counted
from analysis.study import Study
from analysis.wording import listed
from search_spaces.words.phrases import count
from study.durations import duration
from study.spec import StudySpec
from study.storage import hints
from study.storage.hints import DEFAULT_STORAGE


def facts(study: Study) -> dict[str, str]:
    """What a reader needs to judge or repeat the study, by its name."""
    spec, attempts = study.spec, study.attempts
    seconds = float(attempts["seconds"].sum())
    shown = {
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
        "Recipe": spec.recipe,
        "Optimizer": _optimizer(spec),
        "Device": _distinct(attempts, "device_name"),
        "Threads a worker": _distinct(attempts, "threads"),
        "Kernel": spec.kernel,
        "Training time": f"{duration(seconds)}, summed over workers",
        "Versions": "; ".join(
            f"{name} {_distinct(attempts, f'version_{name}')}" for name in _versions(spec)
        ),
        "Source revision": _distinct(attempts, "revision"),
    }
    if study.made_by is not None:
        again = f"{spec.source or study.name}-again"
        shown["To run it again"] = command(again, study.made_by, study.address)
    return shown


def _versions(spec: StudySpec) -> list[str]:
    """What a study's numbers come from."""
    return ["lrstudy", "python", "torch", "optuna", *(["numba"] if spec.kernel == "numba" else [])]


def _shared(spec: StudySpec) -> dict[str, str]:
    """What shares the trials equally."""
    each = spec.seeds
    if not spec.arms:
        return {"Schedules": f"{len(spec.families)}, each with {count(each, 'trial')}"}
    candidates = sum(arm.role == "candidate" for arm in spec.arms)
    kinds = f"{candidates} from the search, {len(spec.arms) - candidates} for the question"
    smaller = sum(arm.budget is not None for arm in spec.arms)
    if smaller:
        kinds += f", {smaller} of these on fewer images or epochs"
    if spec.compares:
        kinds = "given, not searched"
    elif spec.stage == "test":
        kinds = "one for each schedule, chosen by mean validation accuracy"
        more = len(spec.arms) - len(spec.families)
        kinds += f", and in the same way {more} more for the question" if more else ""
    return {"Configurations": f"{len(spec.arms)} ({kinds}), each with {count(each, 'seed')}"}


def _intervals(spec: StudySpec) -> dict[str, str]:
    """How intervals of means over a later stage's seeds are made."""
    if not spec.arms:
        return {}
    return {
        "Intervals of means": "Student's t over the seeds that trained, lengthened on the side of "
        f"the longer tail; none below {FEWEST} seeds"
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


def command(name: str, words: Sequence[str], url: str = DEFAULT_STORAGE) -> str:
    """The command of `study_command` that makes the study under that name (a later stage: of the
    search of that name) in the storage."""
    verb, subject, *options = words
    if verb in ("run", "compare"):
        return hints.command(url, verb, subject, "--study", name, *options)
    return hints.command(url, verb, name, *options)
