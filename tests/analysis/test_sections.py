"""Every section: planted effects come back, figures show the frames' numbers, nothing breaks it."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.answers import ANSWERS, sections_of
from analysis.figures import style
from analysis.questions.cosine import search as cosine
from analysis.questions.fixed_rate import search as fixed_rate
from analysis.questions.polynomial import search as polynomial
from analysis.questions.warmup import search as warmup
from analysis.section import Section, find
from analysis.sections import by_rate, generalization, learning, spending
from analysis.study import Study, load_study
from tests.analysis.conftest import EDGE, EXPONENT, PEAK

HOPELESS = ("all diverged", "all failed", "all pruned", "none yet")


@pytest.fixture(scope="module")
def studies(everything: str) -> dict[str, Study]:
    return {name: load_study(everything, name) for name in (*ANSWERS, *HOPELESS)}


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("name", [*ANSWERS, *HOPELESS])
def test_a_finding_is_complete(studies: dict[str, Study], name: str) -> None:
    study = studies[name]
    for section in (ANSWERS[study.spec.space].searched, *sections_of(study)):
        finding = find(section, study)
        assert not str(finding.verdict)[0].islower()
        assert str(finding.verdict).endswith(".")
        assert "nan" not in str(finding.verdict).lower()
        assert not re.search(r"None\)|<NA>|trial \d+\.|\d\.0 of", str(finding.verdict))
        assert finding.basis.startswith("Rests on ")
        assert set(finding.tables) <= set(finding.estimates)
        for picture in finding.pictures:
            assert picture.alt.endswith(".")
            assert picture.caption.endswith(".")


@pytest.mark.parametrize(
    ("section", "name", "verdict"),
    [
        (fixed_rate, "all diverged", "None of 4 constant rates trained to the end; "),
        (fixed_rate, "none yet", "None of 0 constant rates trained to the end; no rate diverged."),
        (by_rate, "all failed", "No trial ran to its end; 0 of 0 trials diverged."),
        (by_rate, "all pruned", "No trial ran to its end; 0 of 3 trials diverged."),
        (polynomial, "none yet", "No trial ran to its end, so that no exponent can be judged."),
        (cosine, "all failed", "No trial ran to its end, so that no schedule can be judged."),
        (warmup, "all pruned", "No trial ran to its end, so that no length of warmup can be"),
        (learning, "all pruned", "No trial ran to its end, so that there is no curve to compare."),
        (generalization, "none yet", "No trial ran to its end, so that there is no gap to compare"),
        (spending, "all failed", "No trial has ended; 6 epochs were lost to failures."),
    ],
)
def test_what_came_to_nothing_is_said_plainly(
    studies: dict[str, Study], section: Section, name: str, verdict: str
) -> None:
    assert str(section.conclude(section.estimate(studies[name]))).startswith(verdict)


def test_the_best_fixed_rate_and_the_edge_come_back(studies: dict[str, Study]) -> None:
    study = studies["fixed_rate"]
    found = fixed_rate.estimate(study)
    best, edge = (found[name].to_dict("records")[0] for name in ("close", "edge"))
    complete = study.trials[study.trials["state"] == "complete"]
    assert best["accuracy"] == complete["value"].max()
    assert abs(math.log10(best["base_lr"] / PEAK)) < 0.5
    assert (found["close"]["accuracy"] >= best["accuracy"] - fixed_rate.CLOSE).all()
    assert len(found["close"]) == (complete["value"] >= complete["value"].max() - 0.005).sum()
    assert edge["largest_survived"] <= EDGE < edge["smallest_diverged"]
    verdict = str(fixed_rate.conclude(found))
    assert f"(trial {best['trial']})" in verdict
    assert f"{100 * best['accuracy']:.1f} % validation accuracy" in verdict
    assert f"and {edge['smallest_diverged']:.2g} (trial {edge['diverger']})" in verdict


def test_rates_that_overlap_the_edge_are_no_bracket() -> None:
    trials = pd.DataFrame(
        {
            "family": "constant",
            "trial": [0, 1],
            "base_lr": [2.0, 0.5],
            "state": ["complete", "diverged"],
            "accuracy": [0.8, np.nan],
        }
    )
    edge = pd.DataFrame([fixed_rate.divergence_edge(trials)]).astype(fixed_rate.EDGE_TYPES)
    close = trials[:1].reset_index(drop=True)
    assert str(fixed_rate.conclude({"trials": trials, "close": close, "edge": edge})) == (
        "Best of 2 constant rates: 2 with 80.0 % validation accuracy (trial 0); no other rate "
        "comes within 0.5 points of it; rates from 0.5 (trial 1) on can diverge, although 2 "
        "(trial 0) did not."
    )


def test_the_best_exponent_comes_back(studies: dict[str, Study]) -> None:
    found = polynomial.estimate(studies["polynomial"])
    trials, exponents = found["trials"], found["exponents"]
    for family, group in exponents.groupby("family"):
        best = group.loc[group["best_accuracy"].idxmax()]
        assert best["exponent_low"] / 2 < EXPONENT < best["exponent_high"] * 2
        own = trials[trials["family"] == family]
        assert group["n"].sum() == len(own)
        assert group["best_accuracy"].max() == own["accuracy"].max()
        assert f"(trial {best['best_trial']})" in str(polynomial.conclude(found))


def test_schedules_are_ranked_by_their_best_run(studies: dict[str, Study]) -> None:
    study = studies["cosine"]
    found = cosine.estimate(study)
    ranking = found["ranking"]
    assert ranking["best_accuracy"].dropna().is_monotonic_decreasing
    assert ranking["behind_accuracy"].iloc[0] == 0
    complete = study.trials[study.trials["state"] == "complete"]
    assert ranking["best_accuracy"].iloc[0] == complete["value"].max()
    verdict = str(cosine.conclude(found))
    assert verdict.startswith("Best single run: ")
    assert "fresh seed" in verdict


def ranking(**best: float) -> dict[str, pd.DataFrame]:
    rows = [(family, value, 0, 4) for family, value in best.items()]
    return {"ranking": pd.DataFrame(rows, columns=["family", "best_accuracy", "best_trial", "n"])}


@pytest.mark.parametrize(
    ("best", "verdict"),
    [
        (
            {"cosine": 0.9, "factor": 0.895},
            "Best single run: cosine 90.0 % (trial 0, best of 4); next is factor 89.5 % (trial 0, "
            "best of 4), 0.5 points behind, which is less than a change of seed alone can make "
            "(1.0 points); to tell such a gap takes about 18 fresh seeds each.",
        ),
        (
            {"factor": 0.9, "constant": 0.89, "cosine": 0.88},
            "Best single run: factor 90.0 % (trial 0, best of 4); cosine is number 3 of 3 with "
            "88.0 % (trial 0, best of 4), 2.0 points behind, but both are single runs, chosen on "
            "the images that they are judged by; to tell such a gap takes about 4 fresh seeds "
            "each.",
        ),
        (
            {"cosine": 0.9},
            "Best single run: cosine 90.0 % (trial 0, best of 4); there is no pair with cosine to "
            "compare.",
        ),
    ],
)
def test_a_search_never_calls_a_schedule_better(best: dict[str, float], verdict: str) -> None:
    assert str(cosine.conclude(ranking(**best))) == verdict


def test_longer_warmup_lets_larger_rates_survive(studies: dict[str, Study]) -> None:
    study = studies["warmup"]
    found = warmup.estimate(study)
    lengths = found["lengths"]
    assert lengths["n"].sum() == len(found["trials"])
    for _, row in lengths.iterrows():
        # As planted: a rate diverges above EDGE (1 + warmup).
        assert row["largest_survived"] <= EDGE * (1 + row["warmup_high"])
        if not math.isnan(row["smallest_diverged"]):
            assert row["smallest_diverged"] > EDGE * (1 + row["warmup_low"])
    assert "epochs of warmup to a base rate of" in str(warmup.conclude(found))


def test_learning_curves_follow_complete_trials_alone(studies: dict[str, Study]) -> None:
    study = studies["polynomial"]
    curves = learning.estimate(study)["curves"]
    complete = study.trials[study.trials["state"] == "complete"]
    for family, group in curves.groupby("family"):
        own = complete[complete["family"] == family]
        assert (group["n"] == len(own)).all()  # the same trials at every epoch
        last = group[group["epoch"] == group["epoch"].max()].iloc[0]
        expected = np.quantile(own["val_accuracy"], [0.25, 0.5, 0.75])
        shown = last[
            ["lower_quartile_accuracy", "median_accuracy", "upper_quartile_accuracy"]
        ].to_numpy(dtype=float)
        np.testing.assert_allclose(shown, expected)


def test_the_gap_is_validation_minus_training_loss(studies: dict[str, Study]) -> None:
    study = studies["warmup"]
    found = generalization.estimate(study)
    own = study.trials.set_index("trial").loc[found["trials"]["trial"]]
    expected = (own["val_loss"] - own["train_loss"]).to_numpy()
    np.testing.assert_allclose(found["trials"]["gap"], expected)
    for _, row in found["gaps"].iterrows():
        group = found["trials"][found["trials"]["family"] == row["family"]]
        assert row["rank_correlation"] == pytest.approx(
            group["gap"].corr(group["train_loss"], method="spearman")
        )


def test_the_budget_is_that_of_all_attempts(studies: dict[str, Study]) -> None:
    study = studies["cosine"]
    frame = spending.estimate(study)["epochs"]
    assert frame[["trained", "lost"]].sum().sum() == study.attempts["epochs_trained"].sum()


@pytest.mark.usefixtures("unrendered")
def test_marks_are_the_frames_numbers(
    studies: dict[str, Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[str, Any] = {}
    kept = style.picture

    def keep(figure: Any, name: str, *words: str) -> style.Picture:
        main = figure.axes[0]
        shown[name] = np.concatenate([each.get_offsets().data for each in main.collections])
        return kept(figure, name, *words)

    for module in (by_rate, generalization):
        monkeypatch.setattr(module, "picture", keep)
    for module, x, y in ((by_rate, "base_lr", "accuracy"), (generalization, "train_loss", "gap")):
        found = module.estimate(studies["cosine"])
        name = module.draw(found)[0].name
        expected = found["trials"][[x, y]].dropna().to_numpy()
        np.testing.assert_allclose(sorted(map(tuple, shown[name])), sorted(map(tuple, expected)))
