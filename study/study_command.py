"""The command that makes a study: stored in the study when it is made, derived for older ones.

It says in full what the study is asked to do, whatever was typed: a preset's number of trials and a
file's fields stand in it as options. The study's name, the storage, and what belongs to the machine
(workers, device, checkpoints) do not. `study.cli.choices` reads the same options the other way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.config import TrialConfig
from search_spaces.recipes import RECIPES
from study.spec import StudySpec

COMMAND_ATTR = "lrstudy_command"


def making_words(spec: StudySpec) -> list[str] | None:
    """The words after ``lrstudy`` that ask for a study of this spec, its name left out, such as
    ``run cosine --preset standard --trials 60 ...``; those of a later stage name its search.

    None where no preset has the spec's replicates and validation images, which only a file or a
    program can choose, and for a later stage of a plan, which its search's command makes.
    """
    if spec.source is not None:
        return None if spec.plan else [*_head(spec), *_confirming(spec)]
    if spec.compares:
        return _comparing(spec)
    preset = _preset(spec)
    return None if preset is None else [*_head(spec), *_running(spec, preset)]


def kept_words(spec: StudySpec, stored: Any) -> list[str] | None:
    """The words that a study carries, with the total that it has now: `lrstudy resume` and `lrstudy
    confirm` make it larger. Derived from the spec where there are none, or another program's.

    stored: the study's attribute COMMAND_ATTR, None where it has none.
    """
    size = _size(spec)
    whole = isinstance(stored, list) and all(isinstance(word, str) for word in stored)
    if not whole or stored[:2] != _head(spec) or size[0] not in stored[2:-1]:
        return making_words(spec)
    if spec.source is None and not {"--kernel", "--recipe"} <= {*stored}:
        return making_words(spec)  # from before there was a choice: today it might be another one
    place = stored.index(size[0], 2)
    return [*stored[:place], *size, *stored[place + 2 :]]


def _head(spec: StudySpec) -> list[str]:
    """Which command, and of what."""
    if spec.compares:
        return ["compare", spec.schedules[0]]
    if spec.source is not None:
        return ["confirm", spec.source]
    return ["answer" if spec.plan else "run", spec.space]


def _size(spec: StudySpec) -> list[str]:
    """The option that says how large the study is."""
    if spec.plan is not None:
        return ["--plan", spec.plan.model_dump_json()]
    if not spec.arms:
        return ["--trials", str(spec.trials)]
    return ["--seeds", str(spec.seeds)]


def _running(spec: StudySpec, preset: str) -> list[str]:
    words = _sized(spec, preset)
    if spec.bank:
        words += ["--bank"]
    elif not spec.designed:
        words += ["--sampler", spec.sampler, "--pruner", spec.pruner]
    return [*words, *_trained(spec), *_choices(spec), *_optimizer(spec, preset)]


def _comparing(spec: StudySpec) -> list[str] | None:
    preset = _preset(spec.model_copy(update={"bank": True}))  # whatever its replicates are
    if preset is None:
        return None
    pairs = ["--all-pairs"] if spec.all_pairs else []
    words = [*_head(spec), *spec.schedules[1:], *pairs, *_sized(spec, preset)]
    return [*words, *_trained(spec), *_optimizer(spec, preset)]


def _sized(spec: StudySpec, preset: str) -> list[str]:
    """The preset, and what differs from its size."""
    usual = spec.search_space.PRESETS[preset].budget
    words = ["--preset", preset, *_size(spec)]
    if spec.budget.epochs != usual.epochs:
        words += ["--epochs", str(spec.budget.epochs)]
    if spec.budget.train_size != usual.train_size:
        words += ["--train-size", str(spec.budget.train_size)]
    return words


def _trained(spec: StudySpec) -> list[str]:
    return ["--recipe", spec.recipe, "--seed", str(spec.seed), "--kernel", spec.kernel]


def _optimizer(spec: StudySpec, preset: str) -> list[str]:
    """``--set`` for what differs from the recipe's optimizer, and the preset's."""
    chosen = spec.search_space.PRESETS[preset].optimizer
    words = []
    values = _optimizer_values(spec, {**RECIPES[spec.recipe].optimizer, **chosen})
    for field, value in values.items():
        words += ["--set", f"{field}={str(value).lower() if isinstance(value, bool) else value}"]
    return words


def _confirming(spec: StudySpec) -> list[str]:
    words = _size(spec)
    families = [arm.family for arm in spec.arms if arm.role == "candidate"]
    if spec.stage == "confirm" and families:
        words += ["--top", str(max(map(families.count, families)))]
    elif spec.train_on == "all":
        words += ["--train-on", "all"]
    return words


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
    for text in spec.schedules:
        words += ["--schedule", text]
    for text in spec.tries:
        words += ["--try", text]
    if spec.families != space.FAMILIES:
        families = spec.families[: len(spec.families) - len(spec.schedules)]
        words += ["--set", f"schedule={','.join(families)}"]
    usual = space.ranges(spec.budget)
    for name, chosen in spec.ranges.items():
        if usual.get(name) == chosen:
            continue
        if chosen.fixed:
            words += ["--set", f"{name}={chosen.low!r}"]
        else:
            words += ["--range", f"{name}={chosen.low!r}:{chosen.high!r}"]
    return words
