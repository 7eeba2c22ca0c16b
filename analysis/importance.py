"""Which parameter mattered within a schedule family (PED-ANOVA, Watanabe et al. 2023)."""

from __future__ import annotations

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator

from analysis.frames import RESULTS
from search_spaces.config import Ranges

EVALUATOR = "PED-ANOVA, best quarter of the trials"
QUANTILE = 0.25
# Five trials in the best quarter, which is what the evaluator's authors advise as the least.
ENOUGH = 20


def importance(trials: pd.DataFrame, ranges: Ranges) -> pd.DataFrame:
    """Share of each sampled parameter in reaching the best quarter: family, n, parameter,
    importance (they sum to 1 within a family; NaN where n < ENOUGH).

    Families with fewer than two sampled parameters are left out: there is nothing to compare.
    Diverged and stalled trials count with the task's worst score, which is their value; pruned and
    failed ones are left out, because they have no value at the end of training.
    """
    used = trials[trials["state"].isin(RESULTS) & trials["value"].notna()]
    rows = []
    for family, group in used.groupby("family", sort=False):
        names = [
            name
            for name, chosen in ranges.items()
            if not chosen.fixed and name in group and group[name].notna().all()
        ]
        if len(names) < 2:
            continue
        shares = _shares(group, names, ranges) if len(group) >= ENOUGH else {}
        rows += [(family, len(group), name, shares.get(name)) for name in names]
    frame = pd.DataFrame(rows, columns=["family", "n", "parameter", "importance"])
    return frame.astype({"importance": float})


def _shares(group: pd.DataFrame, names: list[str], ranges: Ranges) -> dict[str, float]:
    distributions: dict[str, BaseDistribution] = {
        name: FloatDistribution(ranges[name].low, ranges[name].high, log=ranges[name].log)
        for name in names
    }
    # Not optuna.create_study, which would announce itself in the log.
    storage = optuna.storages.InMemoryStorage()
    maximize = [optuna.study.StudyDirection.MAXIMIZE]
    study_id = storage.create_new_study(maximize, "importance")
    study = optuna.Study("importance", storage)
    for *params, value in group[[*names, "value"]].to_numpy(dtype=float):
        trial = optuna.trial.create_trial(
            params=dict(zip(names, params, strict=True)), distributions=distributions, value=value
        )
        storage.create_new_trial(study_id, template_trial=trial)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=QUANTILE)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)
