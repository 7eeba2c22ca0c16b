"""The pruning audit: replays against independent ones, planted curves, and what came to nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState
from scipy import stats

from analysis.answers import sections_of
from analysis.estimators.intervals import mean_interval
from analysis.report import write_report
from analysis.section import find
from analysis.sections import pruning_audit as audit
from analysis.sections.pruning_audit import (
    MEASURES,
    MOST,
    Curve,
    bank,
    conclude,
    draw,
    measures,
    over_schedules,
    replay,
    replays,
    stop_at,
)
from analysis.study import load_study
from search_spaces.config import Budget
from study.spec import StudySpec
from study.trials.pruners import grace_epochs, is_control, make_pruner
from tests.analysis.conftest import Plant, make_spec

EPOCHS = 10
PRUNERS = audit.audited()
BANK: dict[str, Any] = {"bank": True, "sampler": "random", "pruner": "none", "replicates": None}
FAMILY = "inverse_power"  # the second of two
Scores = Sequence[float] | npt.NDArray[np.float64]


def spec_of(space: str = "polynomial", **changes: Any) -> StudySpec:
    return make_spec(space, 12, budget=Budget(epochs=EPOCHS), **BANK, **changes)


def curve(scores: Scores, value: float | None = None) -> Curve:
    """A trial that reports those scores and ends with the last, or with ``value``."""
    last = scores[-1] if value is None else value
    return Curve(last, len(scores), dict(enumerate(map(float, scores))))


def diverged(scores: Scores) -> Curve:
    """One that diverged in the epoch after those scores."""
    return Curve(0.1, len(scores) + 1, dict(enumerate(map(float, scores))))


def walks(n: int, seed: int) -> list[Curve]:
    """Curves that cross often, some of which diverge."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        scores = rng.normal(0.4, 0.1) + np.cumsum(rng.normal(0.02, 0.05, EPOCHS))
        ends = rng.random() < 0.2
        found.append(diverged(scores[: rng.integers(EPOCHS - 1)]) if ends else curve(scores))
    return found


def parallel(n: int = 16) -> list[Curve]:
    """Curves that never cross, worst first."""
    rise = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 3)
    return [curve(level * rise) for level in np.linspace(0.4, 0.8, n)]


def late(n: int = 16, ahead: float = 0.05) -> list[Curve]:
    """The same, and the worst until the last epoch ends ``ahead`` of all others."""
    others = parallel(n)[1:]
    return [curve([*np.linspace(0.01, 0.05, EPOCHS - 1), others[-1].value + ahead]), *others]


def slots(spec: StudySpec, order: int, n: int) -> list[int]:
    first = spec.families.index(FAMILY)
    return [first + len(spec.families) * (order * MOST + turn) for turn in range(n)]


def by_hand(spec: StudySpec, kept: float, order: int, curves: Sequence[Curve]) -> list[int]:
    """Stopped where the best so far lies below the quantile of at least five finished trials."""
    grace, finished, ends = grace_epochs(spec), list[dict[int, float]](), []
    for slot, one in zip(slots(spec, order, len(curves)), curves, strict=True):
        end, best = one.epochs, -np.inf
        for epoch, score in one.scores.items():
            best = max(best, score)
            at = [other[epoch] for other in finished if epoch in other]
            judged = grace <= epoch + 1 < EPOCHS and not is_control(spec, slot)
            if judged and len(at) >= 5 and best < np.quantile(at, 1 - kept):
                end = epoch + 1
                break
        else:
            finished.append(one.scores)
        ends.append(end)
    return ends


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize(("name", "kept"), [("median", 0.5), ("percentile", 0.75)])
def test_the_replay_is_the_rule_by_hand(name: str, kept: float, order: int) -> None:
    spec, curves = spec_of(), walks(MOST, order)
    found = replay(spec, name, FAMILY, order, curves)
    assert list(found) == by_hand(spec, kept, order, curves)
    assert (found < [one.epochs for one in curves]).sum() >= 3


@pytest.mark.parametrize("name", PRUNERS)
def test_the_replay_is_what_a_worker_would_do(name: str) -> None:
    """Asked, reported and told through Optuna's own interface."""
    spec, curves = spec_of(), walks(30, 9)
    pruner = make_pruner(spec.model_copy(update={"pruner": name, "bank": False}))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name=f"{FAMILY} 2", direction="maximize", pruner=pruner)
    ends = []
    for slot, one in zip(slots(spec, 2, len(curves)), curves, strict=True):
        trial, end = study.ask(), one.epochs
        trial.set_user_attr("slot", slot)
        trial.set_user_attr("family", FAMILY)
        for epoch, score in one.scores.items():
            trial.report(score, epoch)
            if trial.should_prune():
                end = epoch + 1
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, one.value)
        ends.append(end)
    assert list(replay(spec, name, FAMILY, 2, curves)) == ends
    assert ends != [one.epochs for one in curves]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few orders instead of many."""
    monkeypatch.setattr(audit, "WORK", 1_500)


@pytest.mark.usefixtures("short")
def test_curves_that_never_cross_lose_nothing() -> None:
    found = replays(spec_of(), {FAMILY: parallel()}, generator=np.random.default_rng(0))
    assert list(found["rule"]) == [*PRUNERS, *(f"stop at epoch {i}" for i in range(1, EPOCHS))]
    assert (found[["best_lost_share", "regret_in_accuracy"]] == 0).all(axis=None)
    assert (found["epochs_saved_share"] > 0).all()
    stops = found.set_index("rule")["epochs_saved_share"].iloc[len(PRUNERS) :]
    expected = [1 - (15 * i + EPOCHS) / (16 * EPOCHS) for i in range(1, EPOCHS)]
    np.testing.assert_allclose(stops, expected, rtol=1e-12)
    # All of the best quarter but the best itself.
    np.testing.assert_allclose(found["false_prune_share"].iloc[len(PRUNERS) :], 3 / 4, rtol=1e-12)


def test_a_late_winner_is_lost_with_the_planted_regret() -> None:
    found = replays(spec_of(), {FAMILY: late()}, generator=np.random.default_rng(0))
    pruned, stops = found.iloc[: len(PRUNERS)], found.iloc[len(PRUNERS) :]
    assert (stops["best_lost_share"] == 1).all()
    np.testing.assert_allclose(stops["regret_in_accuracy"], 0.05, rtol=1e-12)
    # A pruner does not lose it where it came early or was a control.
    assert pruned["best_lost_share"].between(0.2, 1, inclusive="neither").all()
    expected = 0.05 * pruned["best_lost_share"]
    np.testing.assert_allclose(pruned["regret_in_accuracy"], expected, rtol=1e-12)


def test_an_order_has_slots_of_its_own_in_the_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that other trials are controls, and the family is the one that they are pruned within."""
    seen: list[tuple[str, int]] = []

    class Spy(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            if trial.last_step == 0:
                seen.append((trial.user_attrs["family"], trial.user_attrs["slot"]))
            return False

    monkeypatch.setattr(audit, "make_pruner", lambda spec: Spy())
    spec = spec_of()
    families = {family: parallel(9) for family in spec.families}
    replays(spec, families, generator=np.random.default_rng(0))
    assert all(spec.family(slot) == family for family, slot in seen)
    assert len(seen) == len(set(seen)) * len(PRUNERS)
    # Every pruner has the same.
    assert {seen.count(each) for each in seen} == {len(PRUNERS)}


@pytest.mark.usefixtures("short")
def test_the_generator_alone_decides() -> None:
    families = {FAMILY: walks(20, 1)}
    one, again, other = (
        replays(spec_of(), families, generator=np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(other)


@pytest.mark.usefixtures("short")
def test_an_order_draws_from_a_large_bank() -> None:
    """The late winner is among the 40 that are drawn of 60 in some orders only."""
    families = {FAMILY: late(60)}
    found = replays(spec_of(), families, generator=np.random.default_rng(1))
    assert set(found["n"]) == {MOST}
    shares = found.loc[found["rule"] == "stop at epoch 1", "best_lost_share"]
    assert shares.between(0, 1, inclusive="neither").all()


def test_stopping_at_an_epoch_by_hand() -> None:
    curves = [curve([0.5, 0.6, 0.7]), diverged([0.6]), curve([0.4, 0.8, 0.9]), diverged([])]
    assert list(stop_at(curves, 1)) == [1, 2, 1, 1]  # the one that leads will diverge
    assert list(stop_at(curves, 2)) == [2, 2, 3, 1]
    assert list(stop_at([curve([0.5, 0.5]), curve([0.5, 0.9])], 1)) == [2, 1]


def test_measures_by_hand() -> None:
    curves = [curve([0.5, 0.6]), curve([0.4, 0.9]), diverged([]), curve([0.6, 0.7]), curve([0, 0])]
    saved, lost, regret, false = measures(curves, np.array([1, 1, 1, 2, 2]))
    assert saved == pytest.approx(1 - 7 / 9)
    assert lost == 1
    assert regret == pytest.approx(0.2)
    assert false == pytest.approx(1 / 2)  # of 0.9 and 0.7, two of five
    assert measures(curves, np.array([2, 2, 1, 2, 2])) == (0, 0, 0, 0)


def test_one_of_two_equally_good_trials_is_enough() -> None:
    curves = [curve([0.5, 0.9]), curve([0.6, 0.9])]
    assert measures(curves, np.array([1, 2])) == (0.25, 0, 0, 0.5)


def test_a_bank_holds_the_results_and_nothing_else(plant: Plant) -> None:
    states = {0: "diverged", 2: "stalled", 4: "failed", 6: "interrupted"}
    url = plant(
        "polynomial",
        20,
        states=states,
        everything="complete",
        retries={8: "interrupted"},
        upto=16,
        **BANK,
    )
    study = load_study(url, "polynomial")
    first, second = bank(study).values()
    assert (len(first), len(second)) == (6, 8)
    epochs = study.spec.budget.epochs
    assert first[0] == Curve(0.1, 1, {})  # diverged in its first epoch, of which nothing is told
    assert (first[1].value, first[1].epochs) == (0.1, epochs)
    for one in [*first[1:], *second]:
        assert list(one.scores) == list(range(epochs))
        assert one.scores[epochs - 1] == pytest.approx(one.value + 0.002)


def test_the_interval_is_over_schedules() -> None:
    regrets = [0.03, 0.02, 0.06, 0.04]
    frame = pd.DataFrame({"rule": "median", "family": list("abcd"), "n": 9})
    frame = frame.assign(**dict.fromkeys(MEASURES, 0.5)).assign(regret_in_accuracy=regrets)
    frame["best_lost_share"] = [0.0, 0.0, 0.0, 0.4]
    means, spread = over_schedules(frame)
    (row,) = means.to_dict("records")
    expected = mean_interval(regrets, within=(0.0, 1.0))
    found = (row["regret_in_accuracy_low"], row["regret_in_accuracy_high"])
    assert found == (expected.low, expected.high)
    assert row["schedules"] == 4
    assert row["best_lost_share"] == pytest.approx(0.1)
    assert 0 < row["best_lost_share_low"] < 0.1 < row["best_lost_share_high"] < 1
    assert spread["regret_in_accuracy_least"].tolist() == [0.02]
    assert spread["best_lost_share_most"].tolist() == [0.4]
    few = over_schedules(frame[:3])[0]
    assert few["regret_in_accuracy"].tolist() == pytest.approx([0.11 / 3])
    assert few[[f"{name}_low" for name in MEASURES]].isna().all(axis=None)


@pytest.mark.parametrize("lost", [0.03, 0.1, 0.25])
def test_the_interval_covers_where_most_schedules_lose_nothing(lost: float) -> None:
    """Six schedules, four orders of each, whose luck is part of what is seen."""
    rng, most, draws = np.random.default_rng(0), 0.04, 250
    truth = most / 2 * lost / 2
    frame = pd.DataFrame({"rule": np.repeat(np.arange(draws), 6), "family": [*"abcdef"] * draws})
    luck = rng.binomial(4, 0.5, len(frame)) / 4 * rng.uniform(0, most, len(frame))
    regrets = np.where(rng.random(len(frame)) < lost, luck, 0.0)
    frame = frame.assign(**dict.fromkeys(MEASURES, 0.5)).assign(regret_in_accuracy=regrets)
    means = over_schedules(frame, most)[0]
    low, high = means["regret_in_accuracy_low"], means["regret_in_accuracy_high"]
    assert ((low <= truth) & (truth <= high)).sum() >= stats.binom.ppf(0.001, draws, 0.93)
    assert (high > low).all()
    assert high.max() <= most


@pytest.mark.usefixtures("short")
def test_no_regret_seen_is_not_no_regret() -> None:
    spec = spec_of("cosine")
    curves = dict.fromkeys(spec.families, parallel())
    found = replays(spec, curves, generator=np.random.default_rng(0))
    assert (found["most_regret"] > 0.1).all()  # best minus median, where no rule lost anything
    for frame in (found, over_schedules(found, 0.2)[0]):
        assert (frame["regret_in_accuracy"] == 0).all()
        assert (frame["regret_in_accuracy_low"] == 0).all()
        assert frame["regret_in_accuracy_high"].between(0, 0.2, inclusive="neither").all()


def test_a_schedules_interval_is_over_its_orders() -> None:
    found = replays(spec_of(), {FAMILY: late()}, generator=np.random.default_rng(0))
    assert found["orders"].eq(audit.ORDERS[1]).all()
    pruned = found[found["rule"].isin(PRUNERS)]
    assert (pruned["best_lost_share_low"] < pruned["best_lost_share"]).all()
    assert (pruned["best_lost_share"] < pruned["best_lost_share_high"]).all()


def estimates_of(
    usual: tuple[float, ...], stops: Mapping[int, tuple[float, ...]]
) -> dict[str, Any]:
    """Estimates of saved, lost, regret, low and high for the usual pruner and stops by epoch."""
    names = ["epochs_saved_share", "best_lost_share", "regret_in_accuracy"]
    names += ["regret_in_accuracy_low", "regret_in_accuracy_high"]
    rows = dict.fromkeys(PRUNERS, usual) | {f"stop at epoch {i}": row for i, row in stops.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=names)
    return {"audit": frame.rename_axis("rule").reset_index().assign(schedules=6)}


def test_the_verdict_names_the_best_early_stop_that_saves_as_much() -> None:
    usual = (0.31, 0.04, 0.001, 0.0, 0.0025)
    stops = {
        1: (0.8, 1, 0.02, 0.01, 0.03),
        2: (0.6, 1, 0.003, 0.003, 0.003),
        3: (0.4, 1, 0.003, 0.003, 0.003),
        4: (0.2, 0, 0.0, 0.0, 0.0),
    }
    text = (
        "Over 6 schedules, percentile would have saved 31.0 % of the epochs and lost the best "
        "trial in 4.0 % of the orders (mean regret 0.10 points, 95 % interval 0.00 to 0.25)"
    )
    assert conclude(estimates_of(usual, stops)) == (
        f"{text}; to stop at epoch 2 and go on with the best alone would have saved 60.0 % (mean "
        "regret 0.30 points, the same in every schedule)."
    )
    assert "to stop at epoch 4" in conclude(estimates_of(usual, {4: stops[4]}))
    assert conclude(estimates_of(usual, {})) == f"{text}."


@pytest.mark.usefixtures("unrendered", "short")
def test_a_bank_has_the_section_and_other_searches_have_not(plant: Plant) -> None:
    url = plant("cosine", 96, noise=0.01, states={3: "failed", 9: "stalled"}, **BANK)
    study = load_study(url, "cosine")
    assert audit in sections_of(study)
    finding = find(audit, study)
    assert str(finding.verdict).startswith("Over 6 schedules, percentile would have saved ")
    assert finding.caution is not None
    assert finding.caution.reason.startswith(
        "Too few to conclude: every schedule needs 20 trials here"
    )
    (picture,) = finding.pictures
    assert picture.alt.endswith(str(finding.verdict))
    assert set(finding.estimates["audit_by_schedule"]["family"]) == set(study.spec.families)
    for name, frame in audit.estimate(study).items():
        pd.testing.assert_frame_equal(frame, finding.estimates[name])
    for space in ("cosine", "fixed_rate"):
        plant(space, 12, name=f"{space} searched")
        assert audit not in sections_of(load_study(url, f"{space} searched"))


def test_the_report_of_a_bank_prints_and_stores_the_audit(plant: Plant, tmp_path: Path) -> None:
    url = plant("fixed_rate", 12, everything="complete", **BANK)
    out = tmp_path / "out"
    page = write_report(url, ["fixed_rate"], out).read_text(encoding="utf-8")
    found = json.loads((out / "findings.json").read_text())["fixed_rate"]["findings"][-1]
    assert (found["title"], found["question"]) == (audit.ABOUT.title, audit.ABOUT.question)
    rows = {row["rule"]: row for row in found["estimates"]["audit"]}
    epochs = make_spec("fixed_rate", 12).budget.epochs
    assert list(rows) == [*PRUNERS, *(f"stop at epoch {i}" for i in range(1, epochs))]
    assert rows["median"]["epochs_saved_share_low"] is None  # a single schedule has no interval
    assert audit.ABOUT.question in page
    assert "<td>stop at epoch 1</td>" in page
    assert found["verdict"].startswith("Over 1 schedule, percentile would have saved ")
    assert "interval" not in found["verdict"]
    assert "too few schedules to bound it" in found["verdict"]
    assert [Path(each).name for each in found["figures"]] == ["fixed_rate-pruning-audit.png"]


@pytest.mark.parametrize("options", [{}, {"upto": 0}, {"everything": "failed"}])
def test_one_trial_a_schedule_is_nothing_to_prune(plant: Plant, options: dict[str, Any]) -> None:
    estimates = audit.estimate(load_study(plant("cosine", 6, **BANK, **options), "cosine"))
    assert conclude(estimates) == (
        "No schedule has two trials with a result, so that there is nothing to prune."
    )
    assert draw(estimates) == []


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("options", [{"everything": "diverged"}, {"budget": Budget(epochs=1)}])
def test_where_nothing_could_be_stopped_nothing_is_saved(
    plant: Plant, options: dict[str, Any]
) -> None:
    finding = find(audit, load_study(plant("cosine", 18, **BANK, **options), "cosine"))
    assert str(finding.verdict).startswith(
        "Over 6 schedules, percentile would have saved 0.0 % of the epochs and lost"
    )
    assert (finding.estimates["audit"]["epochs_saved_share"] == 0).all()
    assert len(finding.pictures) == 1


def test_optuna_says_nothing_and_keeps_its_verbosity(caplog: pytest.LogCaptureFixture) -> None:
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        with caplog.at_level(logging.INFO):
            replays(spec_of(), {FAMILY: parallel(6)}, generator=np.random.default_rng(0))
        assert caplog.records == []
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.disable_propagation()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
