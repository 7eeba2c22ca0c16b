"""Folders and slugs: whatever the names are, two things never share a place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.page.naming import distinct_slugs, folder
from study.storage.urls import StorageError

HERE = "sqlite:///a.db"
# Names that are alike are the ones that could collide.
names = st.text() | st.text("aA-_ ./ü", max_size=4) | st.sampled_from(["up", "../../up", "a-b"])
reports = st.lists(st.tuples(st.sampled_from([HERE, "sqlite:///b.db"]), names), min_size=1)


@settings(deadline=None, derandomize=True, database=None)
@given(reports, reports)
def test_distinct_reports_have_distinct_folders_of_plain_letters(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    places = [folder(one, HERE), folder(other, HERE)]
    assert (places[0] == places[1]) == (one == other)
    assert all(re.fullmatch(r"[a-z0-9_][a-z0-9_-]*", place) for place in places)


@settings(deadline=None, derandomize=True, database=None)
@given(names)
def test_a_folder_s_own_name_is_another_report(name: str) -> None:
    place = folder([(HERE, name)], HERE)
    assert place == name or folder([(HERE, place)], HERE) != place


def test_plain_names_are_folders_as_they_are() -> None:
    for name in ("cosine", "fixed_rate", "more-seeds", "x" * 60):
        assert folder([(HERE, name)], HERE) == name


@pytest.mark.parametrize(
    ("studies", "readable"),
    [
        ([(HERE, "../../up")], "up"),
        ([(HERE, "ü")], "study"),
        ([(HERE, "Cosine")], "cosine"),
        ([(HERE, "a"), (HERE, "b")], "a-b"),
        ([("sqlite:///b.db", "a")], "a-sqlite-b-db"),
        ([(HERE, "x" * 500)], "x" * 60),
    ],
)
def test_others_stay_readable(studies: list[tuple[str, str]], readable: str) -> None:
    assert re.fullmatch(rf"{readable}-[0-9a-f]{{8}}", folder(studies, HERE))


def test_a_password_is_no_part_of_a_folder() -> None:
    urls = [f"postgresql://me:{word}@h/d" for word in ("secret", "other")]
    assert len({folder([(url, "a")], HERE) for url in urls}) == 1
    with pytest.raises(StorageError):
        folder([("nonsense://x", "a")], HERE)


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(names, max_size=5))
def test_no_file_of_a_study_is_another_s(studies: list[str]) -> None:
    starts = [
        f"{word}{stage}" for word in distinct_slugs(studies) for stage in ("", "-confirm", "-test")
    ]
    assert len(set(starts)) == 3 * len(studies)
