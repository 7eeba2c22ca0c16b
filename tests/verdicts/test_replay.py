"""The bank of real runs, and the rule of verdicts replayed on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from search_spaces import cosine
from tests.verdicts.bank import Bank, load, write
from tests.verdicts.replay import RESOLVED, judge

LOOKS = (5, 10)


def test_the_bank_has_thirty_seeds_of_every_schedule() -> None:
    bank = load()
    assert set(bank.families) == set(cosine.FAMILIES)
    seeds, families = bank.untrained.shape
    assert seeds >= 30
    assert bank.correct.shape[:2] == (seeds, families)
    assert bank.images == 10_000
    assert np.nanmin(bank.accuracy) > 0.5  # they trained
    assert bank.untrained.mean() < 0.1


def test_a_bank_is_kept_as_it_was(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    correct = rng.random((4, 2, 21)) < 0.8
    bank = Bank(["cosine", "constant"], np.zeros((4, 2), dtype=bool), correct, 70, 9, ["a", "b"])
    write(bank, tmp_path / "bank.xz")
    kept = load(tmp_path / "bank.xz")
    np.testing.assert_array_equal(kept.correct, correct)
    np.testing.assert_array_equal(kept.untrained, bank.untrained)
    assert (kept.families, kept.images, kept.config) == (bank.families, 100, ["a", "b"])
    np.testing.assert_allclose(kept.accuracy, (correct.sum(axis=-1) + 70) / 100)


def test_a_replay_judges_the_five_pairs_in_looks() -> None:
    bank, rng = load(), np.random.default_rng(0)
    found = judge(bank, LOOKS, rng, null=False)
    assert (found["first"] == "cosine").all()
    assert len(found) == 5
    resolved = found["verdict"].isin(RESOLVED)
    assert (found["stopped"] == resolved).all()
    assert found["look"].isin([1, 2]).all()
    # What the bank as a whole says of the largest difference, few seeds say, too.
    lead = np.nanmean(bank.accuracy, axis=0)
    largest = bank.families[int(np.argmin(lead))]
    assert found.set_index("second").loc[largest, "verdict"] == "better"


def test_under_the_null_no_schedule_has_a_name() -> None:
    """Permuted within seeds, the differences to cosine are on average nothing."""
    bank, rng = load(), np.random.default_rng(1)
    means = [judge(bank, (10,), rng, null=True)["mean"].to_numpy(float) for _ in range(4)]
    usual = judge(bank, (10,), rng, null=False)["mean"].to_numpy(float)
    assert abs(np.nanmean(means)) < np.nanmax(np.abs(usual)) / 2
