"""SlotSampler: designs that do not depend on the workers, and TPE within a family."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy import stats
from scipy.stats import qmc

from search_spaces.config import Range
from study.records import attributes
from study.spec import StudySpec
from study.storage.slots import NoFreeSlot
from study.storage.studies import open_storage
from study.storage.views import SomeTrials
from study.trials.objective import suggest_config
from study.trials.sampler import SlotSampler

Design = dict[int, dict[str, Any]]


def ask(study: optuna.Study, spec: StudySpec, slot: int) -> optuna.Trial:
    """The trial of a slot in a study in memory."""
    known = attributes(
        slot=slot, attempt=0, family=spec.family(slot), seed=spec.training_seed(slot)
    )
    study.enqueue_trial({}, user_attrs=known)
    trial = study.ask()
    suggest_config(trial, spec)
    return trial


def new_study(spec: StudySpec) -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=SlotSampler(spec))


def sequence(spec: StudySpec) -> Design:
    """Parameters by slot when one worker runs all of a study."""
    study, found = new_study(spec), {}
    for slot in range(spec.trials):
        trial = ask(study, spec, slot)
        found[slot] = trial.params
        study.tell(trial, float(-abs(np.log(trial.params["base_lr"] / 0.3))))
    return found


def work(stored: Any) -> None:
    """What a worker does, without the training."""
    study = stored.load(open_storage(stored.url))
    while True:
        try:
            trial = study.ask()
        except NoFreeSlot:
            return
        suggest_config(trial, stored.spec)
        study.tell(trial, trial.params["base_lr"])


def design(stored: Any, workers: int) -> Design:
    """Parameters by slot, once so many threads have asked for all of them at once."""
    threads = [threading.Thread(target=work, args=(stored,)) for _ in range(workers)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    trials = stored.load().get_trials(deepcopy=False)
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
    assert len(trials) == stored.spec.trials
    return {trial.user_attrs["slot"]: trial.params for trial in trials}


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_one_worker_and_eight_give_the_same_design(make_study: Any, sampler: str) -> None:
    stored = make_study("cosine", 18, sampler=sampler, seed=4)
    assert design(stored, 8) == sequence(stored.spec)


def test_another_seed_gives_another_design(make_spec: Any) -> None:
    for sampler in ("random", "qmc"):
        specs = [make_spec("cosine", 18, sampler=sampler, seed=seed) for seed in (4, 5)]
        for slot in range(6, 18):
            assert drawn(specs[0], slot, "base_lr") != drawn(specs[1], slot, "base_lr")


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_baselines_come_first_and_no_point_comes_twice(make_spec: Any, sampler: str) -> None:
    spec = make_spec("warmup", 36, sampler=sampler)
    found = sequence(spec)
    for slot, params in found.items():
        assert params["schedule"] == spec.family(slot)
        expected = spec.baseline(slot)
        if expected is not None:
            assert params == {"schedule": spec.family(slot)} | expected
    others = [found[slot] for slot in found if spec.baseline(slot) is None]
    assert len(others) == 30
    for name in ("base_lr", "warmup"):
        assert len({params[name] for params in others}) == len(others)


def drawn(spec: StudySpec, slot: int, name: str) -> float:
    """One parameter of a slot, asked for outside any study."""
    trial = create_trial(state=TrialState.RUNNING, user_attrs={"slot": slot})
    chosen = spec.ranges[name]
    distribution = FloatDistribution(chosen.low, chosen.high, log=chosen.log)
    study = optuna.create_study()
    return float(SlotSampler(spec).sample_independent(study, trial, name, distribution))


def shares(spec: StudySpec, family: int, turns: range, name: str) -> Any:
    """Where the draws of a family lie in the range, on its own scale, in [0, 1]."""
    step = len(spec.families)
    values = np.array([drawn(spec, family + step * turn, name) for turn in turns])
    chosen = spec.ranges[name]
    if chosen.log:
        return np.log(values / chosen.low) / np.log(chosen.high / chosen.low)
    return (values - chosen.low) / (chosen.high - chosen.low)


def test_qmc_draws_the_points_of_scipys_sobol_sequence(
    make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec("warmup", 3 * 32, sampler="qmc")
    monkeypatch.setattr("study.trials.sampler.slot_seed", lambda _spec, slot, _purpose: 7 + slot)
    for family in range(3):
        points = qmc.Sobol(2, rng=np.random.default_rng(7 + family)).random(32)[16:]
        for column, name in enumerate(("base_lr", "warmup")):
            found = shares(spec, family, range(16, 32), name)
            np.testing.assert_allclose(found, points[:, column], atol=1e-12)


def test_qmc_fills_every_sixteenth_of_every_range_once(make_spec: Any) -> None:
    spec = make_spec("cosine", 6 * 32, sampler="qmc", seed=2)
    by_family = []
    for family in range(6):
        for name in spec.ranges:
            strata = np.floor(16 * shares(spec, family, range(16, 32), name)).astype(int)
            assert sorted(strata) == list(range(16))
        by_family.append(tuple(shares(spec, family, range(16, 20), "base_lr")))
    assert len(set(by_family)) == 6  # each family has a scrambling of its own


def test_random_is_uniform_on_the_scale_of_the_range(make_spec: Any) -> None:
    spec = make_spec("warmup", 3 * 300, sampler="random")
    lr, warmup = (shares(spec, 1, range(2, 300), name) for name in ("base_lr", "warmup"))
    for found in (lr, warmup):
        assert stats.kstest(found, "uniform").pvalue > 0.01
    assert abs(stats.spearmanr(lr, warmup).statistic) < 0.15


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_the_retry_of_a_slot_tries_the_same_parameters(make_study: Any, sampler: str) -> None:
    stored = make_study("warmup", 9, sampler=sampler)
    study = stored.load()
    for _ in range(7):
        trial = study.ask()
        suggest_config(trial, stored.spec)
        study.tell(trial, 0.5)
    tried = []
    for slot in (7, 8):
        trial = study.ask()
        config = suggest_config(trial, stored.spec)
        assert trial.user_attrs["slot"] == slot
        tried.append((trial.params, config))
        study.tell(trial, state=TrialState.FAIL)
    for slot in (7, 8):
        trial = study.ask()
        config = suggest_config(trial, stored.spec)
        assert (trial.user_attrs["slot"], trial.user_attrs["attempt"]) == (slot, 1)
        assert (trial.params, config) == tried[slot - 7]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_a_fixed_parameter_keeps_its_value(make_spec: Any, sampler: str) -> None:
    rate = Range(low=0.1, high=5, log=True)
    ranges = {"base_lr": rate, "warmup": Range(low=1.5, high=1.5)}
    found = sequence(make_spec("warmup", 30, sampler=sampler, ranges=ranges)).values()
    assert {params["warmup"] for params in found} == {1.5}
    assert len({params["base_lr"] for params in found}) == 25  # the six baselines share one


# ---------------------------------------------------------------- TPE

GOOD, TRAP = 0.06, 1.5
RATE = FloatDistribution(0.03, 2.0, log=True)
EXPONENT = FloatDistribution(0.25, 4.0, log=True)


def plant(study: optuna.Study, spec: StudySpec, peaks: dict[str, float], turns: int) -> None:
    """Trials of each family whose score peaks at a rate of its own; exponent plays no part."""
    for slot in range(turns * 2):
        family, place = spec.family(slot), (spec.turn(slot) + 0.5) / turns
        lr = 0.03 * (2.0 / 0.03) ** place
        study.add_trial(
            create_trial(
                value=-abs(np.log(lr / peaks[family])),
                params={"schedule": family, "base_lr": lr, "exponent": 0.3 + 3 * (place * 7 % 1)},
                distributions={
                    "schedule": CategoricalDistribution(spec.families),
                    "base_lr": RATE,
                    "exponent": EXPONENT,
                },
                user_attrs={"slot": slot, "family": family},
            )
        )


PEAKS = {"polynomial": GOOD, "inverse_power": TRAP}


def test_tpe_models_its_own_family_only(make_spec: Any) -> None:
    spec = make_spec("polynomial", 80, sampler="tpe")
    study = new_study(spec)
    plant(study, spec, PEAKS, 20)
    rates: dict[str, list[float]] = {family: [] for family in PEAKS}
    for slot in range(40, 64):
        rates[spec.family(slot)].append(ask(study, spec, slot).params["base_lr"])
    assert np.median(rates["polynomial"]) < 0.2
    assert np.median(rates["inverse_power"]) > 0.7
    # Slots decide the seed, not the worker: no two draws are the same.
    assert len(set(rates["polynomial"] + rates["inverse_power"])) == 24


def test_the_trap_would_catch_a_sampler_that_pools_the_families(make_spec: Any) -> None:
    spec = make_spec("polynomial", 80, sampler="tpe")
    study = new_study(spec)
    plant(study, spec, PEAKS, 20)
    pooled = TPESampler(seed=0, n_startup_trials=5, multivariate=True)
    space: dict[str, Any] = {"base_lr": RATE, "exponent": EXPONENT}
    number = ask(study, spec, 40).number
    frozen = study.trials[number]
    rates = [pooled.sample_relative(study, frozen, space)["base_lr"] for _ in range(30)]
    assert max(rates) > 0.7


def test_workers_that_ask_at_once_draw_different_points(make_spec: Any) -> None:
    """Both see the same trials; in Optuna a common seed makes them draw the same point."""
    spec = make_spec("polynomial", 80, sampler="tpe")
    rates = []
    for slot in (40, 42):
        study = new_study(spec)
        plant(study, spec, PEAKS, 20)
        rates.append(ask(study, spec, slot).params["base_lr"])
    assert rates[0] != rates[1]


def test_tpe_does_not_depend_on_the_total(make_spec: Any) -> None:
    """`resume --trials` raises the total while workers run that know the old one."""
    rates = []
    for trials in (16, 400):
        spec = make_spec("polynomial", trials, sampler="tpe", seed=1)
        study = new_study(spec)
        plant(study, spec, PEAKS, 6)
        rates.append([ask(study, spec, slot).params["base_lr"] for slot in range(12, 16)])
    assert rates[0] == rates[1]


def test_before_five_trials_of_the_family_tpe_draws_at_random(make_spec: Any) -> None:
    specs = [make_spec("polynomial", 24, sampler=sampler) for sampler in ("tpe", "random")]
    tpe, random = map(sequence, specs)
    same = {specs[0].turn(slot) for slot in range(24) if tpe[slot] == random[slot]}
    assert same == {0, 1, 2, 3, 4}


def test_a_study_of_some_trials_has_only_these() -> None:
    study = optuna.create_study()
    for number in range(6):
        study.tell(study.ask(), number)
    even = SomeTrials(study, lambda trial: trial.number % 2 == 0)
    low = SomeTrials(even, lambda trial: trial.values is not None and trial.values[0] < 3)
    numbers: list[list[int]] = [[trial.number for trial in each.trials] for each in (even, low)]
    assert numbers == [[0, 2, 4], [0, 2]]
    assert low.get_trials(states=(TrialState.FAIL,)) == []
    assert len(study.trials) == 6


def test_qmc_refuses_what_is_no_number(make_spec: Any) -> None:
    spec = make_spec(trials=4, sampler="qmc")
    trial: FrozenTrial = create_trial(state=TrialState.RUNNING, user_attrs={"slot": 3})
    with pytest.raises(TypeError, match=r"^qmc draws floats only, not colour: Categorical"):
        SlotSampler(spec).sample_independent(
            optuna.create_study(), trial, "colour", CategoricalDistribution(("red", "blue"))
        )


def test_a_sampler_that_there_is_not_is_refused_in_one_line(make_spec: Any) -> None:
    spec = make_spec("cosine", 6, sampler="tpa")
    with pytest.raises(ValueError, match=r"^unknown sampler 'tpa'. Did you mean 'tpe'\?"):
        SlotSampler(spec)
