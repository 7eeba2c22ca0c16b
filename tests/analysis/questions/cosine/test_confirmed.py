"""Cosine against the others: planted differences come back, and every situation is said plainly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from analysis.estimators import responses
from analysis.estimators.intervals import wilson
from analysis.estimators.seeds import by_seed
from analysis.fresh_seeds import frames as stages
from analysis.fresh_seeds import ladder, pairs
from analysis.fresh_seeds.frames import Scores
from analysis.questions.cosine import confirmed as cosine
from analysis.questions.cosine.literature import literature
from analysis.section import Estimates, find
from analysis.study import Study, load_study
from tests.analysis import conftest
from tests.analysis.conftest import plant_stages, plant_study

BETTER = 0.03  # accuracy that the planted cosine has above the constant rate
PER_DOUBLING = 0.01  # and by how much that grows with each doubling of the problem
OTHERS = ("constant", "factor", "polynomial")


def scores(
    rng: np.random.Generator, seeds: int, images: int = 0, lead: float = 0.0, noise: float = 0.005
) -> Scores:
    """Of cosine, better by ``lead``, and OTHERS, on common seeds: each its own noise over seeds and
    all the same difficulty of images; without images, the accuracies alone."""
    names = ("cosine", *OTHERS)
    common = 0.85 + 0.005 * rng.standard_normal(seeds)
    truth = {
        name: common + lead * (name == "cosine") + noise * rng.standard_normal(seeds)
        for name in names
    }
    if not images:
        return whole(pd.DataFrame(truth))
    difficulty = rng.uniform(-0.1, 0.1, images)
    correct: dict[str, npt.NDArray[np.float64]] = {
        name: (rng.uniform(size=(seeds, images)) < values[:, None] + difficulty).astype(float)
        for name, values in truth.items()
    }
    means = {name: bits.mean(axis=1) for name, bits in correct.items()}
    return whole(pd.DataFrame(means), correct)


def whole(accuracy: pd.DataFrame, correct: Any = None) -> Scores:
    """Of runs of which none is untrained."""
    untrained = pd.DataFrame(False, accuracy.index, accuracy.columns)
    return Scores(accuracy, untrained, correct or {})


def estimates(of: Scores, stage: str = "test", missing: int = 0) -> Estimates:
    """What `confirmed.estimate` gives for those scores, without a ladder."""
    compared = pairs.compare(of, "cosine", 0.003)
    trials = pd.Series([[0, 1]] * len(compared), dtype=object)
    n = len(of.accuracy)
    return {
        "comparison": compared.assign(delta=0.003, stage=stage, trials=trials),
        "untrained": shares_of(of),
        **ladder.climb(rungs(np.random.default_rng(0), 0), "cosine"),
        "missing": pd.DataFrame({"stage": [stage], "planned": [n + missing], "missing": [missing]}),
        "curves": pd.DataFrame(columns=["family"]),
    }


def shares_of(of: Scores) -> pd.DataFrame:
    """The table of `pairs.untrained` for those scores."""
    runs = of.accuracy.notna().sum() + of.untrained.sum()
    rows = [(name, int(runs[name]), int(of.untrained[name].sum())) for name in of.accuracy]
    return pd.DataFrame(rows, columns=["family", "runs", "untrained"])


def rungs(rng: np.random.Generator, seeds: int, slope: float = 0.0) -> pd.DataFrame:
    """Runs of cosine and OTHERS on the four rungs; cosine gains ``slope`` per doubling."""
    rows = []
    for replicate in range(seeds):
        for images, epochs in ((2_500.0, 6), (5_000.0, 6), (10_000.0, 3), (10_000.0, 6)):
            size = images * epochs
            common = 0.8 + 0.02 * np.log2(size) / 10 + 0.005 * rng.standard_normal()
            for name in ("cosine", *OTHERS):
                gain = slope * np.log2(size / 60_000) * (name == "cosine")
                value = common + gain + 0.004 * rng.standard_normal()
                row = (name, images, epochs, size, replicate, "complete", value, len(rows))
                rows.append(row)
    columns = ["family", "images", "epochs", "size", "replicate", "state", "value", "trial"]
    return pd.DataFrame(rows, columns=columns)


def test_a_planted_lead_lies_in_its_interval_and_nothing_planted_is_seldom_better() -> None:
    rng, draws = np.random.default_rng(0), 200
    covered = better = tried = 0
    for draw in range(draws):
        nothing = pairs.compare(scores(rng, 5, 300), "cosine", 0.003)
        better += bool((nothing["verdict"] == "better").any())
        if draw % 2:
            continue
        planted = pairs.compare(scores(rng, 5, 300, BETTER), "cosine", 0.003)
        inside = planted["difference_accuracy_low"] < BETTER
        covered += int((inside & (planted["difference_accuracy_high"] > BETTER)).sum())
        tried += len(planted)
        assert (planted["verdict"] != "worse").all()
    assert better <= 16
    assert covered >= 0.92 * tried


def test_a_planted_slope_lies_in_its_interval_at_its_rate() -> None:
    rng, draws = np.random.default_rng(5), 60
    hits = {0.0: 0, PER_DOUBLING: 0}
    for _ in range(draws):
        for slope in hits:
            found = ladder.paired(rungs(rng, 5, slope), "cosine")
            one = responses.slope(found[found["family"] == ladder.ALL], "size")
            hits[slope] += one.low < slope < one.high
    assert min(hits.values()) >= stats.binom.ppf(0.001, draws, 0.95)


HIGH = "per_doubling_accuracy_high"


def test_a_rung_is_the_mean_of_paired_differences_over_seeds_on_which_both_trained() -> None:
    runs = rungs(np.random.default_rng(2), 5)
    first = (runs["size"] == 15_000) & (runs["replicate"] == 0) & (runs["family"] == "factor")
    runs.loc[first, ["state", "value"]] = ["diverged", 0.1]
    found = ladder.climb(runs, "cosine")
    wide = runs[runs["size"] == 15_000].pivot_table("value", "replicate", "family")
    smallest = found["ladder"][found["ladder"]["size"] == 15_000].set_index("family")
    expected = (wide["cosine"] - wide["factor"])[1:]
    assert smallest.loc["factor", "difference_accuracy"] == pytest.approx(expected.mean())
    assert list(smallest["n"]) == [5, 4, 5, 5]
    # The mean over the others goes without the family that lost a run, at every size.
    whole = wide["cosine"] - wide[["constant", "polynomial"]].mean(axis=1)
    assert smallest.loc[ladder.ALL, "difference_accuracy"] == pytest.approx(whole.mean())
    trend = found["trend"][found["trend"]["family"] == "constant"].set_index("size")["fitted"]
    slope = found["slopes"].set_index("family").loc["constant", "per_doubling_accuracy"]
    assert trend[60_000.0] - trend[15_000.0] == pytest.approx(2 * slope)


def two(first: list[float], second: list[float]) -> Scores:
    return whole(pd.DataFrame({"cosine": first, "factor": second}))


SEVEN = [0.900, 0.901, 0.902, 0.903, 0.904, 0.905, 0.906]
FOUR = "95 % intervals over the seeds on which both trained"
NONE = "no run was untrained (0 of {n} of each, which leaves up to {most} %); "
END = (
    "how the difference changes with the size of the problem is not known; ImageNet itself was not "
    "run."
)


@pytest.mark.parametrize(
    ("of", "verdict"),
    [
        (
            two([0.910, 0.912, 0.911, 0.913], [0.900, 0.901, 0.902, 0.903]),
            f"better than factor (+1.00 points, +0.87 to +1.13) ({FOUR}); ",
        ),
        (
            two([0.900, 0.901, 0.902, 0.903], [0.910, 0.912, 0.911, 0.913]),
            f"worse than factor (+1.00 points, +0.87 to +1.13) ({FOUR}); ",
        ),
        (
            two(SEVEN[:4], SEVEN[:4]),
            "equivalent within 0.3 points to factor (0.00 points, 0.00 to 0.00) "
            f"({FOUR}, where equivalent those of two one-sided 5 % tests); ",
        ),
        (
            two([0.90, 0.91, 0.92, 0.91], [0.90] * 4),
            "unresolved against factor (+1.00 points, -0.30 to +2.30; about 4 more seeds (1 to 40))"
            f" ({FOUR}); ",
        ),
        (
            two([0.91, 0.92, 0.93, 0.94], [0.90, 0.91, 0.92, 0.93]),
            "unresolved against factor (+1.00 points on every seed, too coarse to tell) "
            f"({FOUR}); ",
        ),
        (
            two([0.90, 0.91, 0.92], [0.80, 0.81, 0.82]),
            "compared on too few seeds with factor (+10.00 points over 3 seeds); ",
        ),
        (two([0.91], [0.90]), "compared on too few seeds with factor (+1.00 points over 1 seed); "),
    ],
)
def test_the_verdict_says_what_the_pairs_decide(of: Scores, verdict: str) -> None:
    found = cosine.conclude(estimates(of))
    seeds = len(of.accuracy)
    head = f"On the test images, over {seeds} fresh seed{'' if seeds == 1 else 's'}, cosine is "
    most = f"{100 * wilson(0, seeds)[1]:.1f}"
    assert found == head + verdict + NONE.format(n=seeds, most=most) + END


def failing(first: int, second: int, seeds: int = 10, lead: float = 0.01) -> Scores:
    """Cosine, better by ``lead``, and factor; so many runs of each untrained, on other seeds."""
    rng = np.random.default_rng(0)
    accuracy = 0.8 + 0.001 * pd.DataFrame(rng.standard_normal((seeds, 2)), columns=["a", "b"])
    accuracy = accuracy.set_axis(["cosine", "factor"], axis=1)
    accuracy["cosine"] += lead
    untrained = pd.DataFrame(False, accuracy.index, accuracy.columns)
    untrained.iloc[:first, 0] = True
    untrained.iloc[seeds - second :, 1] = True
    return Scores(accuracy.where(~untrained), untrained, {})


BACK = "the runs untrained keep a verdict on the scores back"


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (failing(0, 2), "better than factor (+0.97 points, +0.86 to +1.05, 0 against 2 of 10"),
        (failing(1, 0), ", 1 against 0 of 10 untrained) ("),
        (failing(2, 0), f", 2 against 0 of 10 untrained: {BACK})"),
        (failing(0, 2, lead=-0.01), f", 0 against 2 of 10 untrained: {BACK})"),
        (
            failing(2, 0, lead=-0.01),
            "worse than factor (+1.05 points, +0.98 to +1.14, 2 against 0 of 10",
        ),
        (failing(0, 2, lead=0.0), f", 0 against 2 of 10 untrained: {BACK})"),
        (failing(8, 0), "is more often untrained than factor (8 against 0 of 10 untrained)"),
        (failing(0, 8), "is less often untrained than factor (0 against 8 of 10 untrained)"),
        (failing(0, 7), "compared on too few seeds with factor (+1.0"),
        (failing(0, 10), "none of 10 runs of factor trained"),
    ],
)
def test_runs_untrained_stand_beside_a_verdict_on_scores_and_keep_back_what_they_could_reverse(
    of: Scores, words: str
) -> None:
    found = cosine.conclude(estimates(of))
    assert words in found
    assert ("no run was untrained" in found) == (not of.untrained.any(axis=None))
    assert "nan" not in found
    assert bool(cosine.draw(estimates(of))) == of.accuracy.notna().all(axis=1).any()


def test_when_test_images_allow_no_answer_the_verdict_says_so() -> None:
    # The families differ on few images, by more than delta but less than the images can show.
    rng = np.random.default_rng(3)
    images = np.where(rng.uniform(size=400) < 0.05, rng.choice([-1, 1], 400), 0)
    bits = np.tile(images, (5, 1)).astype(float)
    bits[:, 0] = [0, 1, 0, 1, 0]
    of = {"cosine": bits, "factor": np.zeros_like(bits)}
    accuracy = pd.DataFrame({name: each.mean(axis=1) for name, each in of.items()})
    found = estimates(whole(accuracy, of))
    assert found["comparison"]["further_seeds"].isna().all()
    assert "; no number of seeds can tell) (95 %" in cosine.conclude(found)


def test_the_fallback_and_what_is_missing_are_said() -> None:
    found = cosine.conclude(estimates(two(SEVEN, SEVEN[::-1]), "confirm", 3))
    assert found.startswith("On the validation images, over 7 fresh seeds, cosine is unresolved ")
    assert "no test image was read yet, and validation images chose what they judge here; " in found
    assert "; 3 of 10 confirm runs have no result; ImageNet itself was not run." in found


@pytest.mark.parametrize("accuracy", [{}, {"cosine": [0.9, 0.8]}, {"factor": [0.9, 0.8]}])
def test_without_a_pair_there_is_nothing_to_compare(accuracy: dict[str, list[float]]) -> None:
    found = estimates(whole(pd.DataFrame(accuracy)))
    verdict = cosine.conclude(found)
    assert verdict.startswith("There is no pair with cosine on fresh seeds yet; ")
    assert verdict.endswith("; ImageNet itself was not run.")
    assert cosine.draw(found) == []


def test_the_literature_is_listed_with_its_source_and_nothing_measured() -> None:
    found = literature()
    assert found["source"].str.contains(r"\d{4}").all()
    shares = found[["published_accuracy", "cosine_published_accuracy"]]
    assert ((shares > 0.5) & (shares < 1)).all(axis=None)
    assert not found.columns.str.contains("trial").any()


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two families; cosine is better by BETTER, and gains PER_DOUBLING with the size."""
    usual = conftest.arm_effect

    def effect(spec: Any, slot: int, noise: float) -> float:
        full, own = spec.budget, spec.slot_budget(slot)
        size = own.epochs / full.epochs * (own.train_size or 1) / (full.train_size or 1)
        lead = BETTER + PER_DOUBLING * float(np.log2(size))
        return usual(spec, slot, noise) + lead * (spec.family(slot) == "cosine")

    path: Path = tmp_path_factory.mktemp("cosine") / "planted.db"
    changes: dict[str, Any] = {"families": ("constant", "cosine"), "bank": True}
    changes |= {"replicates": None, "sampler": "random", "pruner": "none"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conftest, "arm_effect", effect)
        url = plant_study(path, "cosine", 4, everything="complete", noise=0.001, **changes)
        states = {stage: dict.fromkeys(range(40), "complete") for stage in ("confirm", "test")}
        plant_stages(path, "cosine", seeds=5, top=1, noise=0.001, states=states)
    return load_study(url, "cosine")


@pytest.mark.usefixtures("unrendered")
def test_planted_effects_come_back_from_a_database(planted: Study) -> None:
    finding = find(cosine, planted)
    found = finding.estimates
    [pair] = found["comparison"].to_dict("records")
    scores = stages.on_test(planted, "last").accuracy
    assert pair["difference_accuracy"] == pytest.approx(
        (scores["cosine"] - scores["constant"]).mean()
    )
    assert pair["stage"] == "test"
    assert found["pairs"]["test_trials"].iloc[0] == list(range(10))
    ladder_ = found["ladder"].set_index(["images", "epochs"])
    assert len(ladder_) == 4
    assert ladder_.index.isin([(10_000.0, 6.0)]).any()  # the candidate's own runs
    [slope] = found["slopes"].to_dict("records")
    assert slope["per_doubling_accuracy_low"] < PER_DOUBLING < slope[HIGH]
    assert "with each doubling of the problem (images x epochs) its difference to constant" in (
        str(finding.verdict)
    )
    assert [each.name for each in finding.pictures] == [
        "cosine-against-others",
        "tuning-curves",
        "ladder",
    ]
    assert found["curves"]["banded"].any()
    for name, table in finding.tables.items():
        assert table.caption.endswith(".")
        assert name in ("literature", "untrained") or "trials" in found[name].columns[-1]
    for each in finding.pictures:
        assert each.alt.endswith(".")
        assert each.caption.endswith(".")
        assert "nan" not in each.alt + each.caption


@pytest.mark.usefixtures("unrendered")
def test_earlier_stages_alone_are_answered_too(planted: Study) -> None:
    assert planted.confirm is not None
    no_test = find(cosine, replace(planted, test=None))
    [pair] = no_test.estimates["comparison"].to_dict("records")
    candidates = planted.confirm.trials[planted.confirm.trials["arm"] < 2]
    wide = by_seed(candidates, "family").accuracy
    assert pair["difference_accuracy"] == pytest.approx((wide["cosine"] - wide["constant"]).mean())
    assert no_test.estimates["pairs"]["confirm_trials"].iloc[0] == sorted(candidates["trial"])
    assert str(no_test.verdict).startswith(
        "On the validation images, over 5 fresh seeds, cosine is "
    )
    nothing = find(cosine, replace(planted, test=None, confirm=None))
    assert str(nothing.verdict).startswith("There is no pair with cosine on fresh seeds yet; ")
    assert [each.name for each in nothing.pictures] == ["tuning-curves"]
    lost = replace(planted.confirm, trials=planted.confirm.trials.assign(state="diverged"))
    found = find(cosine, replace(planted, test=None, confirm=lost))
    assert str(found.verdict) == (
        "There is no pair with cosine on fresh seeds yet; none of 5 runs of constant trained; none "
        "of 5 runs of cosine trained; ImageNet itself was not run."
    )
