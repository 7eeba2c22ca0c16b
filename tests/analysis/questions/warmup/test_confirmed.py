"""The length of warmup: a planted threshold comes back, and every situation is said plainly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from analysis.figures.maps import UNJUDGED
from analysis.fresh_seeds.missing import missing
from analysis.fresh_seeds.pair_words import further
from analysis.questions.warmup import confirmed as warmup
from analysis.questions.warmup import layers
from analysis.questions.warmup.figures import warmup_map
from analysis.section import Estimates, find
from analysis.study import Study, load_study
from tests.analysis import conftest
from tests.analysis.conftest import EDGE, plant_stages, plant_study

LENGTHS = (0.0, 0.5, 1.0, 2.0)
RATES = (0.25, 0.5, 1.0, 2.0)
NO_CURVES = pd.DataFrame(columns=["trial", "epoch"])
NO_RUN = "No grid of warmup and base rate was trained on fresh seeds yet."


def grid(
    rng: np.random.Generator,
    seeds: int = 5,
    behind: float = 0.0,
    noise: float = 0.0,
    edge: float = 1.2,
    lengths: tuple[float, ...] = LENGTHS,
) -> pd.DataFrame:
    """Runs of cosine, best at a rate of 0.5; without warmup ``behind`` the others; a rate above
    edge (1 + warmup) diverges. noise: of a run, beside what its seed does to all."""
    rows = []
    for replicate in range(seeds):
        common = 0.85 + 0.005 * rng.standard_normal()
        for length in lengths:
            for rate in RATES:
                value = common - 0.02 * np.log2(rate / 0.5) ** 2 - behind * (length == 0)
                value += noise * rng.standard_normal()
                lost = rate > edge * (1 + length)
                state, value = ("diverged", 0.1) if lost else ("complete", value)
                rows.append((length, rate, replicate, state, value, len(rows)))
    columns = ["warmup", "base_lr", "replicate", "state", "value", "trial"]
    return pd.DataFrame(rows, columns=columns).assign(family="cosine")


def estimates(runs: pd.DataFrame, left: int = 0) -> Estimates:
    """What `confirmed.estimate` gives for those runs."""
    lacking = pd.DataFrame({"stage": ["confirm"], "planned": [80], "missing": [left]})
    return warmup.on_grid(runs, NO_CURVES, 0.003) | {"missing": lacking}


def test_the_planted_edge_and_the_tuned_rate_come_back() -> None:
    found = estimates(grid(np.random.default_rng(1), noise=0.0005))
    usable = found["usable"].set_index("warmup")
    expected = [max(rate for rate in RATES if rate <= 1.2 * (1 + each)) for each in LENGTHS]
    assert list(usable["largest_usable"]) == expected
    assert list(usable["smallest_untrained"].fillna(0)) == [2.0, 2.0, 0, 0]
    assert set(found["lengths"]["base_lr"]) == {0.5}
    cells = found["cells"].set_index(["warmup", "base_lr"])
    assert list(cells.loc[(0.0, 2.0), ["n", "diverged"]]) == [5, 5]
    high = found["scores"][found["scores"]["at"] == "too high"].set_index("warmup")
    assert set(high["base_lr"]) == {2.0}
    assert list(high["untrained"]) == [5, 5, 0, 0]
    assert list(high["accuracy"].isna()) == [True, True, False, False]
    assert len(found["seeds"]) == 4 * 5 + 2 * 5


def test_the_rate_above_the_tuned_ones_is_shown_where_none_trains() -> None:
    found = estimates(grid(np.random.default_rng(1), noise=0.0005, edge=0.2))
    assert found["lengths"]["base_lr"].max() == 0.5  # 0.2 (1 + 2) allows no more
    high = found["scores"][found["scores"]["at"] == "too high"]
    assert set(high["base_lr"]) == {1.0}
    assert (high["untrained"] == 5).all()


def stall(runs: pd.DataFrame, length: float, seeds: int = 5) -> pd.DataFrame:
    """The runs with those of a length stalled on so many seeds."""
    where = (runs["warmup"] == length) & (runs["replicate"] < seeds)
    return runs.assign(
        state=runs["state"].mask(where, "stalled"), value=runs["value"].mask(where, 0.1)
    )


NONE_OF_5 = "0 of 5 untrained, 0 to 43 %"
SHOWN = (
    "Shortest warmup shown to be not inferior within 0.3 points to any other length, each at its "
    "best base rate under cosine decay: "
)
USABLE = (
    f"; the largest base rate at which every run trained is 1 with no warmup ({NONE_OF_5}) and "
)
LARGEST = f"at least 2, the largest tried, with 2 epochs of warmup ({NONE_OF_5})."
CLOSE = grid(np.random.default_rng(2), behind=0.001, noise=0.0005)


@pytest.mark.parametrize(
    ("runs", "starts", "ends"),
    [
        (
            grid(np.random.default_rng(2), behind=-0.01, noise=0.0005),
            "The best of 4 lengths, each at its best base rate under cosine decay, is the shortest:"
            " no warmup, 86.0 % validation accuracy at 0.5 (95 % interval 85.3 % to 86.7 %) "
            f"({NONE_OF_5}; confirm trials 1, 17, 33, 49, 65)",
            USABLE + LARGEST,
        ),
        (
            CLOSE,
            f"{SHOWN}no warmup at 0.5 ({NONE_OF_5}; confirm trials 1, 17, 33, 49, 65), a paired "
            "difference of -0.09 points (90 % interval -0.15 to -0.04, 5 seeds) to 0.5 epochs of "
            "warmup, which did best (cannot be told from 1 epoch of warmup and 2 epochs of warmup)"
            ", 85.0 % validation accuracy at 0.5 (95 % interval 84.3 % to 85.6 %) (",
            USABLE + LARGEST,
        ),
        (
            grid(np.random.default_rng(2), behind=0.02, noise=0.0005, lengths=(0.0, 1.0)),
            f"{SHOWN}1 epoch of warmup, which did best, 84.8 % validation accuracy at 0.5 (95 % "
            f"interval 84.0 % to 85.2 %) ({NONE_OF_5}; confirm trials 5, 13, 21, 29, 37); no "
            f"warmup at 0.5 ({NONE_OF_5}; confirm trials 1, 9, 17, 25, 33) has a paired difference "
            "of -2.01 points (90 % interval -2.08 to -1.94, 5 seeds), which is worse; ",
            f"with 1 epoch of warmup ({NONE_OF_5}).",
        ),
        (
            grid(np.random.default_rng(2), noise=0.003),
            "No length of warmup is shown to be not inferior within 0.3 points to all others under "
            "cosine decay: no warmup did best (cannot be told from 0.5 epochs of warmup, 1 epoch "
            "of warmup and 2 epochs of warmup), 85.0 % validation accuracy at 0.5 ",
            USABLE + LARGEST,
        ),
        (
            grid(np.random.default_rng(2), seeds=3, behind=0.01),
            "Too few seeds to compare 4 lengths of warmup (3, and it takes 4): 0.5 epochs of "
            "warmup did best on them, 85.0 % validation accuracy at 0.5 (0 of 3 untrained, 0 to "
            "56 %; confirm trials 5, 21, 37); ",
            "with 2 epochs of warmup (0 of 3 untrained, 0 to 56 %).",
        ),
        (
            grid(np.random.default_rng(2), lengths=(1.0,)),
            "Only 1 epoch of warmup was tried, ",
            "the largest base rate at which every run trained is at least 2, the largest tried, "
            f"with 1 epoch of warmup ({NONE_OF_5}).",
        ),
        (
            grid(np.random.default_rng(2), edge=0.01),
            "No run trained at any length of warmup; ",
            "the largest base rate at which every run trained is below the grid with no warmup "
            "and below the grid with 2 epochs of warmup.",
        ),
        (
            grid(np.random.default_rng(2), behind=0.02, noise=0.0005, edge=0.2),
            f"{SHOWN}2 epochs of warmup, which did best, ",
            "; no run trained with no warmup; at 1 and 2 no run trained with any length; the "
            "largest base rate at which every run trained is below the grid with no warmup and 0.5 "
            f"with 2 epochs of warmup ({NONE_OF_5}).",
        ),
        (
            stall(CLOSE, 0.0),
            f"{SHOWN}0.5 epochs of warmup, which did best (cannot be told from 1 epoch of warmup "
            "and 2 epochs of warmup), ",
            "; no run trained with no warmup; the largest base rate at which every run trained is "
            f"below the grid with no warmup and {LARGEST}",
        ),
        (
            stall(CLOSE, 0.0, 3),
            f"{SHOWN}0.5 epochs of warmup, which did best ",
            "; more often untrained at its best rate: no warmup at 0.5 (3 of 5 untrained, 23 to "
            "88 %); the largest base rate at which every run trained is below the grid with no "
            f"warmup and {LARGEST}",
        ),
        (
            stall(CLOSE, 0.0, 1),
            f"{SHOWN}no warmup at 0.5 (1 of 5 untrained, 4 to 62 %; confirm trials 1, 17, 33, 49, "
            "65), a paired difference of -0.09 points (90 % interval -0.17 to -0.01, 4 seeds) to ",
            LARGEST,
        ),
        (grid(np.random.default_rng(2))[:0], NO_RUN, NO_RUN),
    ],
)
@pytest.mark.usefixtures("unrendered")
def test_the_verdict_says_what_is_shown(runs: pd.DataFrame, starts: str, ends: str) -> None:
    found = estimates(runs)
    verdict = str(warmup.conclude(found))
    assert verdict.startswith(starts)
    assert verdict.endswith(ends)
    pictures = warmup.draw(found)
    assert bool(pictures) == bool(len(runs))
    for text in (verdict, *(each.alt + each.caption for each in pictures)):
        assert "nan" not in text.lower()
        assert " lost" not in text


def test_only_what_is_told_apart_from_all_others_is_the_best() -> None:
    rng = np.random.default_rng(4)
    for behind in (-0.02, -0.001, 0.0, 0.001, 0.02):
        found = estimates(grid(rng, behind=behind, noise=0.002))
        others = set(found["lengths"]["standing"]) - {"best"}
        assert (" best of " in str(warmup.conclude(found))) == (
            others == {"worse"} and found["facts"]["best"].iloc[0] == 0
        )


def test_the_verdict_names_the_seeds_it_takes_and_the_runs_that_are_missing() -> None:
    runs = grid(np.random.default_rng(2), behind=0.004, noise=0.004, lengths=(0.0, 1.0))
    found = estimates(runs, left=3)
    row = found["lengths"].set_index("warmup").loc[0.0]
    more, low, high = (int(row[f"further_{each}"]) for each in ("seeds", "low", "high"))
    verdict = str(warmup.conclude(found))
    assert 0 < low < more < high
    assert f", and it takes {further(more, low, high)} to tell; " in verdict
    assert verdict.endswith("; 3 of 80 confirm runs have no result.")


def test_too_few_common_seeds_give_no_interval() -> None:
    runs = grid(np.random.default_rng(2), seeds=5, behind=0.01, lengths=(0.0, 1.0))
    found = estimates(runs[(runs["replicate"] == 0) | (runs["warmup"] == 1)])
    assert "1 epoch of warmup did best (has too few seeds in common with no warmup), " in str(
        warmup.conclude(found)
    )
    assert "has a paired difference of -1.00 points (1 seed), too few seeds to tell; " in str(
        warmup.conclude(found)
    )


def test_accuracies_stay_within_a_share() -> None:
    found = estimates(grid(np.random.default_rng(5), noise=0.3))
    bounds = ["mean_accuracy_low", "mean_accuracy_high"]
    for frame, names in (("cells", ["low", "high"]), ("lengths", bounds), ("scores", _ACCURACY)):
        known = found[frame][names].dropna()
        assert len(known)
        assert known.clip(0, 1).equals(known)


_ACCURACY = ["accuracy_low", "accuracy_high"]


def test_a_cell_in_which_a_run_did_not_train_is_grey() -> None:
    cells = estimates(stall(CLOSE, 2.0, 2))["cells"]
    ax = warmup_map(cells, Figure().subplots())
    grey = to_rgba(UNJUDGED)
    for row, square, text in zip(cells.to_dict("records"), ax.patches, ax.texts, strict=True):
        whole = row["complete"] == row["n"]
        assert (square.get_facecolor() == grey) != whole
        assert text.get_text().startswith(f"{row['complete']} of {row['n']}")
        assert text.get_text().endswith("%)") == (0 < row["complete"] < row["n"])


def test_layers_are_compared_at_the_highest_rate_that_both_lengths_survived() -> None:
    runs = grid(np.random.default_rng(3), seeds=3)
    curves = pd.DataFrame(
        [
            (run.trial, epoch, (epoch + 1) * run.base_lr / (1 + run.warmup), run.replicate + 1.0)
            for run in runs.itertuples()
            for epoch in range(6)
        ],
        columns=["trial", "epoch", "distance_conv1", "distance_fc3"],
    )
    found = layers.moved(runs, curves)
    assert set(found["base_lr"]) == {1.0}  # 2.0 diverges without warmup
    assert set(found["warmup"]) == {0.0, 2.0}
    assert found["epoch"].max() == 4  # twice the longest warmup
    table = found.set_index(["layer", "warmup", "epoch"])
    assert table.loc[("conv1", 0.0, 3), "distance"] == 3
    assert table.loc[("conv1", 2.0, 3), "distance"] == pytest.approx(1)
    assert list(table.loc[("fc3", 0.0, 1), ["n", "distance"]]) == [3, 2]
    assert (found.loc[found["epoch"] == 0, "distance"] == 0).all()
    assert layers.moved(grid(np.random.default_rng(3), lengths=(1.0,)), curves).empty


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Cosine alone; warmup makes rates up to EDGE (1 + warmup) usable, and slows the layers."""
    usual = conftest.history

    def slower(config: Any, *args: Any) -> list[dict[str, Any]]:
        records = usual(config, *args)
        for record in records:
            record["distance"]["conv1"] /= 1 + config.schedule.warmup
        return records

    path: Path = tmp_path_factory.mktemp("warmup") / "planted.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conftest, "history", slower)
        url = plant_study(path, "warmup", 2, families=("cosine",), noise=0.001)
        plant_stages(path, "warmup", seeds=2, top=1, noise=0.001, stages=("confirm",))
    return load_study(url, "warmup")


@pytest.mark.usefixtures("unrendered")
def test_planted_effects_come_back_from_a_database(planted: Study) -> None:
    finding = find(warmup, planted)
    found = finding.estimates
    assert planted.confirm is not None
    runs = planted.confirm.trials
    cells = found["cells"]
    # A candidate that stands on the grid is one of its cells: none is missing.
    assert len(cells) == 16
    assert cells["n"].eq(2).all()
    assert set(cells["confirm_trials"].explode()) <= set(runs["trial"])
    for row in found["usable"].to_dict("records"):
        assert row["largest_usable"] <= EDGE * (1 + row["warmup"])
        assert not row["smallest_untrained"] <= EDGE * (1 + row["warmup"])
    moved = found["layers"].set_index(["layer", "warmup", "epoch"])["distance"]
    assert moved["conv1", 0.0, 1] == pytest.approx(3 * moved["conv1", 2.0, 1])
    assert [each.name for each in finding.pictures] == [
        "score-by-warmup",
        "warmup-survival",
        "usable-rate",
        "layers",
    ]
    assert "as far with 2 epochs of warmup as with no warmup." in finding.pictures[-1].alt
    assert "nan" not in str(finding.verdict)
    for name, table in finding.tables.items():
        assert table.caption.endswith(".")
        assert "confirm_trials" in found[name]


@pytest.mark.usefixtures("unrendered")
def test_without_a_grid_nothing_breaks(planted: Study) -> None:
    nothing = find(warmup, replace(planted, confirm=None))
    assert str(nothing.verdict) == NO_RUN
    assert nothing.pictures == []
    assert planted.confirm is not None
    failed = replace(planted.confirm, trials=planted.confirm.trials.assign(state="failed"))
    without = find(warmup, replace(planted, confirm=failed))
    left = missing(replace(planted, confirm=failed))["missing"].iloc[0]
    assert str(without.verdict) == NO_RUN
    assert left == len(failed.trials)
