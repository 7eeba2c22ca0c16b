"""All schedule families by name. `schedules.base` says what each of them has."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.cycles import CosineRestarts, OneCycle
from search_spaces.schedules.decays import Constant, Factor, InversePower, MultiFactor
from search_spaces.schedules.given import Plateau, Table, TorchScheduler
from search_spaces.schedules.horizon import Cosine, Polynomial, WarmupStableDecay

AnySchedule = Annotated[
    Constant
    | Factor
    | MultiFactor
    | InversePower
    | Polynomial
    | Cosine
    | CosineRestarts
    | WarmupStableDecay
    | OneCycle
    | Table
    | TorchScheduler
    | Plateau,
    Field(discriminator="family"),
]
schedule_adapter: TypeAdapter[Any] = TypeAdapter(AnySchedule)
FAMILIES: dict[str, type[ScheduleConfig]] = {
    str(cls.model_fields["family"].default): cls
    for cls in (
        Constant,
        Factor,
        MultiFactor,
        InversePower,
        Polynomial,
        Cosine,
        CosineRestarts,
        WarmupStableDecay,
        OneCycle,
        Table,
        TorchScheduler,
        Plateau,
    )
}
