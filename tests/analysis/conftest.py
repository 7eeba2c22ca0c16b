"""Studies planted from a known response surface, without any training."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FixedTrial, TrialState, create_trial

from search_spaces.config import TrialConfig
from search_spaces.spaces import find_space
from study.records import EpochRecord
from study.spec import SPEC_ATTR, StudySpec

Plant = Callable[..., str]
EDGE = 1.2  # base rate above which a trial without warmup diverges
PEAK = 0.4  # base rate of the best accuracy
EXPONENT = 1.5  # best exponent


def make_spec(space: str, trials: int, **changes: Any) -> StudySpec:
    """A spec with the space's quick preset and whatever differs from it."""
    module = find_space(space)
    budget = module.PRESETS["quick"].budget
    values: dict[str, Any] = {"budget": budget, "replicates": 2, "families": module.FAMILIES}
    values |= changes
    return StudySpec(space=space, trials=trials, ranges=module.ranges(values["budget"]), **values)


def accuracy(params: dict[str, float], rng: np.random.Generator, noise: float) -> float:
    """The planted validation accuracy at the end."""
    best = 0.88 - 0.03 * np.log10(params.get("base_lr", PEAK) / PEAK) ** 2
    best -= 0.02 * np.log2(params.get("exponent", EXPONENT) / EXPONENT) ** 2
    return float(np.clip(best + noise * rng.standard_normal(), 0.1, 0.99))


def history(config: TrialConfig, last: float, epochs: int, valid: bool) -> list[dict[str, Any]]:
    """Records that rise towards ``last``."""
    records = []
    for epoch in range(epochs):
        reached = last * (1 - 0.5 * np.exp(-3 * (epoch + 1) / config.epochs) + 0.5 * np.exp(-3))
        rates = config.schedule(np.array([epoch * 10, epoch * 10 + 9]), 10)
        train = reached + 0.03 * (epoch + 1) / config.epochs
        records.append(
            EpochRecord(
                epoch=epoch,
                first_lr=float(rates[0]),
                last_lr=float(rates[1]),
                train_loss=float(-np.log(train) * 2.5),
                train_accuracy=train,
                val_loss=float(-np.log(reached) * 2.5) if valid else None,
                val_accuracy=reached if valid else None,
                averaged_val_loss=float(-np.log(reached) * 2.4) if valid else None,
                averaged_val_accuracy=reached + 0.002 if valid else None,
                weight_norm={"conv1": 2.0 + epoch, "fc3": 3.0},
                distance={"conv1": 0.1 * (epoch + 1), "fc3": 0.2},
                seconds=0.5,
            ).to_json()
        )
    return records


def distributions(spec: StudySpec, params: dict[str, Any]) -> dict[str, BaseDistribution]:
    """The distribution of every parameter, as sampling would have left it in the trial."""
    found: dict[str, BaseDistribution] = {
        name: FloatDistribution(chosen.low, chosen.high, log=chosen.log)
        for name, chosen in spec.ranges.items()
        if name in params
    }
    return found | {"schedule": CategoricalDistribution(spec.families)}


def sample(spec: StudySpec, slot: int, rng: np.random.Generator) -> dict[str, float]:
    """Parameters of the slot's family, uniform on their scale (log where the range says so)."""
    asked = optuna.trial.FixedTrial(
        {
            name: float(
                np.exp(rng.uniform(np.log(chosen.low), np.log(chosen.high)))
                if chosen.log
                else rng.uniform(chosen.low, chosen.high)
            )
            for name, chosen in spec.ranges.items()
        }
    )
    spec.search_space.suggest_schedule(asked, spec.family(slot), spec.budget, spec.ranges)
    return dict(asked.params)


def make_trial(
    spec: StudySpec, slot: int, state: str, rng: np.random.Generator, noise: float, attempt: int
) -> optuna.trial.FrozenTrial:
    """One attempt at a slot, as lrstudy leaves it in the storage."""
    family, params = spec.family(slot), sample(spec, slot, rng)
    schedule = spec.search_space.suggest_schedule(
        FixedTrial(params), family, spec.budget, spec.ranges
    )
    seed = spec.training_seed(slot)
    config = TrialConfig(schedule=schedule, epochs=spec.budget.epochs, seed=seed)
    if state == "auto":
        edge = EDGE * (1 + params.get("warmup", 0.0))
        state = "diverged" if params.get("base_lr", 0.0) > edge else "complete"
    designed = spec.search_space.DESIGNED
    value = 0.1 if state in ("diverged", "stalled") else accuracy(params, rng, noise)
    epochs = {"diverged": 1, "pruned": 2, "failed": 1, "interrupted": 1}.get(state, config.epochs)
    attributes: dict[str, Any] = {
        "slot": slot,
        "attempt": attempt,
        "family": family,
        "replicate": spec.replicate(slot),
        "seed": seed,
        "config": config.model_dump(mode="json"),
        "history": history(config, value, epochs, not designed),
        "device": "cpu",
        "device_name": "Planted CPU",
        "host": "nowhere",
        "pid": 1,
        "threads": 1,
        "versions": {"lrstudy": "0.1.0", "python": "3.11", "torch": "2.9", "optuna": "5.0.0"},
        "revision": "0123456789abcdef",
        "baseline": spec.baseline(slot) is not None,
    }
    return create_trial(
        state={"pruned": TrialState.PRUNED}.get(
            state, TrialState.FAIL if state in ("failed", "interrupted") else TrialState.COMPLETE
        ),
        value=None if state in ("failed", "interrupted") else value,
        params={**params, "schedule": family},
        distributions=distributions(spec, params),
        user_attrs=attributes | _outcome(state, value, designed),
        intermediate_values={epoch: value for epoch in range(epochs) if not designed},
    )


def _outcome(state: str, value: float, designed: bool) -> dict[str, Any]:
    """The attributes that only some states have."""
    found: dict[str, Any] = {
        "complete": {"outcome": "finished"},
        "diverged": {"outcome": "diverged", "diverged_epoch": 0},
        "stalled": {"outcome": "stalled"},
        "failed": {"error": "Traceback ...\nRuntimeError: <b>no memory</b>"},
        "interrupted": {"interrupted": True},
    }.get(state, {})
    if designed and state == "complete":
        names = ("loss", "accuracy", "averaged_loss", "averaged_accuracy")
        found["test"] = dict(zip(names, (0.3, value, 0.29, value + 0.001), strict=True))
    return found


def plant_study(
    path: Path,
    space: str = "fixed_rate",
    trials: int = 16,
    *,
    name: str | None = None,
    states: dict[int, str] | None = None,
    everything: str = "auto",
    retries: dict[int, str] | None = None,
    upto: int | None = None,
    noise: float = 0.004,
    seed: int = 0,
    **changes: Any,
) -> str:
    """Plants a study into the SQLite file ``path`` and returns the storage URL.

    states: state of a slot; others get ``everything``, where ``auto`` lets the planted edge decide.
    retries: state of an earlier attempt at a slot. upto: slots from there on were not run yet.
    """
    url = f"sqlite:///{path}"
    rng = np.random.default_rng(seed)
    spec = make_spec(space, trials, seed=seed, **changes)
    storage = optuna.storages.RDBStorage(url)
    sa.event.listen(storage.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    storage.engine.dispose()
    study = optuna.create_study(storage=storage, study_name=name or space, direction="maximize")
    study.set_user_attr(SPEC_ATTR, spec.model_dump(mode="json"))
    begun = datetime(2026, 1, 2, 3, 4, 5)
    for slot in range(trials if upto is None else upto):
        tries = [(retries or {})[slot]] if slot in (retries or {}) else []
        for attempt, state in enumerate([*tries, (states or {}).get(slot, everything)]):
            trial = make_trial(spec, slot, state, rng, noise, attempt)
            trial.datetime_start = begun + timedelta(seconds=10 * slot)
            trial.datetime_complete = trial.datetime_start + timedelta(seconds=7.5)
            study.add_trial(trial)
    storage.engine.dispose()
    return url


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """``plant(space, trials, ...) -> url``: see ``plant_study``; one file for the whole test."""

    def planted(space: str = "fixed_rate", trials: int = 16, **options: Any) -> str:
        return plant_study(tmp_path / "planted.db", space, trials, **options)

    return planted


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A storage with a study of each space, named after it, and studies that came to nothing."""
    path = tmp_path_factory.mktemp("everything") / "planted.db"
    plant_study(path, "fixed_rate", 30, states={3: "pruned", 4: "stalled"}, noise=0.001)
    plant_study(path, "polynomial", 44, states={3: "pruned"}, noise=0.001)
    plant_study(path, "cosine", 12, states={5: "failed"})
    plant_study(path, "warmup", 30)
    plant_study(path, "chapter", 30, replicates=None)
    plant_study(path, "fixed_rate", 4, name="all diverged", everything="diverged")
    plant_study(path, "cosine", 6, name="all failed", everything="failed")
    plant_study(path, "warmup", 3, name="all pruned", everything="pruned")
    return plant_study(path, "polynomial", 4, name="none yet", upto=0)
