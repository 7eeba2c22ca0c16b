"""The bench of distributions: `python -m tests.verdicts --seed 1`, or `make bench-verdicts SEED=1`.

Prints how often each estimator and each verdict is wrong, and ends with one line of counts. The
exit status is 1 if a cell fails that is not listed in `unmet`.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.verdicts.bench import cell, counts, lines, verdict
from tests.verdicts.cells import every
from tests.verdicts.efficiency import costs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.verdicts", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="any number: other draws")
    parser.add_argument("--studies", type=int, default=4000, help="simulated studies a cell")
    asked = parser.parse_args()
    started = time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        cost = pool.submit(costs, asked.studies, asked.seed)
        jobs = [pool.submit(cell, *each, asked.studies, asked.seed) for each in every()]
        cells, efficiency = [job.result() for job in jobs], cost.result()
    print("\n".join(lines(cells, efficiency)))
    drawn = f"seed {asked.seed}, {asked.studies} studies a cell"
    print(f"{counts(cells, efficiency)}; {drawn}, {time.perf_counter() - started:.0f} s")
    return int(not verdict(cells, efficiency))


if __name__ == "__main__":
    sys.exit(main())
