"""All benchmarks, as one JSON object: `python -m tests.benchmarks`, or `make bench`."""

from __future__ import annotations

import json

from tests.benchmarks import bench_report, bench_training

if __name__ == "__main__":
    found = {"training": bench_training.measure(), "report": bench_report.measure()}
    print(json.dumps(found, indent=2))
