"""All benchmarks, as one JSON object: `python -m tests.benchmarks`, or `make bench`.

The exit status is 1 where numba's kernel is slower than torch's.
"""

from __future__ import annotations

import json
import sys

from tests.benchmarks import bench_kernels, bench_report, bench_training

if __name__ == "__main__":
    found = {
        "kernels": bench_kernels.measure(),
        "training": bench_training.measure(),
        "report": bench_report.measure(),
    }
    print(json.dumps(found, indent=2))
    if slower := bench_kernels.slower(found["kernels"]):
        sys.exit(f"numba's kernel is slower than torch's: {', '.join(slower)}")
