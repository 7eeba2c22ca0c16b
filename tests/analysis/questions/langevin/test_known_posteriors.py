"""What was sampled of two known posteriors: numbers by hand, intervals, and damaged data."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.figures import style
from analysis.questions.langevin import known_posteriors
from study.training import exact as sampling
from study.values import parsed
from tests.study.test_values import ANYTHING

STEPS = (0.02, 0.1, 1.0)
# What whoever can write to a database may put in a number's place.
NO_NUMBERS = [None, "1", "x", True, [1.0], {"a": 1}, np.nan, np.inf, -np.inf, 1e308]


def row(**changes: Any) -> dict[str, Any]:
    known = {"batches": "full", "temperature": 1.0, "step": 0.1, "predicted": 0.01}
    return known | {"measured": 0.012, "sd": 0.003, "chains": 9} | changes


def gaussian(ratio: float = 1.0) -> dict[str, Any]:
    """As `gaussian_variances` gives it, every variance ``ratio`` times the predicted one, but those
    of shuffled batches a fifth of it."""
    model, rows = sampling.Gaussian(), []
    for batches in sampling.BATCHES:
        for temperature in sampling.TEMPERATURES:
            for step in STEPS:
                predicted = model.stationary_variance(step / model.precision, temperature, batches)
                measured = predicted * (0.2 if batches == "shuffled" else ratio)
                known = {"batches": batches, "temperature": temperature, "step": step}
                known |= {"predicted": predicted, "measured": measured}
                rows.append(known | {"sd": 0.3 * measured, "chains": 1_000})
    facts = {"data_size": 100, "batch_size": 10, "seed": 0, "precision": model.precision}
    return facts | {"rows": rows}


def mixture(**changes: Any) -> dict[str, Any]:
    """As `mixture_posterior` gives it: 8 x 4 bins, an even posterior, and samples that leave a
    quarter of its second mode to the first one."""
    samples = np.full((8, 4), 1 / 32)
    samples[:, :2] *= 0.75
    samples[:, 2:] *= 1.25
    return {
        "theta1": np.linspace(-1.0, 3.0, 9).tolist(),
        "theta2": np.linspace(-2.0, 2.0, 5).tolist(),
        "posterior": np.full((8, 4), 1 / 32).tolist(),
        "samples": samples.tolist(),
        "outside": 0.001,
        "negative_sd": 0.2,
        "chains": 16,
        "seed": 0,
    } | changes


def independent(
    model: sampling.Gaussian, *, step: float, temperature: float, batches: Any, seed: int
) -> Any:
    """Samples of the stationary distribution itself, where `sample_gaussian` runs chains."""
    sd = np.sqrt(model.stationary_variance(step, temperature, batches))
    rng = np.random.default_rng([seed, int(1e6 * step), int(2 * temperature), len(batches)])
    return model.mean(model.data(seed)) + sd * rng.standard_normal((20, 200))


def scattered(model: sampling.Mixture, *, seed: int) -> sampling.Samples:
    theta = np.random.default_rng(seed).standard_normal((50, 6, 2))
    return sampling.Samples(theta, np.linspace(0.01, 0.001, 50))


@pytest.mark.usefixtures("unrendered")
def test_what_lrstudy_sample_keeps_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "sample_gaussian", independent)
    monkeypatch.setattr(sampling, "sample_mixture", scattered)
    monkeypatch.setattr(sampling, "_PARTS", 1)
    kept = {problem: sample(0) for problem, sample in sampling.SAMPLED.items()}
    found = known_posteriors.estimates(parsed(json.dumps(kept)))
    variances = found["variances"]
    assert len(variances) == len(kept["gaussian"]["rows"]) == 3 * 3 * 6
    assert list(variances) == known_posteriors.VARIANCES
    assert variances["ratio"].isna().sum() == 6  # no noise and all data
    np.testing.assert_allclose(variances["ratio"].dropna(), 1.0, atol=0.1)
    assert len(found["bins"]) == 60 * 60
    assert found["bins"][["posterior", "samples"]].sum().tolist() == pytest.approx([1.0, 1.0])
    assert found["distances"].notna().all(axis=None)
    assert found["distances"]["chains"].tolist() == [6]
    assert 0.3 < found["distances"]["second_share"].iloc[0] < 0.7
    assert [each.name for each in known_posteriors.draw(found)] == [
        "stationary-variance",
        "mixture",
    ]


# ---------------------------------------------------------------- variances


def test_a_ratio_and_its_interval_by_hand() -> None:
    [found] = known_posteriors.variances({"rows": [row()]}).to_dict("records")
    low, high = stats.t.interval(0.95, 8, loc=0.012, scale=0.003 / 3)
    assert found["measured_low"] == pytest.approx(low)
    assert found["measured_high"] == pytest.approx(high)
    assert found["ratio"] == pytest.approx(1.2)
    assert (found["batches"], found["temperature"], found["step"]) == ("full", 1.0, 0.1)
    assert (found["predicted"], found["measured"], found["chains"]) == (0.01, 0.012, 9)


def test_a_variance_is_never_below_zero_and_has_no_ratio_to_zero() -> None:
    rows = [row(sd=0.1), row(predicted=0.0, measured=1e-9, sd=0.0, temperature=0.0)]
    found = known_posteriors.variances({"rows": rows})
    assert found["measured_low"].tolist() == [0.0, 1e-9]
    assert found["ratio"].isna().tolist() == [False, True]


def test_the_intervals_cover_the_true_variance_at_their_rate() -> None:
    rng, draws = np.random.default_rng(0), 400
    # Of each of 50 chains the mean of 20 squared distances from the mean.
    squares = 0.01 * rng.standard_normal((draws, 50, 20)) ** 2
    means = squares.mean(axis=2)
    found = known_posteriors.variances(
        {
            "rows": [
                row(measured=float(each.mean()), sd=float(each.std(ddof=1)), chains=50)
                for each in means
            ]
        }
    )
    covered = int(found["predicted"].between(found["measured_low"], found["measured_high"]).sum())
    assert stats.binom.ppf(0.001, draws, 0.94) <= covered <= stats.binom.ppf(0.999, draws, 0.96)


@pytest.mark.parametrize("name", ["temperature", "step", "predicted", "measured", "sd", "chains"])
def test_a_row_with_a_damaged_number_is_left_out_and_the_others_stay(name: str) -> None:
    sound = known_posteriors.variances({"rows": [row()]})
    damaged = [row(**{name: value}) for value in (*NO_NUMBERS, -1.0)]
    without = row()
    del without[name]
    found = known_posteriors.variances({"rows": [*damaged, row(), without]})
    pd.testing.assert_frame_equal(found, sound)


@pytest.mark.parametrize(
    "changes",
    [
        *({"batches": value} for value in (None, 3, "?", ["full"], {"full": 1}, True)),
        {"chains": 1},
        {"chains": 0},
        {"step": 0.0},
    ],
)
def test_a_row_that_cannot_be_is_left_out(changes: dict[str, Any]) -> None:
    assert len(known_posteriors.variances({"rows": [row(), row(**changes)]})) == 1


@pytest.mark.parametrize("rows", [None, 3, "rows", {}, {"a": row()}, [], [None], [[row()]], ["x"]])
def test_rows_that_are_none_give_an_empty_frame_and_no_picture(rows: Any) -> None:
    found = known_posteriors.estimates({"gaussian": {"rows": rows}})
    assert found["variances"].empty
    assert list(found["variances"]) == known_posteriors.VARIANCES
    assert known_posteriors.draw(found) == []
    assert known_posteriors.conclude(found) == ""


@pytest.mark.usefixtures("unrendered")
def test_numbers_of_any_size_can_be_drawn_and_said() -> None:
    sizes = (5e-324, 1e-300, 1e-30, 1.0, 1e30, 3.4e38)
    rows = [
        row(predicted=predicted, measured=measured, sd=measured, step=measured)
        for predicted in sizes
        for measured in sizes
    ]
    found = known_posteriors.estimates({"gaussian": {"rows": rows}})
    assert len(found["variances"]) == len(rows)
    [picture] = known_posteriors.draw(found)
    assert not re.search(r"\b(nan|inf)\b", picture.caption)


@pytest.mark.usefixtures("unrendered")
def test_variances_of_zero_have_no_place_in_a_picture() -> None:
    rows = [row(temperature=0.0, predicted=0.0, measured=0.0, sd=0.0, step=step) for step in STEPS]
    found = known_posteriors.estimates({"gaussian": {"rows": rows}})
    assert known_posteriors.conclude(found) == ""
    assert known_posteriors.draw(found) == []
    # Shuffled batches with noise have a mark, but nothing is said of them.
    found = known_posteriors.estimates({"gaussian": {"rows": [*rows, row(batches="shuffled")]}})
    assert known_posteriors.conclude(found) == ""
    [picture] = known_posteriors.draw(found)
    assert picture.alt.endswith(".")


# ---------------------------------------------------------------- bins and distances


def test_bins_are_the_middles_and_shares_by_hand() -> None:
    found = known_posteriors.bins(
        {
            "theta1": [0.0, 1.0, 2.0],
            "theta2": [-1.0, 0.0, 1.0],
            "posterior": [[0.1, 0.2], [0.3, 0.4]],
            "samples": [[0.4, 0.3], [0.2, 0.1]],
        }
    )
    expected = [
        (0.5, -0.5, 0.1, 0.4),
        (0.5, 0.5, 0.2, 0.3),
        (1.5, -0.5, 0.3, 0.2),
        (1.5, 0.5, 0.4, 0.1),
    ]
    assert list(found.itertuples(index=False, name=None)) == expected


def test_distances_by_hand() -> None:
    found = mixture()
    [far] = known_posteriors.distances(known_posteriors.bins(found), found).to_dict("records")
    # theta1 is as it should be; the four bins of theta2 are joined into one.
    assert far["theta1_distance"] == pytest.approx(0.0)
    assert far["theta2_distance"] == pytest.approx(0.0)
    assert far["exact_second_share"] == pytest.approx(0.5)
    assert far["second_share"] == pytest.approx(0.375)
    assert far["second_share_se"] == pytest.approx(0.2 / 4)
    assert far["chains"] == 16
    assert far["outside"] == 0.001
    moved = np.zeros((8, 4))
    moved[1, :] = 0.2  # 0.8 of the samples in the first four bins of theta1, else half
    moved[6, :] = 0.05
    found = mixture(samples=moved.tolist())
    [far] = known_posteriors.distances(known_posteriors.bins(found), found).to_dict("records")
    assert far["theta1_distance"] == pytest.approx(0.3)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=15)
def test_a_distance_is_a_share_the_same_both_ways_and_zero_to_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (rng.dirichlet(np.full(32, 0.1)).reshape(8, 4).tolist() for _ in range(2))
    names = ["theta1_distance", "theta2_distance"]

    def far(posterior: Any, samples: Any) -> list[float]:
        found = mixture(posterior=posterior, samples=samples)
        return (
            known_posteriors.distances(known_posteriors.bins(found), found)[names].iloc[0].tolist()
        )

    assert far(one, other) == pytest.approx(far(other, one))
    assert all(-1e-12 <= each <= 1 + 1e-12 for each in far(one, other))
    assert far(one, one) == [0.0, 0.0]


def test_samples_apart_from_the_posterior_are_at_distance_one() -> None:
    left, right = np.zeros((8, 4)), np.zeros((8, 4))
    left[:4], right[4:] = 1 / 16, 1 / 16
    found = mixture(posterior=left.tolist(), samples=right.tolist())
    assert known_posteriors.distances(known_posteriors.bins(found), found)[
        "theta1_distance"
    ].tolist() == [1.0]


@pytest.mark.parametrize("value", [*NO_NUMBERS, -1, -0.5])
@pytest.mark.parametrize("name", ["chains", "negative_sd"])
def test_a_damaged_standard_error_is_missing_and_the_rest_stays(name: str, value: Any) -> None:
    sound, found = mixture(), mixture(**{name: value})
    far = known_posteriors.distances(known_posteriors.bins(found), found)
    assert far["second_share_se"].isna().all()
    kept = ["theta1_distance", "theta2_distance", "second_share", "exact_second_share"]
    pd.testing.assert_frame_equal(
        far[kept],
        known_posteriors.distances(known_posteriors.bins(sound), sound)[kept],
        check_exact=True,
    )


EVEN = [[1 / 32] * 4] * 8


@pytest.mark.parametrize("side", ["theta1", "theta2", "posterior", "samples"])
@pytest.mark.parametrize(
    "value",
    [
        *NO_NUMBERS,
        [],
        [1.0],
        [-1.0, 0.0],
        [-1.0, 0.0, 0.0, 1.0, 2.0],
        [2.0, 1.0, 0.0, -1.0, -2.0],
        [-2.0, -1.0, 0.0, 1.0, 20.0],
        [-2.0, -1.0, None, 1.0, 2.0],
        [-2.0, -1.0, "0", 1.0, 2.0],
        [-2.0, -1.0, np.nan, 1.0, 2.0],
        [1e30 * each for each in (-1.0, -0.5, 0.0, 0.5)],
        [1e17 + each for each in range(5)],
        [*EVEN[:-1], [1 / 32] * 3],
        [*EVEN[:-1], None],
        [*EVEN[:-1], "0000"],
        [*EVEN[:-1], {"0": 1 / 32}],
        [*EVEN[:-1], [1 / 32, 1 / 32, 1 / 32, "1"]],
        [*EVEN[:-1], [1 / 32, 1 / 32, 1 / 32, np.nan]],
        [*EVEN[:-1], [3 / 32, 1 / 32, 1 / 32, -1 / 32]],
        [*EVEN, [1 / 32] * 4],
        EVEN[:-1],
        [[1.0] * 4] * 8,
        [[0.0] * 4] * 8,
        [[3e38] * 4] * 8,
    ],
)
def test_a_damaged_mixture_is_missing(side: str, value: Any) -> None:
    found = known_posteriors.estimates({"mixture": parsed(json.dumps(mixture(**{side: value})))})
    assert found["bins"].empty
    assert found["distances"].empty
    assert known_posteriors.draw(found) == []
    assert known_posteriors.conclude(found) == ""


def test_what_is_missing_altogether_gives_empty_frames() -> None:
    for name in mixture():
        found = mixture()
        del found[name]
        lost = name in ("theta1", "theta2", "posterior", "samples")
        assert known_posteriors.estimates({"mixture": found})["bins"].empty == lost
    assert all(frame.empty for frame in known_posteriors.estimates({}).values())


@given(
    st.dictionaries(st.sampled_from(["rows", *mixture()]), ANYTHING),
    st.dictionaries(st.sampled_from([*row()]), ANYTHING),
)
@settings(deadline=None, max_examples=40)
def test_no_json_value_ends_the_reading(found: dict[str, Any], damaged: dict[str, Any]) -> None:
    whole = {"gaussian": {"rows": [row() | damaged, row()], **found}, "mixture": mixture() | found}
    read = known_posteriors.estimates(parsed(json.dumps(whole)))
    assert not np.isinf(read["variances"].drop(columns="batches").to_numpy(dtype=float)).any()
    assert (read["variances"]["measured_low"] <= read["variances"]["measured"]).all()
    assert len(read["distances"]) == (not read["bins"].empty)


# ---------------------------------------------------------------- words and pictures


def test_both_problems_are_said_with_their_numbers() -> None:
    found = known_posteriors.estimates({"gaussian": gaussian(1.03), "mixture": mixture()})
    assert known_posteriors.conclude(found) == (
        "The variance of a normal posterior's samples follows its formula within 3.0 % for all 15 "
        "step sizes, temperatures and kinds of independent batches; shuffled epochs without noise "
        "keep 20 % of it at the smallest step and 20 % at the largest. Of the mixture's two modes "
        "the second has 38 % of the samples and 50 % of the posterior; the marginals are 0.000 and "
        "0.000 away (total variation)."
    )
    assert known_posteriors.conclude(known_posteriors.estimates({"mixture": mixture()})).startswith(
        "Of the mixture's "
    )


def test_marks_and_lines_are_the_frames_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, Any, set[tuple[float, float]], set[tuple[float, float]]]] = []

    def keep(figure: Any, name: str, alt: str, caption: str) -> style.Picture:
        for axes in figure.axes[:3] if name == "stationary-variance" else []:
            marks = [each[0] for each in axes.containers]
            lines = [each for each in axes.lines if each not in marks and each.get_marker() != "o"]
            points = [{*zip(*each.get_data(), strict=True)} for each in (marks, lines)[0]]
            curves = [{*zip(*each.get_data(), strict=True)} for each in lines]
            drawn.append((axes.get_title(), axes, set().union(*points), set().union(*curves)))
        return style.Picture(name, alt, caption, b"", figure)

    monkeypatch.setattr(known_posteriors, "picture", keep)
    found = known_posteriors.estimates({"gaussian": gaussian(1.1), "mixture": mixture()})
    pictures = known_posteriors.draw(found)
    assert [each.name for each in pictures] == ["stationary-variance", "mixture"]
    for each in pictures:
        assert each.alt.endswith(".")
        assert each.caption.endswith(".")
    titles = {
        "full": "all data",
        "with replacement": "minibatches, with replacement",
        "shuffled": "minibatches of shuffled epochs",
    }
    assert [title for title, *_ in drawn] == list(titles.values())
    for batches, (_, _, points, curves) in zip(titles, drawn, strict=True):
        own = found["variances"]
        own = own[(own["batches"] == batches) & (own["predicted"] > 0)]
        assert points == {*zip(own["step"], own["measured"], strict=True)}
        assert curves == {*zip(own["step"], own["predicted"], strict=True)}
    # Without noise a chain on all data comes to rest.
    assert len(drawn[0][2]) == 2 * len(STEPS)
