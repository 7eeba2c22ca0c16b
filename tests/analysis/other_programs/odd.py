"""Studies that another program may well have made, each with something odd about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.storage.studies import open_storage

LONG = "layer.0.attention.output.dense.weight_decay_of_the_parameter_group." * 8
NAMES = (
    *("<b>x</b>", "<script>alert(1)</script>", "**x** [y](http://127.0.0.1:9) `z` | _w_", "a\nb"),
    *(
        LONG,
        "学习率 λ 🎲",
        "u\u202eabc\x1b[31m",
        "  learning rate  ",
        "$x_1^{$",
        r"\frac{",
        "%s {0}",
        LONG + "b",
    ),
    *("x", "X", "x ", "x-", "x_", "value", "trial", "state", "seconds", "study", "step"),
    *("params_x", "user_attrs_x", "user_attrs_params_x", "base_lr", "family", "schedule"),
)
CHOICES = (None, True, False, 1, 1.0, 0, "1", "None", "True", "", "a\nb", "<i>", LONG)
NOT_FINITE = (math.nan, math.inf, -math.inf)
WIDE = FloatDistribution(-1.7e308, 1.7e308)


@dataclass(frozen=True)
class Odd:
    """A study. directions: one for each objective."""

    trials: Sequence[FrozenTrial]
    name: str = "theirs"
    directions: Sequence[str] = ("minimize",)


def trial(
    value: float | None,
    params: Mapping[str, Any] | None = None,
    kinds: Mapping[str, BaseDistribution] | None = None,
    reports: Sequence[float] = (),
    state: TrialState = TrialState.COMPLETE,
    values: Sequence[float] | None = None,
) -> FrozenTrial:
    """A trial; parameters without a distribution are numbers from 0 to 1."""
    known = {name: FloatDistribution(0.0, 1.0) for name in params or {}} | dict(kinds or {})
    return create_trial(
        state=state,
        value=value,
        values=values,
        params=dict(params or {}),
        distributions={name: known[name] for name in params or {}},
        intermediate_values=dict(enumerate(reports)),
    )


def _named(names: Sequence[str]) -> list[FrozenTrial]:
    return [
        trial(0.1 * n, {name: ((n * (k + 3)) % 24) / 24 for k, name in enumerate(names)})
        for n in range(24)
    ]


def _chosen(choices: Sequence[Any]) -> list[FrozenTrial]:
    kind = {"choice": CategoricalDistribution(choices), "x": FloatDistribution(0.0, 1.0)}
    return [
        trial(float(n % 7), {"choice": choices[n % len(choices)], "x": n / 30}, kind)
        for n in range(30)
    ]


def _conditional() -> list[FrozenTrial]:
    """Parameters that only some trials have, one that changes its kind, and trials without any."""
    made = []
    for n in range(30):
        params: dict[str, Any] = {"kind": ["a", "b"][n % 2]} if n % 5 else {}
        kinds: dict[str, Any] = {"kind": CategoricalDistribution(["a", "b"])}
        if params:
            params |= {f"{params['kind']}.depth": n}
            kinds |= {f"{params['kind']}.depth": IntDistribution(0, 99)}
        made.append(trial(float(n), params, kinds))
    return made


_EXTREME = (0.0, -0.0, 5e-324, 1e-308, -1.7e308, 1.7e308, 1e300, 1e-300)
STUDIES: dict[str, Odd] = {
    "names": Odd(_named(NAMES)),
    "names of columns": Odd(_named(["value", "trial", "state", "seconds"])),
    "a study's name": Odd(_named("x"), name="</title><script>alert(1)</script>"),
    "a study's long name": Odd(_named("x"), name=("名前 / .. \\ : * " * 30)[:500]),
    "choices": Odd(_chosen(CHOICES)),
    **{
        f"the best is {choice!r}": Odd(_chosen([choice, *NOT_FINITE, 1e308, "x"]))
        for choice in (math.inf, math.nan, None, "None", False)
    },
    "one choice": Odd(_chosen([None])),
    "conditional parameters": Odd(_conditional()),
    "no parameters": Odd([trial(float(n), reports=[1.0, 0.5]) for n in range(25)]),
    "no trial": Odd([]),
    "none complete": Odd(
        [
            *(trial(None, {"x": 0.5}, reports=[1.0], state=TrialState.PRUNED) for _ in range(3)),
            trial(None, {"x": 0.5}, state=TrialState.FAIL),
            trial(None, {"x": 0.5}, state=TrialState.RUNNING),
            trial(None, state=TrialState.WAITING),
        ]
    ),
    "values that are all infinite": Odd([trial(math.inf, {"x": n / 9}) for n in range(9)]),
    "values of both infinities": Odd(
        [trial(each, {"x": 0.1}) for each in (math.inf, -math.inf)], directions=("maximize",)
    ),
    "reports that are not finite": Odd(
        [trial(float(n), {"x": n / 30}, reports=NOT_FINITE) for n in range(30)]
        + [trial(None, {"x": 0.1}, reports=[math.nan], state=TrialState.PRUNED)]
    ),
    "huge values": Odd(
        [
            trial(each, {"x": each, "y": -each}, {"x": WIDE, "y": WIDE}, reports=[each, -each])
            for each in _EXTREME * 3
        ]
        + [trial(None, {"x": 0.0}, {"x": WIDE}, reports=[1.7e308], state=TrialState.PRUNED)]
    ),
    "huge integers": Odd(
        [
            trial(
                float(n),
                {"n": (-1) ** n * 2**62, "m": n},
                {"n": IntDistribution(-(2**62), 2**62), "m": IntDistribution(0, 50)},
            )
            for n in range(24)
        ]
    ),
    "equal values": Odd(
        [trial(1.0, {"x": n / 30, "y": 0.5}, reports=[1.0] * 3) for n in range(30)]
    ),
    "huge steps": Odd(
        [
            create_trial(value=float(n), intermediate_values={-1: 1.0, 0: 2.0, 2**31 - 1: 3.0})
            for n in range(4)
        ]
    ),
    "many objectives": Odd(
        [trial(None, {"x": n / 9}, values=[float(n), math.inf, -float(n)]) for n in range(9)],
        directions=("minimize", "maximize", "minimize"),
    ),
}


def plant(odd: Odd, path: Path) -> str:
    """The URL of a new SQLite file with the study."""
    url = f"sqlite:///{path}"
    storage = open_storage(url, create=True)
    study = optuna.create_study(
        storage=storage, study_name=odd.name, directions=list(odd.directions)
    )
    study.add_trials(list(odd.trials))
    storage.engine.dispose()
    return url
