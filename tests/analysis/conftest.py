"""Studies planted from a known response surface, without any training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FixedTrial, TrialState, create_trial
from scipy import stats

from analysis.figures import style
from search_spaces.config import TrialConfig
from search_spaces.spaces import find_space
from study.records import EpochRecord, to_bits
from study.spec import SPEC_ATTR, StudySpec, TrainOn
from study.stages import confirm_spec, sibling
from study.stages import test_spec as spec_of_test
from tests.analysis.bulk import add_trials
from tests.analysis.measured import measuring

Plant = Callable[..., str]
EDGE = 1.2  # base rate above which a trial without warmup diverges
PEAK = 0.4  # base rate of the best accuracy
EXPONENT = 1.5  # best exponent
IMAGES = 400  # test images of a planted test stage
TEMPERATURE = 0.01  # whose calibrated NLL is the least
SURPRISED = 0.05  # nats of calibrated NLL that sgd has above every sampler
NOISE = 2e-4  # temperature of a minibatch's own noise


def make_spec(space: str, trials: int, **changes: Any) -> StudySpec:
    """A spec with the space's quick preset and whatever differs from it."""
    module = find_space(space)
    budget = module.PRESETS["quick"].budget
    values: dict[str, Any] = {"budget": budget, "replicates": 2, "families": module.FAMILIES}
    values |= changes
    ranges = {"ranges": module.ranges(values["budget"])}
    return StudySpec(space=space, trials=trials, **ranges | values)


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
        rates = config.schedule(epoch * 10 + np.arange(10), 10)
        train = reached + 0.03 * (epoch + 1) / config.epochs
        records.append(
            EpochRecord(
                epoch=epoch,
                first_lr=float(rates[0]),
                last_lr=float(rates[-1]),
                mean_lr=float(rates.mean()),
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
    spec.suggest(asked, spec.family(slot), spec.budget)
    return dict(asked.params)


def make_trial(
    spec: StudySpec, slot: int, state: str, rng: np.random.Generator, noise: float, attempt: int
) -> optuna.trial.FrozenTrial:
    """One attempt at a slot, as lrstudy leaves it in the storage."""
    family, budget = spec.family(slot), spec.slot_budget(slot)
    params = spec.given(slot) if spec.arms else sample(spec, slot, rng)
    assert params is not None
    seed = spec.training_seed(slot)
    suggested = spec.suggest(FixedTrial(params), family, budget)
    config = TrialConfig(**suggested, epochs=budget.epochs, seed=seed)
    if state == "auto":
        edge = EDGE * (1 + params.get("warmup", 0.0))
        state = "diverged" if params.get("base_lr", 0.0) > edge else "complete"
    tests = spec.reads_test
    value = accuracy(params, rng, noise)
    if spec.arms:
        value += arm_effect(spec, slot, noise)
    value = 0.1 if state in ("diverged", "stalled") else value
    epochs = {"diverged": 1, "pruned": 2, "failed": 1, "interrupted": 1}.get(state, config.epochs)
    records = history(config, value, epochs, spec.validates)
    if state == "pruned":  # Optuna gives it the last value that its pruner was told
        value = records[-1]["averaged_val_accuracy"]
    right = _right(spec, state, value, seed)
    value = value if right is None else float(right.mean())
    attributes: dict[str, Any] = {
        "slot": slot,
        "attempt": attempt,
        "family": family,
        "replicate": spec.replicate(slot),
        "seed": seed,
        "config": config.model_dump(mode="json"),
        "history": records,
        "device": "cpu",
        "device_name": "Planted CPU",
        "host": "nowhere",
        "pid": 1,
        "threads": 1,
        "versions": {"lrstudy": "0.1.0", "python": "3.11", "torch": "2.9", "optuna": "5.0.0"},
        "revision": "0123456789abcdef",
        "baseline": spec.baseline(slot) is not None,
        **({"arm": spec.arm_place(slot)} if spec.arms else {}),
    }
    return create_trial(
        state={"pruned": TrialState.PRUNED}.get(
            state, TrialState.FAIL if state in ("failed", "interrupted") else TrialState.COMPLETE
        ),
        value=None if state in ("failed", "interrupted") else value,
        params={**params, "schedule": family},
        distributions=distributions(spec, params),
        user_attrs=attributes
        | _outcome(state, value, tests)
        | _bits(spec, right)
        | _predicted(spec, state, value, slot, params),
        intermediate_values={
            each["epoch"]: each["averaged_val_accuracy"] for each in records if spec.validates
        },
    )


def arm_effect(spec: StudySpec, slot: int, noise: float) -> float:
    """What a seed does to every configuration alike, and a smaller problem to its accuracy."""
    seed = np.random.default_rng(spec.training_seed(slot))
    full, own = spec.budget, spec.slot_budget(slot)
    size = own.epochs / full.epochs * (own.train_size or 1) / (full.train_size or 1)
    return float(noise * seed.standard_normal() + 0.02 * np.log2(size))


def _right(spec: StudySpec, state: str, value: float, seed: int) -> npt.NDArray[np.bool_] | None:
    """Which of IMAGES test images of different difficulty a run of the test stage gets right."""
    if spec.stage != "test" or state not in ("complete", "stalled"):
        return None
    difficulty = np.random.default_rng(0).normal(0.0, 0.6, IMAGES)
    noise = np.random.default_rng(seed).normal(0.0, 0.8, IMAGES)
    return np.asarray(difficulty + noise < stats.norm.ppf(value))


def _bits(spec: StudySpec, right: npt.NDArray[np.bool_] | None) -> dict[str, Any]:
    """What a run of the test stage keeps of the test images, for each set of weights."""
    if right is None:
        return {}
    sets: tuple[str, ...] = ("last", "averaged", "best") if spec.validates else ("last", "averaged")
    sets += ("sampled",) if spec.space == "langevin" else ()
    bits = {weights: to_bits(right) for weights in sets}
    return {"test_correct": bits, "test": _test(float(right.mean()), spec.validates)}


def _predicted(
    spec: StudySpec, state: str, value: float, slot: int, params: dict[str, float]
) -> dict[str, Any]:
    """What sampled weights predict, where the space samples some."""
    if spec.space != "langevin" or state not in ("complete", "stalled"):
        return {}
    rng = np.random.default_rng([spec.training_seed(slot), slot])
    nll = surprise(spec.family(slot), params) + 0.003 * rng.standard_normal()
    splits = [name for name, read in (("val", spec.validates), ("test", spec.reads_test)) if read]
    judged = {
        weights: {
            split: {
                "accuracy": value,
                "nll": nll + more,
                "calibrated_nll": nll + 0.1 * more,
                "scale": 1.0 + more,
                "brier": 0.4 * nll,
                "ece": 0.02 + more,
            }
            for split in splits
        }
        for weights, more in (("sampled", 0.01), ("last", 0.05))
    }
    noise = NOISE * (1.0 + 0.05 * rng.standard_normal())
    return {
        "predictive": judged | {"samples": 1 if spec.family(slot) == "sgd" else 4},
        "gradient_noise": {"trace": 3.5, "parameters": 60_000, "temperature": noise},
    }


def surprise(family: str, params: dict[str, float]) -> float:
    """The planted calibrated NLL: a parabola in the logarithm of sgld's temperature, at 0 as at a
    thousandth of the best one."""
    away = 0.0
    if family == "sgld":
        away = np.log10(max(params["temperature"], TEMPERATURE / 1_000) / TEMPERATURE)
    return float(0.3 + SURPRISED * (family == "sgd") + 0.005 * away**2)


def _test(value: float, best: bool) -> dict[str, Any]:
    found = {"loss": 0.3, "accuracy": value, "averaged_loss": 0.29, "averaged_accuracy": value}
    if best:
        found |= {"best_loss": 0.31, "best_accuracy": value}
    return found | {"best_epoch": 3 if best else None, "images": IMAGES}


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
        found["test"] = _test(value, False) | {"averaged_accuracy": value + 0.001}
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
    spec = make_spec(space, trials, seed=seed, **changes)
    rng = np.random.default_rng(seed)
    return plant_spec(path, spec, name or space, rng, states, everything, retries, upto, noise)


def plant_spec(
    path: Path,
    spec: StudySpec,
    name: str,
    rng: np.random.Generator,
    states: dict[int, str] | None = None,
    everything: str = "auto",
    retries: dict[int, str] | None = None,
    upto: int | None = None,
    noise: float = 0.004,
) -> str:
    """Plants a study of that spec; see `plant_study`."""
    url, trials = f"sqlite:///{path}", spec.trials
    storage = optuna.storages.RDBStorage(url)
    sa.event.listen(storage.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    storage.engine.dispose()
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    study.set_user_attr(SPEC_ATTR, spec.model_dump(mode="json"))
    begun = datetime(2026, 1, 2, 3, 4, 5)
    planted: list[optuna.trial.FrozenTrial] = []
    for slot in range(trials if upto is None else upto):
        tries = [(retries or {})[slot]] if slot in (retries or {}) else []
        for attempt, state in enumerate([*tries, (states or {}).get(slot, everything)]):
            trial = make_trial(spec, slot, state, rng, noise, attempt)
            trial.datetime_start = begun + timedelta(seconds=10 * slot)
            trial.datetime_complete = trial.datetime_start + timedelta(seconds=7.5)
            planted.append(trial)
    add_trials(storage, study._study_id, planted)
    storage.engine.dispose()
    return url


def plant_stages(
    path: Path,
    name: str,
    *,
    seeds: int = 5,
    top: int = 2,
    noise: float = 0.004,
    states: dict[str, dict[int, str]] | None = None,
    train_on: TrainOn = "train",
    stages: Sequence[str] = ("confirm", "test"),
    test: Mapping[str, Any] | None = None,
) -> str:
    """Plants the later stages of a planted search and returns the storage URL.

    states: by stage, the state of a slot where the planted edge shall not decide it. test: what
    differs in the spec of the test.
    """
    url = f"sqlite:///{path}"
    spec = StudySpec.model_validate(
        optuna.load_study(study_name=name, storage=url).user_attrs[SPEC_ATTR]
    )
    trials = optuna.load_study(study_name=name, storage=url).trials
    images = spec.budget.train_size or 50_000
    for stage in stages:
        if stage == "confirm":
            spec = confirm_spec(name, spec, trials, top=top, seeds=seeds, train_images=images)
        else:
            trials = optuna.load_study(study_name=sibling(name, "confirm"), storage=url).trials
            spec = spec_of_test(name, spec, trials, looks=(seeds,), train_on=train_on)
            spec = StudySpec.model_validate(spec.model_dump() | dict(test or {}))
        rng = np.random.default_rng([spec.seed, len(stage)])
        plant_spec(path, spec, sibling(name, stage), rng, (states or {}).get(stage), noise=noise)
    return url


@pytest.fixture(scope="session", autouse=True)
def _every_text_fits() -> Iterator[None]:
    """Every figure that a test here draws has its texts within it, and none on another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "render", measuring(style.render))
        yield


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
    plant_study(path, "langevin", 20)
    plant_study(path, "chapter", 30, replicates=None)
    plant_study(path, "fixed_rate", 4, name="all diverged", everything="diverged")
    plant_study(path, "cosine", 6, name="all failed", everything="failed")
    plant_study(path, "warmup", 3, name="all pruned", everything="pruned")
    return plant_study(path, "polynomial", 4, name="none yet", upto=0)
