"""Compare what lrstudy says today with what it said: every difference, or none.

`python -m tests.golden` needs the images of Fashion-MNIST. With `--exact` nothing may differ, which
holds on the kind of processor that made the files; else numbers may differ as rounding does.
`--write` writes down what is said today, after a change that was meant.
"""

from __future__ import annotations

import argparse
import json
import lzma
import tempfile
from pathlib import Path

from tests.golden import golden

ROUNDING = 1e-6  # of an estimate
TRAINING = 0.05  # of a loss or an accuracy after training on another processor


def main() -> int:
    """The exit status: 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = golden.report(golden.restore(golden.PLANTED, folder / "planted.db"), folder)
        url = f"sqlite:///{folder / 'trained.db'}"
        golden.train(url, folder)
        if asked.write:
            golden.REPORT.write_bytes(lzma.compress(json.dumps(found).encode(), preset=9))
            golden.TRAINED.write_bytes(golden.dump(folder / "trained.db"))
            return 0
        known = json.loads(lzma.decompress(golden.REPORT.read_bytes()))
        before = golden.trials(golden.restore(golden.TRAINED, folder / "before.db"))
        after = golden.trials(url)
    rounding, training = (0.0, 0.0) if asked.exact else (ROUNDING, TRAINING)
    lines = [
        *golden.differences(known, found, rounding, "report"),
        *golden.differences(before, after, training, "trained"),
    ]
    print("\n".join(lines) or "nothing differs")
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
