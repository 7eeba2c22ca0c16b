"""Which names a new study may have."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.names import check_new_name
from tests.study.conftest import Command, assert_one_line

REFUSED = {
    "": "a study needs a name that is not empty",
    "  ": "a study needs a name that is not empty",
    "--help": "the name '--help' starts with a dash, as options do",
    "x-confirm": "the name 'x-confirm' ends in -confirm, as the stages that `lrstudy confirm`",
    "x-test": "the name 'x-test' ends in -test, as the stages that `lrstudy confirm` makes do",
    "a\nb": "the name 'a\\nb' has characters that cannot be printed",
    "a\x1b[31m": "the name 'a\\x1b[31m' has characters that cannot be printed",
    " a": "the name ' a' starts or ends with a space",
    "sqlite:///a.db#b": "the name 'sqlite:///a.db#b' looks like a storage URL",
    "x" * 201: "the name has 201 characters; 200 are the most",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_cannot_be_used_is_refused_before_anything_is_made(
    lrstudy: Command, name: str
) -> None:
    assert_one_line(lrstudy("run", "fixed_rate", "--study", name), 2, REFUSED[name])


@pytest.mark.parametrize("name", ["cosine", "a b", "Ü", "confirm", "test", "x-testing", "../up"])
def test_others_are_taken(name: str) -> None:
    check_new_name(name)


@settings(deadline=None, derandomize=True, database=None)
@given(st.text().filter(lambda name: not name.isprintable()))
def test_what_no_font_draws_is_refused_in_one_line_of_text(name: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (every message is wanted)
        check_new_name(name)
    assert str(caught.value).isprintable()
