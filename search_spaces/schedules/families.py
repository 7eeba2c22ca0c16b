"""A field that holds a schedule of any family, also of one whose class was made later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, TypeAdapter
from pydantic_core import PydanticKnownError

from search_spaces.schedules.base import FAMILIES, ScheduleConfig


def _of_its_family(data: Any) -> Any:
    """Fields as the schedule that ``family`` names: looked up when asked, so that families which
    came later are found, too."""
    if not isinstance(data, Mapping):
        return data
    if "family" not in data:
        raise PydanticKnownError("union_tag_not_found", {"discriminator": "'family'"})
    name = str(data["family"])
    if name not in FAMILIES:
        known = ", ".join(repr(each) for each in FAMILIES)
        about = {"discriminator": "'family'", "tag": name, "expected_tags": known}
        raise PydanticKnownError("union_tag_invalid", about)
    return FAMILIES[name].model_validate(dict(data))


AnySchedule = Annotated[SerializeAsAny[ScheduleConfig], BeforeValidator(_of_its_family)]
schedule_adapter: TypeAdapter[Any] = TypeAdapter(AnySchedule)
