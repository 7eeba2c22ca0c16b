"""A small bench of distributions holds; with a fault in the product it does not."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.estimators import comparison, skew
from analysis.estimators.fits import Peak, peak
from analysis.estimators.intervals import Interval, mean_interval
from analysis.estimators.multiplicity import Holm
from analysis.estimators.spending import Look
from tests.verdicts import designs, efficiency, sequential
from tests.verdicts.bench import cell, counts, failed, lines
from tests.verdicts.cells import LIMIT, MEASURES, Cell, every, measure
from tests.verdicts.distributions import (
    DISTRIBUTIONS,
    LEVEL,
    SEEDS,
    UNIT,
    Arms,
    Distribution,
    named,
)
from tests.verdicts.unmet import UNMET

SEED, FEW, MANY = 5, 300, 4000
SLOW = {"best of 8": 100, "best rate": 40, "share of the mean rate": 40, "shortest warmup": 100}
SLOW |= dict.fromkeys(sequential.KINDS, 40)
"""One study at a time."""


def test_the_small_bench_holds() -> None:
    cells = [cell(*each, SLOW.get(each[0], FEW), SEED) for each in every()]
    costs = efficiency.costs(FEW, SEED)
    assert failed(cells, costs) == []
    table = "\n".join(lines(cells, costs))
    assert all(estimator in table for estimator in MEASURES)
    assert all(each.name in table for each in DISTRIBUTIONS)
    assert "!" not in table.split("\n", 3)[3]
    answer = [each for each in cells if each.silent < each.studies]
    assert f"{len(answer)} cells: {len(answer) - len(UNMET)} hold" in counts(cells, costs)
    assert len(UNMET) <= len(answer) / 10
    assert set(UNMET) <= {each[:3] for each in cells}


def test_the_limits_name_what_does_not_hold() -> None:
    page = (Path(__file__).parents[2] / "docs/limits.md").read_text().split("**Studies**")[0]
    for estimator, distribution, n in UNMET:
        line = next(line for line in page.splitlines() if line.startswith(f"- *{distribution}*"))
        assert re.search(rf"\b{n}\b[^:]*seeds", line), line
        assert estimator == "mean"  # the only one that the page speaks of


def test_a_cell_fails_only_beyond_doubt() -> None:
    """Of 1,000 studies 70 may be wrong; 98 are so rarely by chance, 99 too rarely."""
    found = [Cell("mean", "normal", 5, 1000, wrong, 0).fails for wrong in range(130)]
    at = found.index(True)
    draws = np.random.default_rng(0).binomial(1000, LIMIT, 200_000)
    assert (draws >= at).mean() == pytest.approx(0.001, abs=0.0007)
    assert all(found[at:])


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda each: each.name)
def test_what_is_said_of_a_distribution_is_true(distribution: Distribution) -> None:
    rng = np.random.default_rng(0)
    scores, untrained = distribution.draw(rng, 40_000, 5, 3)
    assert (np.isnan(scores) == untrained).all()
    other = scores[..., 1][~untrained[..., 1]]
    assert other.mean() == pytest.approx(distribution.mean, abs=5 * 3 * UNIT / 440)
    difference = scores[..., 0] - scores[..., 1]
    mean, n = np.nanmean(difference), np.isfinite(difference).sum()
    assert abs(mean) < 5 * np.nanstd(difference) / np.sqrt(n)
    share = untrained.mean(axis=(0, 1))
    assert (share.max() > 0) == distribution.stalls
    assert (abs(share[0] - share[1]) < 0.01) == distribution.equal
    assert LEVEL - 5 * UNIT < np.nanmedian(scores) < LEVEL + 5 * UNIT


def test_the_spread_of_each_noise_is_one_unit() -> None:
    rng = np.random.default_rng(1)
    for name in ("normal", "left", "stragglers", "cliff"):  # that of t3 has no fourth moment
        assert np.std(named(name).draw(rng, 100_000, 5, 2).scores) == pytest.approx(UNIT, rel=0.02)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda each: each.name)
@pytest.mark.parametrize("n", SEEDS)
def test_too_few_is_said_where_fewer_than_four_trained_and_nowhere_else(
    distribution: Distribution, n: int
) -> None:
    scores, untrained = distribution.draw(np.random.default_rng(2), 300, n, 4)
    found = comparison.paired_columns(scores, untrained)
    both = (~untrained[..., :1] & ~untrained[..., 1:]).sum(axis=1)
    by_share = np.isin(found["verdict"], ["more often untrained", "less often untrained"])
    assert ((found["verdict"] == "too few") == ((both < 4) & ~by_share)).all()
    assert (np.isnan(found["low"]) == (both < 4)).all()


def fails(*cells: tuple[str, str, int]) -> list[bool]:
    """Whether each of those cells fails, with many studies."""
    return [cell(*each, MANY, SEED).fails for each in cells]


UNEQUAL = [
    ("difference", "unequal skew", 10),
    ("better, worse", "unequal skew", 10),
    ("equivalent, +delta", "unequal skew", 10),
]


def test_students_plain_interval_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(fails(*UNEQUAL))
    monkeypatch.setattr(skew, "CAUTION", 0.0)
    assert all(fails(*UNEQUAL))


def test_equivalence_by_the_two_sided_tail_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "ONE_SIDED", 1.0)
    assert fails(*UNEQUAL) == [False, False, True]


def test_regret_by_students_interval_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(fails(("regret", "normal", 10)))

    def student(values: np.ndarray, most: float) -> Interval:
        return mean_interval(values, within=(0.0, most))

    monkeypatch.setattr(designs, "bounded_interval", student)
    assert all(fails(("regret", "normal", 10)))


def test_a_peak_without_its_neighbours_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def narrow(*asked: Any) -> Peak:
        found = peak(*asked)
        return found._replace(low=found.at, high=found.at, open_low=False, open_high=False)

    monkeypatch.setattr(designs, "peak", narrow)
    assert cell("best rate", "left", 5, 40, SEED).fails


def test_pairs_without_a_correction_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    normal = [(each, "normal", 10) for each in ("better, worse", "equivalent, +delta")]
    normal += [(f"looks: {each}", "normal", 20) for each in ("all equal", "two of five differ")]
    assert not any(fails(*normal))
    holm = comparison.holm

    def alone(p: np.ndarray, level: float, _: np.ndarray) -> Holm:
        return Holm(*(each[..., 0] for each in holm(p[..., None], level)))

    monkeypatch.setattr(comparison, "holm", alone)
    assert all(fails(*normal))


def test_each_look_at_the_whole_error_rate_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does who adds seeds and looks again."""
    planned = [
        ("looks: all equal", "unequal skew", 20),
        ("looks: interval, stopped by look 1", "normal", 20),
    ]
    assert not any(fails(*planned))
    for name in ("nominal", "overall"):
        monkeypatch.setattr(Look, name, lambda _, x, images=0.0: np.asarray(x, dtype=float))
    assert all(fails(*planned))


def test_without_the_test_of_shares_no_share_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = efficiency.share_power(np.random.default_rng(SEED), 25, MANY)
    assert not seen.fails
    monkeypatch.setattr(comparison, "decisive", lambda alone, _: np.zeros(np.shape(alone), bool))
    assert efficiency.share_power(np.random.default_rng(SEED), 25, MANY).fails


def test_stalls_that_count_as_chance_fail() -> None:
    """Neither the mean of trained runs nor that of all runs is found, and verdicts are false."""
    stalling, chance = named("the others stall 20%"), 0.1

    def draw(*asked: Any) -> Arms:
        scores, untrained = stalling.draw(*asked)
        return Arms(np.where(untrained, chance, scores), np.zeros_like(untrained))

    as_chance = dataclasses.replace(stalling, draw=draw)
    of_all = dataclasses.replace(as_chance, mean=0.8 * LEVEL + 0.2 * chance)
    for estimator, faulty, n in (
        ("mean", of_all, 5),
        ("difference", as_chance, 25),
        ("better, worse", as_chance, 25),
    ):
        assert not measure(estimator, stalling, n, 1000, SEED).fails
        assert measure(estimator, faulty, n, 1000, SEED).fails
