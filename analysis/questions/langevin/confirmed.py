"""Answers question 5 on fresh seeds: SGD against samplers, and SGLD against its temperature."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.comparison import compare_pairs, with_plan
from analysis.estimators.intervals import ANYWHERE, mean_interval
from analysis.estimators.seeds import by_seed
from analysis.figures.style import Picture, spoken
from analysis.fresh_seeds import forest, pair_words, pairs
from analysis.fresh_seeds.frames import chosen_runs, confirm_runs, ids, tested_runs
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.questions.langevin import known_posteriors
from analysis.questions.langevin.figures import by_temperature
from analysis.reading.predictive import MEASURES, SAMPLED, measured
from analysis.section import Estimates, on_fresh_seeds
from analysis.study import Study
from analysis.table import (
    ACCURACY,
    DIVERGED,
    RUNS,
    SCHEDULE,
    STALLED,
    TEST_RUNS,
    Column,
    N,
    Table,
    bounded,
    interval,
)
from analysis.wording import listed
from search_spaces import langevin as space
from search_spaces.config import Arm
from study.spec import Stage

FIRST = str(space.REFERENCE)
NATS = 0.01
"""Differences of calibrated NLL within +- this do not matter."""
_QUALITY = (
    *(N, DIVERGED, STALLED, *ACCURACY, *bounded("calibrated_nll")),
    *(*bounded("nll"), *bounded("brier"), *bounded("ece")),
)
"""Of `means`."""
ABOUT = on_fresh_seeds(
    "Optimization and sampling",
    space.QUESTION,
    {
        "methods": Table(
            "The chosen configuration of each method, by what it predicts with (samples: how "
            "many it averages): accuracy; negative log likelihood in nats, calibrated by a "
            "temperature fitted on validation images, and as it is; Brier score; expected "
            "calibration error over 15 equally wide bins of confidence. Means over seeds with 95 % "
            "intervals for new seeds, over the runs that trained.",
            (SCHEDULE, *_QUALITY, Column("samples"), RUNS, TEST_RUNS),
        ),
        "pairs": Table(
            "SGD minus each sampler, paired by seed, over the n seeds on which both trained: mean "
            "difference of accuracy with its 95 % interval for new seeds and, where test images "
            "were read, new images; the interval after Holm's correction, which decides better and "
            "worse; share of seeds on which SGD wins (Wilson), and of all seeds with untrained "
            "runs ranked last; the verdict on SGD; the order of size of the seeds that would "
            "resolve it.",
            pairs.COLUMNS,
        ),
        "untrained": pairs.UNTRAINED,
        "likelihood": Table(
            "The same in calibrated NLL (nats): above 0 SGD is worse. Intervals "
            f"for new seeds on the same images; differences within +-{NATS} do not matter.",
            (
                *(SCHEDULE, N, *bounded("difference_nll"), interval("adjusted_nll")),
                *(Column("verdict"), Column("further_seeds")),
                interval("further", heading="further seeds may be"),
            ),
        ),
        "temperatures": Table(
            "SGLD with everything but its temperature the same, on validation images: "
            "means over seeds with 95 % intervals; behind: calibrated NLL minus that at "
            "temperature 0, paired by seed.",
            (Column("temperature"), *_QUALITY, *bounded("behind_nll"), RUNS),
        ),
        "noise": Table(
            "The temperature that a minibatch's own noise would have at a run's last rate if "
            "minibatches were drawn with replacement, lr N tr(C) / (2 n d), from the trace of the "
            "covariance C of one image's gradient: mean over runs with 95 % interval. Shuffled "
            "epochs add less.",
            (SCHEDULE, N, *bounded("temperature"), Column("last_lr")),
        ),
        "distances": Table(
            "The mixture's samples against its exact posterior: total variation of the "
            "marginals, and the share of the mode with theta2 < 0.",
            known_posteriors.COLUMNS,
        ),
    },
)


def estimate(study: Study) -> Estimates:
    """methods, beside (the same of the best candidates on validation images), pairs (`pairs.table`
    of comparison), likelihood (of comparison_nll), temperatures with their singles, noise, missing,
    and what `known_posteriors.estimates` gives of the samples kept in the study."""
    judged, stage = _judged(study)
    comparison, compared = pairs.pairs(study, FIRST, SAMPLED), likelihood(judged)
    singles = _along(study)
    return {
        "methods": _methods(judged, stage),
        "beside": _methods(_candidates(study), "confirm"),
        "comparison": comparison,
        "pairs": pairs.table(comparison),
        "untrained": pairs.untrained(study, SAMPLED),
        "comparison_nll": compared,
        "likelihood": compared.drop(columns=["equivalence_low", "equivalence_high"]),
        "temperatures": temperatures(singles),
        "singles": singles,
        "noise": _noise(judged),
        "missing": missing(study),
        **known_posteriors.estimates(study.sampled),
    }


def _judged(study: Study) -> tuple[pd.DataFrame, Stage]:
    """The runs of the configuration that represents each method, with MEASURES on test images, else
    (those of the best candidates) on validation images; and their stage."""
    tested = tested_runs(study)
    if study.test is not None and len(tested):
        return measured(tested, study.test.predictive, "test"), "test"
    return _candidates(study), "confirm"


def _candidates(study: Study) -> pd.DataFrame:
    confirm = study.confirm or study
    return measured(chosen_runs(study), confirm.predictive, "val")


def _methods(judged: pd.DataFrame, stage: Stage) -> pd.DataFrame:
    rows = [
        {"family": family, **means(family_runs), "samples": family_runs["samples"].median()}
        | {f"{stage}_trials": ids(family_runs)}
        for family, family_runs in judged.groupby("family", sort=False)
    ]
    if not rows:
        return pd.DataFrame(columns=["family", "n", *MEASURES])
    return pd.DataFrame(rows).sort_values("calibrated_nll", ignore_index=True)


_HIGHEST = {"accuracy": 1.0, "brier": 2.0, "ece": 1.0}


def means(runs: pd.DataFrame) -> dict[str, float | int]:
    """n (runs that trained), diverged, stalled, and the mean of each of MEASURES with its interval,
    within what it can be."""
    row: dict[str, float | int] = {"n": int((runs["state"] == "complete").sum())}
    row |= {state: int((runs["state"] == state).sum()) for state in ("diverged", "stalled")}
    for name in MEASURES:
        mean = mean_interval(runs[name], within=(0.0, _HIGHEST.get(name, np.inf)))
        row |= {name: mean.mean, f"{name}_low": mean.low, f"{name}_high": mean.high}
    return row


def likelihood(judged: pd.DataFrame) -> pd.DataFrame:
    """SGD minus each other method in calibrated NLL, best for SGD first: family, n, difference_nll,
    difference_nll_low and _high, adjusted_nll_low and _high, equivalence_low, equivalence_high,
    verdict on SGD (less is better), further_seeds with further_low and further_high."""
    scores, untrained = by_seed(judged.assign(value=judged["calibrated_nll"]), "family")
    scores = scores.loc[:, scores.notna().any() | untrained.any()]
    others = [str(name) for name in scores if name != FIRST]
    if FIRST not in scores or not others:
        return pd.DataFrame(columns=_LIKELIHOOD)
    compared = compare_pairs(  # whose rule takes more for better
        -scores, FIRST, others, untrained=untrained, delta=NATS, within=ANYWHERE
    )
    compared = with_plan(compared, NATS)
    return pd.DataFrame(
        {
            "family": compared["second"],
            "n": compared["n"],
            "difference_nll": -compared["mean"],
            "difference_nll_low": -compared["high"],
            "difference_nll_high": -compared["low"],
            "adjusted_nll_low": -compared["adjusted_high"],
            "adjusted_nll_high": -compared["adjusted_low"],
            "equivalence_low": -compared["equivalence_high"],
            "equivalence_high": -compared["equivalence_low"],
            **{name: compared[name] for name in _LIKELIHOOD[9:]},
        }
    ).sort_values("difference_nll", ignore_index=True)


_LIKELIHOOD = [
    *("family", "n", "difference_nll", "difference_nll_low", "difference_nll_high"),
    *("adjusted_nll_low", "adjusted_nll_high", "equivalence_low", "equivalence_high"),
    *("verdict", "further_seeds", "further_low", "further_high"),
]


def _along(study: Study) -> pd.DataFrame:
    """The runs that differ in their temperature alone, with MEASURES on validation images: those of
    the grid, and the candidate's that it was made from."""
    runs = confirm_runs(study)
    confirm = study.confirm or study
    sgld = [(index, arm) for index, arm in enumerate(confirm.spec.arms) if arm.family == "sgld"]
    grid_settings = [_but_temperature(arm) for _, arm in sgld if arm.role == "grid"]
    along = [index for index, arm in sgld if _but_temperature(arm) in grid_settings]
    columns = ["trial", "replicate", "state", "temperature", *MEASURES]
    grid = runs[runs["arm"].isin(along)]
    return measured(grid, confirm.predictive, "val").reindex(columns=columns)


def _but_temperature(arm: Arm) -> dict[str, float]:
    return {name: value for name, value in arm.parameters.items() if name != "temperature"}


def temperatures(singles: pd.DataFrame) -> pd.DataFrame:
    """A row for each temperature: n, diverged, stalled, MEASURES with intervals; behind_nll,
    the calibrated NLL minus that at temperature 0 over common seeds, with its interval;
    confirm_trials."""
    coldest = singles[singles["temperature"] == 0].set_index("replicate")["calibrated_nll"]
    rows = []
    for temperature, group in singles.groupby("temperature"):
        behind = mean_interval(group.set_index("replicate")["calibrated_nll"] - coldest)
        row = {"temperature": temperature, **means(group), "behind_nll": behind.mean}
        row |= {"behind_nll_low": behind.low, "behind_nll_high": behind.high}
        rows.append(row | {"confirm_trials": ids(group)})
    return pd.DataFrame(rows, columns=None if rows else ["temperature", "n", *MEASURES])


def _noise(judged: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for family, family_runs in judged.groupby("family", sort=False):
        mean = mean_interval(family_runs["noise_temperature"], within=(0.0, np.inf))
        last = family_runs["final_lr"].mean()
        rows.append((family, mean.n, mean.mean, mean.low, mean.high, last))
    return pd.DataFrame(rows, columns=ABOUT.tables["noise"].names)


def draw(estimates: Estimates) -> list[Picture]:
    """The forest of pairs, the network against its temperature, and what is known exactly."""
    drawn = forest.forest(
        estimates["comparison"],
        FIRST,
        f"SGD minus each sampler with intervals, a row each. {conclude(estimates)}",
    )
    along = by_temperature(estimates["temperatures"], estimates["beside"], _along_words(estimates))
    return [*drawn, *along, *known_posteriors.draw(estimates)]


def conclude(estimates: Estimates) -> str:
    """SGD against the samplers in accuracy and calibrated NLL, the temperature that is best, and
    the temperature of a minibatch's own noise."""
    comparison = estimates["comparison"]
    parts = [
        "There is no pair with SGD on fresh seeds yet"
        if comparison.empty
        else pair_words.sentence(comparison, FIRST, estimates["untrained"]),
        _likelihood_words(estimates["comparison_nll"]),
        _along_words(estimates),
        _noise_words(estimates["noise"]),
    ]
    return "; ".join(filter(None, parts)) + missing_words(estimates["missing"]) + "."


def _likelihood_words(frame: pd.DataFrame) -> str:
    groups = []
    for verdict in _LEADS:
        rows = frame[frame["verdict"] == verdict]
        if len(rows):
            each = [_against(row, verdict) for row in rows.to_dict("records")]
            groups.append(f"{_LEADS[verdict]} {listed(each)}")
    return "in calibrated NLL (nats, less is better) it is " + "; ".join(groups) if groups else ""


def _against(row: Mapping[Hashable, Any], verdict: str) -> str:
    """A method with the difference and the interval that decided, where they did."""
    name = spoken(str(row["family"]))
    if verdict not in _DECIDED:
        return name
    bounds = ("equivalence_low", "equivalence_high") if verdict == "equivalent" else _ADJUSTED
    return f"{name} ({row['difference_nll']:+.3f}{_between(row, *bounds)})"


_ADJUSTED = ("adjusted_nll_low", "adjusted_nll_high")
_LEADS = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": f"equivalent within {NATS} to",
    "unresolved": "unresolved against",
    "too few": "compared on too few seeds with",
}
_DECIDED = ("better", "worse", "equivalent")


def _along_words(estimates: Estimates) -> str:
    """Where along the temperatures the calibrated NLL is least, against temperature 0."""
    frame = estimates["temperatures"].dropna(subset=["calibrated_nll"])
    if frame.empty:
        return ""
    best = frame.sort_values("calibrated_nll").iloc[0]
    warmest = frame.sort_values("temperature").iloc[-1]
    text = f"of SGLD's temperatures {best['temperature']:.2g} has the least calibrated NLL"
    if best["temperature"] > 0 and not np.isnan(best["behind_nll"]):
        text += f" ({_against_cold(best)} against 0)"
    if warmest["temperature"] > best["temperature"] and not np.isnan(warmest["behind_nll"]):
        text += f", and {warmest['temperature']:.2g} costs {_against_cold(warmest)}"
    return text


def _against_cold(row: pd.Series) -> str:
    return f"{row['behind_nll']:+.3f} nats{_between(row, 'behind_nll_low', 'behind_nll_high')}"


def _between(row: pd.Series | Mapping[Hashable, Any], low: str, high: str) -> str:
    """The interval behind a number; with one run, or the same on every seed, there is none."""
    return "" if np.isnan(row[low]) else f", {row[low]:+.3f} to {row[high]:+.3f}"


def _noise_words(frame: pd.DataFrame) -> str:
    known = frame[(frame["family"] == FIRST) & frame["temperature"].notna()]
    if known.empty:
        return ""
    row = known.iloc[0]
    low, high = row["temperature_low"], row["temperature_high"]
    between = "" if np.isnan(low) else f" ({low:.2g} to {high:.2g})"
    return (
        f"the noise of SGD's minibatches would be a temperature of {row['temperature']:.2g}"
        f"{between} at its last rate if they were independent, and is "
        "less with shuffled epochs"
    )
