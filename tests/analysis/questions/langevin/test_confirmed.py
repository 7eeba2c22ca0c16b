"""SGD against samplers, and SGLD along its temperature: planted effects come back with their signs,
nothing planted decides nothing, and every situation is said plainly."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from analysis.fresh_seeds import frames as stages
from analysis.fresh_seeds import pairs
from analysis.fresh_seeds.frames import Scores
from analysis.questions.langevin import confirmed as langevin
from analysis.questions.langevin.confirmed import NATS, likelihood, temperatures
from analysis.questions.langevin.figures import by_temperature
from analysis.reading.predictive import MEASURES, METRICS, measured
from analysis.report import write_report
from analysis.section import find
from analysis.study import Study, load_study
from search_spaces.config import Arm
from study.storage.studies import keep_samples, open_storage
from tests.analysis import conftest
from tests.analysis.conftest import NOISE, SURPRISED, TEMPERATURE, plant_stages, plant_study
from tests.analysis.questions.langevin.test_known_posteriors import gaussian, mixture
from tests.analysis.test_report import page

BETTER = 0.03  # accuracy that the planted sgd has above every sampler
SAMPLERS = ("sgld", "swa", "cyclical")
GRID = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def at_its_rate(hits: int, tries: int, rate: float = 0.95) -> bool:
    """Whether so many hits are what at least that rate gives, but for a chance of 1 in 1,000."""
    return bool(stats.binom.ppf(0.001, tries, rate) <= hits)


def judged(rng: np.random.Generator, seeds: int, behind: float = 0.0) -> pd.DataFrame:
    """Runs of sgd, whose calibrated NLL is greater by ``behind``, and SAMPLERS on common seeds."""
    rows = []
    for replicate in range(seeds):
        common = 0.3 + 0.01 * rng.standard_normal()
        for family in ("sgd", *SAMPLERS):
            nll = common + behind * (family == "sgd") + 0.008 * rng.standard_normal()
            rows.append((family, replicate, len(rows), "complete", nll))
    columns = ["family", "replicate", "trial", "state", "calibrated_nll"]
    return pd.DataFrame(rows, columns=columns)


# ---------------------------------------------------------------- sgd against samplers


def test_a_planted_lead_in_accuracy_lies_in_its_interval() -> None:
    rng, draws = np.random.default_rng(0), 60
    covered = better = tried = 0
    for _ in range(draws):
        difficulty = rng.uniform(-0.1, 0.1, 300)
        common = 0.85 + 0.005 * rng.standard_normal(5)
        correct: dict[str, npt.NDArray[np.float64]] = {}
        for family in ("sgd", *SAMPLERS):
            level = common + BETTER * (family == "sgd") + 0.005 * rng.standard_normal(5)
            shares = level[:, None] + difficulty
            correct[family] = (rng.uniform(size=(5, 300)) < shares).astype(float)
        means = {family: bits.mean(axis=1) for family, bits in correct.items()}
        accuracy = pd.DataFrame(means)
        failed = pd.DataFrame(False, accuracy.index, accuracy.columns)
        found = pairs.compare(Scores(accuracy, failed, correct), "sgd", 0.003)
        low, high = found["difference_accuracy_low"], found["difference_accuracy_high"]
        covered += int(((low < BETTER) & (high > BETTER)).sum())
        better += int((found["verdict"] == "better").sum())
        tried += len(found)
        assert (found["verdict"] != "worse").all()
    assert covered >= 0.92 * tried
    assert better >= 0.2 * tried


@pytest.mark.parametrize(
    ("behind", "right", "wrong"),
    [(SURPRISED, "worse", "better"), (-SURPRISED, "better", "worse"), (0.0, None, None)],
)
def test_a_planted_difference_of_nll_lies_in_its_interval_at_its_rate(
    behind: float, right: str | None, wrong: str | None
) -> None:
    rng, draws = np.random.default_rng(1), 100
    covered, verdicts = 0, []
    for _ in range(draws):
        found = likelihood(judged(rng, 5, behind))
        own = found[found["family"] == "sgld"].iloc[0]  # the pairs of a draw share their sgd
        covered += bool(own["difference_nll_low"] <= behind <= own["difference_nll_high"])
        verdicts.append(set(found["verdict"]))
        for low, high in (
            ("difference_nll_low", "difference_nll_high"),
            ("adjusted_nll_low", "adjusted_nll_high"),
            ("equivalence_low", "equivalence_high"),
        ):
            assert (found[low] <= found["difference_nll"]).all()
            assert (found["difference_nll"] <= found[high]).all()
        assert (found["adjusted_nll_low"] <= found["difference_nll_low"]).all()
    assert at_its_rate(covered, draws)
    if right is not None:
        assert sum(right in each for each in verdicts) >= 0.99 * draws
        assert not any(wrong in each for each in verdicts)
    else:
        # Holm keeps the chance that any pair is decided at 5 %.
        decided = sum(bool(each & {"better", "worse"}) for each in verdicts)
        assert decided <= stats.binom.ppf(0.999, draws, 0.05)
        assert set().union(*verdicts) >= {"unresolved"}


def test_many_seeds_without_a_difference_are_equivalent() -> None:
    found = likelihood(judged(np.random.default_rng(2), 40))
    assert found["verdict"].tolist() == ["equivalent"] * 3
    assert found["equivalence_low"].between(-NATS, found["equivalence_high"]).all()
    assert found["equivalence_high"].between(found["equivalence_low"], NATS).all()


def test_less_nll_is_better_and_no_interval_is_shorter_than_that_of_a_paired_t_test() -> None:
    runs = judged(np.random.default_rng(3), 6, -SURPRISED)
    wide = runs.pivot_table("calibrated_nll", "replicate", "family")
    found = likelihood(runs).set_index("family")
    assert found["difference_nll"].is_monotonic_increasing
    for family in SAMPLERS:
        differences = wide["sgd"] - wide[family]
        test = stats.ttest_1samp(differences, 0.0)
        row = found.loc[family]
        assert row["difference_nll"] == pytest.approx(differences.mean())
        for level, names in (
            (0.95, ("difference_nll_low", "difference_nll_high")),
            (0.90, ("equivalence_low", "equivalence_high")),
        ):
            low, high = test.confidence_interval(level)
            assert row[names[0]] <= low + 1e-12
            assert row[names[1]] >= high - 1e-12
            reach = row["difference_nll"] - 2 * (row["difference_nll"] - low)
            assert names[0] == "equivalence_low" or row[names[0]] >= reach - 1e-12
        assert row["difference_nll"] < 0
        assert row["verdict"] == "better"
        assert row["n"] == 6


def test_the_sign_turns_with_the_roles_of_both_methods() -> None:
    runs = judged(np.random.default_rng(4), 5, SURPRISED)
    two = runs[runs["family"].isin(["sgd", "swa"])]
    turned = two.assign(family=two["family"].map({"sgd": "swa", "swa": "sgd"}))
    [one], [other] = likelihood(two).to_dict("records"), likelihood(turned).to_dict("records")
    assert (one["verdict"], other["verdict"]) == ("worse", "better")
    for low, high in (
        ("difference_nll", "difference_nll"),
        ("difference_nll_low", "difference_nll_high"),
        ("adjusted_nll_low", "adjusted_nll_high"),
        ("equivalence_low", "equivalence_high"),
    ):
        assert one[low] == pytest.approx(-other[high])


@pytest.mark.parametrize(
    "lost",
    [
        lambda runs: runs["family"] == "sgd",
        lambda runs: runs["family"] != "sgd",
        lambda runs: runs["family"] == "",
    ],
)
def test_without_a_pair_there_is_no_row_and_no_word(lost: Any) -> None:
    runs = judged(np.random.default_rng(5), 3)
    gone = lost(runs)
    kept = runs[~gone] if gone.any() else runs.assign(calibrated_nll=np.nan)
    found = likelihood(kept)
    assert found.empty
    assert langevin._likelihood_words(found) == ""


def test_one_seed_and_coarse_numbers_decide_nothing() -> None:
    runs = judged(np.random.default_rng(6), 1, SURPRISED)
    assert set(likelihood(runs)["verdict"]) == {"too few"}
    assert "it is compared on too few seeds with " in langevin._likelihood_words(likelihood(runs))
    nll = 0.3 + 0.5 * (runs["family"] == "sgd")
    coarse = pd.concat([runs.assign(calibrated_nll=nll, replicate=seed) for seed in range(4)])
    words = langevin._likelihood_words(likelihood(coarse))
    assert words == (
        "in calibrated NLL (nats, less is better) it is unresolved against sgld, swa and cyclical"
    )


# ---------------------------------------------------------------- what a run is judged by


def finished(states: list[str], values: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trial": range(len(states)),
            "family": "sgd",
            "replicate": range(len(states)),
            "state": states,
            "value": values,
            "final_lr": 0.1,
        }
    )


def predicted(trials: list[int], **changes: Any) -> pd.DataFrame:
    """As `frames.predictive` gives it, of both splits and both weights."""
    numbers = {"accuracy": 0.9, "nll": 0.31, "calibrated_nll": 0.3, "scale": 1.1, "brier": 0.15}
    numbers |= {"ece": 0.02, "samples": 4.0, "noise_temperature": 1e-4} | changes
    rows = [
        {"trial": trial, "weights": weights, "split": split}
        | (numbers if (weights, split) == ("sampled", "val") else dict.fromkeys(numbers, 0.5))
        for trial in trials
        for weights in ("last", "sampled")
        for split in ("val", "test")
    ]
    columns = ["trial", "weights", "split", *METRICS, "samples", "noise_temperature"]
    return pd.DataFrame(rows, columns=columns)


def test_an_untrained_run_predicts_nothing_that_counts() -> None:
    runs = finished(["complete", "diverged", "stalled", "complete"], [0.9, 0.1, 0.12, 0.9])
    found = measured(runs, predicted([0, 2]), "val").set_index("trial")[[*MEASURES]]
    known = {"accuracy": 0.9, "calibrated_nll": 0.3, "nll": 0.31, "brier": 0.15, "ece": 0.02}
    assert found.loc[0].to_dict() == known
    assert found.loc[1:].isna().all(axis=None)
    assert measured(runs, predicted([0]), "test")["accuracy"].tolist()[0] == 0.5


def test_means_leave_out_what_is_missing_and_bounds_stay_where_values_can_be() -> None:
    states = ["complete"] * 5 + ["diverged", "stalled"]
    runs = finished(states, [0.9] * 5 + [0.1, 0.1])
    frame = measured(runs, predicted([0, 1, 2, 3]), "val")
    spread = {"accuracy": [0.0, 1.0], "calibrated_nll": [0.0, 3.0], "brier": [0.0, 2.0]}
    for name, ends in spread.items():
        frame.loc[:3, name] = ends * 2
    found = langevin._methods(frame, "test").iloc[0]
    assert (found["n"], found["diverged"], found["stalled"]) == (5, 1, 1)
    assert found["accuracy"] == pytest.approx(0.5)  # of the four that are known
    assert (found["accuracy_low"], found["accuracy_high"]) == (0.0, 1.0)
    assert found["calibrated_nll_low"] == 0.0
    assert found["calibrated_nll_high"] > 3.0
    assert (found["brier_low"], found["brier_high"]) == (0.0, 2.0)
    assert found["test_trials"] == list(range(7))
    assert langevin._methods(measured(runs[:0], predicted([]), "val"), "test").empty


def test_a_parameter_of_another_program_with_the_name_of_a_measure_is_left_out() -> None:
    runs = finished(["complete", "complete"], [0.9, 0.1]).assign(accuracy="<b>", samples="x")
    found = measured(runs, predicted([0]), "val")
    assert found["accuracy"].iloc[0] == 0.9
    assert np.isnan(found["accuracy"].iloc[1])
    assert found["samples"].iloc[0] == 4.0


def test_the_noise_of_minibatches_is_the_mean_over_runs_that_tell_it() -> None:
    runs = finished(["complete"] * 4 + ["diverged"], [0.9] * 4 + [0.1])
    told = predicted([0, 1, 2, 3])
    told["noise_temperature"] = told["noise_temperature"] * 3.0 ** told["trial"]
    found = langevin._noise(measured(runs, told, "val"))
    [row] = found.to_dict("records")
    assert (row["n"], row["temperature"]) == (4, pytest.approx(1e-3))
    assert row["temperature_low"] == 0.0  # Student's bound would be below
    words = langevin._noise_words(found)
    assert re.search(r"a temperature of 0\.001 \(0 to 0\.00\d+\) at its last rate", words)
    one = langevin._noise(measured(runs[:1], told, "val"))
    assert "a temperature of 0.0001 at its last rate" in langevin._noise_words(one)
    assert langevin._noise_words(langevin._noise(measured(runs[4:], told, "val"))) == ""


# ---------------------------------------------------------------- along the temperatures


def depth(temperature: float) -> float:
    """The planted calibrated NLL above its least, which is at TEMPERATURE."""
    return conftest.surprise("sgld", {"temperature": temperature}) - conftest.surprise(
        "sgld", {"temperature": TEMPERATURE}
    )


def along(rng: np.random.Generator, seeds: int = 5, size: float = 1.0) -> pd.DataFrame:
    """Runs at the temperatures of the grid with the planted calibrated NLL, ``size`` times."""
    rows = []
    for replicate in range(seeds):
        common = 0.3 + 0.01 * rng.standard_normal()
        for temperature in GRID:
            nll = common + size * depth(temperature) + 0.004 * rng.standard_normal()
            rows.append(
                {"trial": len(rows), "replicate": replicate, "state": "complete"}
                | {"temperature": temperature, "calibrated_nll": nll, "nll": nll + 0.01}
                | {"accuracy": 0.88 - 0.01 * nll, "brier": 0.4 * nll, "ece": 0.02}
            )
    return pd.DataFrame(rows)


def words(frame: pd.DataFrame) -> str:
    return langevin._along_words({"temperatures": frame})


def test_a_planted_valley_comes_back_with_intervals_that_cover_it() -> None:
    rng, draws = np.random.default_rng(0), 100
    covered: dict[float, int] = dict.fromkeys(GRID[1:], 0)
    lowest = []
    for _ in range(draws):
        found = temperatures(along(rng)).set_index("temperature")
        lowest.append(found["calibrated_nll"].idxmin())
        for temperature in covered:
            row, truth = found.loc[temperature], depth(temperature) - depth(0.0)
            covered[temperature] += bool(row["behind_nll_low"] <= truth <= row["behind_nll_high"])
        assert (found.loc[0.0, ["behind_nll", "behind_nll_low", "behind_nll_high"]] == 0).all()
    assert all(at_its_rate(hits, draws) for hits in covered.values())
    assert set(lowest) <= {1e-3, 1e-2, 1e-1}
    assert lowest.count(TEMPERATURE) > draws / 2


def test_without_an_effect_an_interval_seldom_excludes_zero() -> None:
    rng, draws = np.random.default_rng(1), 100
    apart: dict[float, int] = dict.fromkeys(GRID[1:], 0)
    for _ in range(draws):
        found = temperatures(along(rng, size=0.0)).set_index("temperature")
        for temperature in apart:
            row = found.loc[temperature]
            apart[temperature] += bool(row["behind_nll_low"] * row["behind_nll_high"] > 0)
    assert all(hits <= stats.binom.ppf(0.999, draws, 0.05) for hits in apart.values())


def test_a_row_is_the_mean_over_its_runs_and_behind_is_paired_by_seed() -> None:
    runs = along(np.random.default_rng(2), 5)
    runs.loc[runs["trial"] == 0, [*MEASURES]] = np.nan  # a seed without a run at temperature 0
    lost = (runs["temperature"] == 1.0) & (runs["replicate"] == 1)
    runs.loc[lost, "state"] = "diverged"
    found = temperatures(runs).set_index("temperature")
    wide = runs.pivot_table("calibrated_nll", "replicate", "temperature")
    for temperature in GRID:
        row = found.loc[temperature]
        assert row["calibrated_nll"] == pytest.approx(wide[temperature].mean())
        assert row["behind_nll"] == pytest.approx((wide[temperature] - wide[0.0]).mean())
        assert row["n"] == (4 if temperature == 1.0 else 5)
        own = runs.loc[runs["temperature"] == temperature, "trial"]
        assert row["confirm_trials"] == own.tolist()
    assert found["diverged"].tolist() == [0, 0, 0, 0, 0, 1]
    # Scores of other seeds do not matter to what is paired.
    shifted = runs.assign(calibrated_nll=runs["calibrated_nll"] + runs["replicate"])
    again = temperatures(shifted).set_index("temperature")
    np.testing.assert_allclose(again["behind_nll"], found["behind_nll"], atol=1e-12)


def test_the_order_of_the_runs_does_not_matter() -> None:
    runs = along(np.random.default_rng(3))
    shuffled = runs.sample(frac=1.0, random_state=0)
    pd.testing.assert_frame_equal(temperatures(shuffled), temperatures(runs))


def test_the_valley_is_said_with_what_it_gains_and_what_the_warmest_costs() -> None:
    found = temperatures(along(np.random.default_rng(4)))
    row = found.set_index("temperature")
    pattern = (
        r"of SGLD's temperatures 0\.01 has the least calibrated NLL \((\S+) nats, (\S+) to (\S+) "
        r"against 0\), and 1 costs (\S+) nats, (\S+) to (\S+)"
    )
    match = re.fullmatch(pattern, words(found))
    assert match is not None
    names = ["behind_nll", "behind_nll_low", "behind_nll_high"]
    expected = [*row.loc[0.01, names], *row.loc[1.0, names]]
    assert [float(each) for each in match.groups()] == pytest.approx(expected, abs=6e-4)


def test_what_along_the_temperatures_is_missing_is_not_said_as_a_number() -> None:
    runs = along(np.random.default_rng(5))
    assert words(temperatures(runs[:0])) == ""
    assert words(temperatures(runs.assign(calibrated_nll=np.nan))) == ""
    one = words(temperatures(runs[runs["replicate"] == 0]))
    assert re.search(r"\([+-]0\.\d{3} nats against 0\)", one)
    warm = words(temperatures(runs[runs["temperature"] > 0]))
    assert warm == "of SGLD's temperatures 0.01 has the least calibrated NLL"
    cold = words(temperatures(runs[runs["temperature"] == 0]))
    assert cold == "of SGLD's temperatures 0 has the least calibrated NLL"
    hot = runs["calibrated_nll"].mask(runs["temperature"] == 1.0)
    unknown = words(temperatures(runs.assign(calibrated_nll=hot)))
    assert "and 0.1 costs" in unknown
    assert "nan" not in one + warm + cold + unknown


@pytest.mark.usefixtures("unrendered")
def test_the_picture_of_temperatures_bears_missing_and_lost_runs() -> None:
    runs = along(np.random.default_rng(6), 3)
    others = pd.DataFrame([{"family": "sgd", **dict.fromkeys(MEASURES, 0.35)}])
    lost = runs["calibrated_nll"].mask(runs["temperature"] == 1.0, 30.0)
    for changed in (
        runs,
        runs[runs["replicate"] == 0],
        runs[runs["temperature"] == 0],
        runs.assign(calibrated_nll=lost),
        runs.assign(**dict.fromkeys(MEASURES, np.nan)),
    ):
        frame = temperatures(changed)
        for methods in (others, others[:0], pd.DataFrame(columns=["family", *MEASURES])):
            [picture] = by_temperature(frame, methods, words(frame))
            assert picture.alt.endswith(".")
            assert ". ." not in picture.alt
            assert "nan" not in picture.alt
    assert by_temperature(temperatures(runs[:0]), others, "") == []


# ---------------------------------------------------------------- a whole study


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stages after a search of four methods; sgd is better by BETTER in accuracy and worse by
    SURPRISED in calibrated NLL, and its noise is NOISE."""
    usual = conftest.arm_effect

    def effect(spec: Any, slot: int, noise: float) -> float:
        return usual(spec, slot, noise) + BETTER * (spec.family(slot) == "sgd")

    place = tmp_path_factory.mktemp("langevin") / "planted.db"
    families = ("sgd", "sgld", "swa")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conftest, "arm_effect", effect)
        plant_study(place, "langevin", 9, everything="complete", noise=0.001, families=families)
        plant_stages(place, "langevin", seeds=4, top=1, noise=0.001)
    return place


@pytest.fixture(scope="module")
def study(path: Path) -> Study:
    return load_study(f"sqlite:///{path}", "langevin")


@pytest.mark.usefixtures("unrendered")
def test_planted_effects_come_back_from_a_database(study: Study) -> None:
    finding = find(langevin, study)
    found = finding.estimates
    scores = stages.on_test(study, "sampled").accuracy
    compared = found["comparison"].set_index("family")
    assert {*compared.index} == {"sgld", "swa"}
    for family, row in compared.to_dict("index").items():
        assert row["difference_accuracy"] == pytest.approx((scores["sgd"] - scores[family]).mean())
        assert row["difference_accuracy"] > 0
        assert row["stage"] == "test"
    nll = found["likelihood"].set_index("family")
    swa = nll.loc["swa"]
    assert swa["difference_nll_low"] < SURPRISED < swa["difference_nll_high"]
    assert swa["verdict"] == "worse"
    assert "in calibrated NLL (nats, less is better) it is worse than " in str(finding.verdict)
    along_ = found["temperatures"].set_index("temperature")
    assert {*GRID} < {*along_.index}  # the candidate's own temperature besides
    # Of about equal temperatures either may come out best.
    assert 1e-3 <= along_["calibrated_nll"].idxmin() <= 1e-1
    for temperature in GRID[1:]:
        truth = depth(temperature) - depth(0.0)
        assert along_.loc[temperature, "behind_nll"] == pytest.approx(truth, abs=0.01)
    [noise] = found["noise"][found["noise"]["family"] == "sgd"].to_dict("records")
    assert noise["temperature"] == pytest.approx(NOISE, rel=0.1)
    assert "the noise of SGD's minibatches would be a temperature of 0.0002 (" in str(
        finding.verdict
    )
    methods = found["methods"].set_index("family")
    assert methods.index[-1] == "sgd"  # the most nats come last
    assert methods["samples"].to_dict() == {"sgld": 4, "swa": 4, "sgd": 1}
    assert (methods["n"] == 4).all()
    names = ["sgd-against-others", "temperature"]
    assert [each.name for each in finding.pictures] == names
    for name, table in finding.tables.items():
        assert table.caption.endswith(".")
        assert name in found
    for each in finding.pictures:
        assert each.alt.endswith(".")
        assert each.caption.endswith(".")
    assert not re.search(r"\bnan\b|None|<NA>|\.\.", str(finding.verdict))


@pytest.mark.usefixtures("unrendered")
def test_the_candidate_stands_for_the_temperature_of_the_grid_that_it_has(study: Study) -> None:
    assert study.confirm is not None
    arms = study.confirm.spec.arms
    own = next(arm for arm in arms if arm.family == "sgld" and arm.role == "candidate")
    asked = [
        arm.parameters["temperature"] for arm in arms if arm.family == "sgld" and arm.role == "grid"
    ]
    assert asked == [*GRID]
    found = langevin._along(study)
    candidate = found[found["temperature"] == own.parameters["temperature"]]
    assert len(candidate) == 4
    # Another sgld candidate differs in more than its temperature.
    foreign = own.model_copy(update={"parameters": {**own.parameters, "base_lr": 0.123}})
    changed = [foreign if arm is own else arm for arm in arms]
    spec = study.confirm.spec.model_copy(update={"arms": tuple(map(Arm.model_validate, changed))})
    other = replace(study, confirm=replace(study.confirm, spec=spec))
    assert sorted(langevin._along(other)["temperature"].unique()) == [*GRID]


@pytest.mark.usefixtures("unrendered")
def test_earlier_stages_and_missing_runs_are_said(study: Study) -> None:
    assert study.confirm is not None
    assert study.test is not None
    no_test = find(langevin, replace(study, test=None))
    assert str(no_test.verdict).startswith("On the validation images, over 4 fresh seeds, sgd is ")
    assert "confirm_trials" in no_test.estimates["methods"]
    nothing = find(langevin, replace(study, test=None, confirm=None))
    assert str(nothing.verdict) == "There is no pair with SGD on fresh seeds yet."
    assert nothing.pictures == []
    few = replace(study.confirm, trials=study.confirm.trials[:9])
    some = find(langevin, replace(study, test=None, confirm=few))
    assert "confirm runs have no result" in str(some.verdict)
    assert not re.search(r"\bnan\b|None|<NA>", str(some.verdict))
    lost = study.test.trials.assign(state="diverged", value=0.1)
    gone = find(langevin, replace(study, test=replace(study.test, trials=lost)))
    assert set(gone.estimates["likelihood"]["verdict"]) == {"too few"}
    assert gone.estimates["methods"]["calibrated_nll"].isna().all()
    assert gone.estimates["methods"]["diverged"].tolist() == [4] * 3
    assert not re.search(r"\bnan\b|None|<NA>", str(gone.verdict))
    pairs_gone = {name: no_test.estimates[name][:0] for name in ("comparison", "comparison_nll")}
    words = langevin.conclude(no_test.estimates | pairs_gone)
    assert words.startswith("There is no pair with SGD on fresh seeds yet; of SGLD's temperatures ")
    silent = replace(study.test, predictive=study.test.predictive[:0])
    found = find(langevin, replace(study, test=silent))
    assert found.estimates["likelihood"].empty
    assert "calibrated NLL (nats" not in str(found.verdict)
    assert found.estimates["methods"]["accuracy"].isna().all()


def test_a_report_has_the_section_its_pictures_and_its_numbers(
    path: Path, tmp_path: Path, unrendered: None
) -> None:
    copy = tmp_path / "planted.db"
    copy.write_bytes(path.read_bytes())
    url = f"sqlite:///{copy}"
    for name, kept in (("without", {}), ("with", {"gaussian": gaussian(), "mixture": mixture()})):
        for problem, found in kept.items():
            keep_samples(open_storage(url), "langevin", problem, found)
        written = write_report(url, ["langevin"], tmp_path / name)
        values = json.loads((written.parent / "findings.json").read_text(encoding="utf-8"))
        finding = values["langevin"]["findings"][0]
        assert (finding["title"], finding["stage"]) == (langevin.ABOUT.title, "confirm")
        assert finding["question"] == "How are optimization and sampling connected?"
        text = page(written).text
        assert finding["verdict"] in text
        assert values["langevin"]["verdict"] == finding["verdict"]
        known = ["stationary-variance", "mixture"] if kept else []
        names = ["sgd-against-others", "temperature", *known]
        assert finding["figures"] == [f"figures/langevin-confirm-{each}.png" for each in names]
        estimates = finding["estimates"]
        assert len(estimates["temperatures"]) == len(GRID) + 1
        assert {row["family"] for row in estimates["methods"]} == {"sgd", "sgld", "swa"}
        assert {row["verdict"] for row in estimates["likelihood"]} == {"worse"}
        assert len(estimates["variances"]) == (27 if kept else 0)
        assert len(estimates["distances"]) == bool(kept)
        alts = page(written).alts
        assert all(len(alt) > 20 for alt in alts)
        assert any("against its temperature, the other methods beside it" in alt for alt in alts)
        assert any("Welling and Teh" in alt for alt in alts) == bool(kept)
        assert any("stationary" in each for each in finding["figures"]) == bool(kept)
