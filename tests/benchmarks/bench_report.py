"""How long a report of 2,000 trials of 30 epochs takes, beside Optuna's own reading of the trials.

The trials are planted. Optuna's `trials_dataframe` gives a row a trial, without what every epoch
measured, which is most of what a report reads.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import optuna

from analysis.reading.frames import load
from analysis.report import write_report
from search_spaces.config import Budget
from tests.analysis.conftest import plant_study

TRIALS, EPOCHS = 1998, 30  # the next number below 2,000 that six families share equally


def measure() -> dict[str, Any]:
    """Seconds and their ratios, each step in turn in this process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planted.db"
        url = plant_study(path, "cosine", TRIALS, budget=Budget(epochs=EPOCHS))
        load(url, "cosine")  # once, so that imports and the file's cache count for nobody
        started = time.perf_counter()
        trials, curves = load(url, "cosine")
        read = time.perf_counter()
        write_report(url, ["cosine"], Path(folder) / "report")
        written = time.perf_counter()
        study = optuna.load_study(study_name="cosine", storage=url)
        rows = study.trials_dataframe()
        theirs = time.perf_counter()
    return {
        "trials": len(trials),
        "epochs": len(curves),
        "read_seconds": round(read - started, 2),
        "report_seconds": round(written - read, 1),
        "trials_dataframe_seconds": round(theirs - written, 2),
        "trials_dataframe_rows": len(rows),
        "read_to_trials_dataframe": round((read - started) / (theirs - written), 2),
    }
