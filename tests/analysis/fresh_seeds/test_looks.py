"""A test in planned looks: who trains on, and what tables, sentences and figures say of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.fresh_seeds import forest, pair_words, pairs
from analysis.fresh_seeds.frames import Scores, best_family, on_test
from analysis.fresh_seeds.looks import look_complete, open_arms, planned_pairs, reference
from analysis.questions.cosine import confirmed as cosine
from analysis.study import Study, load_study
from tests.analysis.conftest import plant_stages, plant_study

LOOKS = (5, 7, 9)
OTHERS = ("constant", "factor", "polynomial")


def scores(seeds: int) -> Scores:
    """Of cosine and OTHERS, of which factor is much worse, and trained no more after a look."""
    rng = np.random.default_rng(1)
    names = ["cosine", *OTHERS]
    noise = 0.85 + 0.01 * rng.standard_normal((20, 4))[:seeds]
    frame = pd.DataFrame(
        noise - 0.1 * np.array([name == "factor" for name in names]), columns=names
    )
    frame.loc[5:, "factor"] = np.nan
    return Scores(frame, pd.DataFrame(False, frame.index, names), {})


def judged(seeds: int, *, every: bool = False) -> pd.DataFrame:
    """What `pairs.pairs` makes of those scores."""
    frame = pairs.compare_planned(scores(seeds), "cosine", 0.003, LOOKS, every=every)
    trials = pd.Series([[0]] * len(frame), dtype=object)
    return frame.assign(delta=0.003, stage="test", trials=trials)


def said(frame: pd.DataFrame) -> str:
    shares = pd.DataFrame(columns=["family", "runs", "untrained"])
    return pair_words.sentence(frame, "cosine", shares)


def test_before_the_first_look_nothing_is_said_but_when_it_is() -> None:
    text = said(judged(4))
    assert "cosine is not judged yet against constant, factor and polynomial" in text
    assert text.endswith("; the first look is at 5 seeds")
    assert "points" not in text
    assert forest.forest(judged(4), "cosine", "alt") == []


def test_between_looks_the_next_one_is_named_and_no_number_of_further_seeds() -> None:
    text = said(judged(6))
    assert "cosine is better than factor (" in text
    assert "stopped at look 1 of 3, 5 seeds; median-unbiased +" in text
    assert "unresolved against" in text
    assert text.endswith("; look 1 of 3 is over, the next is at 7 seeds")
    assert "more seed" not in text
    assert "(95 % repeated intervals over the seeds" in text
    assert "adjusted for 3 pairs and 3 looks)" in text


def test_after_the_last_look_only_a_new_study_can_tell() -> None:
    text = said(judged(9))
    assert "a new study needs about" in text
    assert "the last look is over: more seeds of this study decide nothing" in text
    assert "about" not in text.replace("a new study needs about", "")
    frame = pairs.table(judged(9))
    assert "further_seeds" not in frame
    assert not [name for name in frame if name.startswith("exploratory")]
    new = frame.set_index("family")["new_seeds"]
    assert new.isna().tolist() == [name == "factor" for name in new.index]
    assert (new.dropna() > 9).all()


def test_more_seeds_are_shown_without_a_verdict() -> None:
    before, after = judged(9), judged(15)
    assert before["verdict"].tolist() == after["verdict"].tolist()
    assert before["difference_accuracy"].tolist() == after["difference_accuracy"].tolist()
    assert after.set_index("family")["exploratory_n"].dropna().to_dict() == {
        "constant": 15,
        "polynomial": 15,
    }
    text = said(after)
    assert text.count("exploratory over 15 seeds") == 2
    assert "what is exploratory is no verdict" in text
    assert "exploratory_accuracy_low" in pairs.table(after)


def test_the_table_and_the_forest_show_where_each_pair_stopped() -> None:
    frame = pairs.table(judged(15)).set_index("family")
    assert frame.loc["factor", ["look", "stopped"]].tolist() == [1, True]
    assert frame.loc["constant", ["look", "stopped"]].tolist() == [3, False]
    drawn = forest.forest(judged(15), "cosine", "alt")[0]
    assert "repeated" in drawn.caption
    assert "stopped at look 1 of 3, 5 seeds" in drawn.svg.decode()


def test_all_pairs_have_a_row_and_a_clause_each() -> None:
    frame = judged(9, every=True)
    assert len(frame) == 6
    assert set(pairs.table(frame)["first"]) == {"cosine", "constant", "factor"}
    text = said(frame)
    assert "constant is better than factor" in text
    assert "; factor is worse than polynomial" in text
    assert len(forest.forest(frame, "cosine", "alt")) == 1


def test_one_planned_look_at_all_seeds_decides_as_none_does() -> None:
    plain = pairs.compare(scores(5), "cosine", 0.003)
    once = pairs.compare_planned(scores(5), "cosine", 0.003, (5,))
    shared = [name for name in plain if name in once]
    assert {"verdict", "adjusted_accuracy_low"} <= set(shared)
    pd.testing.assert_frame_equal(plain[shared], once[shared])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A search over schedules whose test was planned in looks, with two seeds after the last."""
    path = tmp_path_factory.mktemp("looks") / "planted.db"
    plant_study(path, "cosine", 12)
    url = plant_stages(path, "cosine", seeds=11, top=1, noise=0.02, test={"looks": LOOKS})
    return load_study(url, "cosine")


def until(study: Study, seeds: int, planned: int | None = None) -> Study:
    """With so many seeds trained, of so many that are planned by now."""
    test = study.test
    assert test is not None
    trials = test.trials[test.trials["replicate"] < seeds]
    spec = test.spec.model_copy(update={"trials": len(test.spec.arms) * (planned or seeds)})
    return replace(study, test=replace(test, trials=trials, spec=spec))


def test_every_arm_trains_until_the_first_look_is_complete(study: Study) -> None:
    assert study.test is not None
    places = list(range(len(study.test.spec.arms)))
    for seeds in (0, 1, 4):
        assert open_arms(until(study, seeds, 5)) == places
        assert not look_complete(until(study, seeds, 5))
    assert look_complete(until(study, 5))
    assert not look_complete(until(study, 4, 4))


def test_after_a_look_the_arms_of_open_pairs_and_the_reference_train(study: Study) -> None:
    now = until(study, 5)
    assert now.test is not None
    compared = pairs.pairs(now, "cosine")
    left = {"cosine", *compared.loc[~compared["stopped"], "family"]}
    assert len(left) > 1
    arms = now.test.spec.arms
    assert [arms[place].family for place in open_arms(now)] == [
        arm.family for arm in arms if arm.family in left
    ]
    assert open_arms(until(study, 9)) == []
    assert open_arms(until(study, 11)) == []


def test_a_look_without_all_results_is_not_complete(study: Study) -> None:
    now = until(study, 7)
    assert look_complete(now)
    assert now.test is not None
    open_family = now.test.spec.arms[0].family
    gone = now.test.trials.query("not (replicate == 6 and family == 'cosine')")
    lacking = replace(now, test=replace(now.test, trials=gone))
    assert open_family in {arm.family for arm in now.test.spec.arms}
    assert not look_complete(lacking)
    assert open_arms(lacking) == open_arms(until(study, 5))


def test_the_section_of_question_3_tells_the_looks(study: Study) -> None:
    found = cosine.estimate(until(study, 5))
    assert "in 3 planned looks at up to 9 fresh seeds" in cosine.conclude(found)
    assert set(found["pairs"]) <= set(cosine.ABOUT.tables["pairs"].names)
    assert cosine.draw(found)
    assert "further_seeds" not in found["pairs"]


def test_the_pairs_are_those_with_the_reference(study: Study) -> None:
    assert study.test is not None
    assert reference(study) == "cosine"
    others = [arm.family for arm in study.test.spec.arms if arm.family != "cosine"]
    assert planned_pairs(study) == [("cosine", each) for each in others]
    assert best_family(study) in {arm.family for arm in study.test.spec.arms}


def test_given_configurations_are_compared_with_the_first_or_each_other(study: Study) -> None:
    test = study.test
    assert test is not None
    given = replace(test, spec=test.spec.model_copy(update={"source": None}))
    first = test.spec.arms[0].family
    assert given.spec.compares
    assert {pair[0] for pair in planned_pairs(given)} == {first}
    assert on_test(given, "last").accuracy.equals(on_test(study, "last").accuracy)
    every = replace(given, spec=given.spec.model_copy(update={"all_pairs": True}))
    n = len(test.spec.arms)
    assert len(planned_pairs(every)) == n * (n - 1) / 2
    assert len(pairs.pairs(every, first)) == n * (n - 1) / 2
    assert open_arms(every) == []


def test_without_looks_there_is_nothing_to_ask(tmp_path: Path) -> None:
    plant_study(tmp_path / "planted.db", "cosine", 6)
    search = load_study(f"sqlite:///{tmp_path / 'planted.db'}", "cosine")
    for ask in (open_arms, look_complete):
        with pytest.raises(ValueError, match="no test that is planned in looks"):
            ask(search)


def test_a_single_arm_trains_until_the_last_look(tmp_path: Path) -> None:
    path = tmp_path / "planted.db"
    plant_study(path, "fixed_rate", 8)
    url = plant_stages(path, "fixed_rate", seeds=5, top=1, test={"looks": (5,)})
    found = load_study(url, "fixed_rate")
    assert (open_arms(until(found, 4, 5)), look_complete(until(found, 4, 5))) == ([0], False)
    assert (open_arms(found), look_complete(found)) == ([], True)
