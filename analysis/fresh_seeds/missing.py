"""What the later stages of a search still lack, for the sentences of their verdicts."""

from __future__ import annotations

import pandas as pd

from analysis.reading.states import RESULTS
from analysis.study import Study
from search_spaces.words.phrases import count


def missing(study: Study) -> pd.DataFrame:
    """stage, planned, missing: runs of each later stage that was begun, and how many of them have
    no result, because they were not run yet or failed."""
    rows = [
        (name, stage.spec.trials, stage.spec.trials - len(stage.ended(RESULTS)))
        for name, stage in (("confirm", study.confirm), ("test", study.test))
        if stage is not None
    ]
    return pd.DataFrame(rows, columns=["stage", "planned", "missing"])


def missing_words(missing: pd.DataFrame) -> str:
    """The end of a sentence: which runs have no result; empty where all have one."""
    return "".join(
        f"; {row['missing']} of {count(row['planned'], row['stage'] + ' run')} "
        f"{'has' if row['missing'] == 1 else 'have'} no result"
        for row in missing[missing["missing"] > 0].to_dict("records")
    )
