"""Reads a schedule from one line of text, such as ``cosine:base=0.3,final=0.01,horizon=20``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import ValidationError

from search_spaces.schedules.base import FAMILIES, ScheduleConfig, Unit
from search_spaces.schedules.families import schedule_adapter
from search_spaces.schedules.given import TorchScheduler
from search_spaces.schedules.problems import first_problem
from search_spaces.schedules.searched import Searched
from search_spaces.words.unknown import unknown

_THEN = re.compile(r"\s+then\s+")
_SHARE = re.compile(r"(\S+?)\s*(%|of training)")
UNKNOWN = "?"
"""Written for a value that a study shall sample."""
_TORCH_LISTS = ("milestones",)
_WORDS = {"true": True, "false": False, "none": None}


def short_names(fields: Iterable[str]) -> dict[str, str]:
    """What a user may write for a field, and what sentences call it: ``base`` for ``base_lr``,
    where no other field has that name."""
    known = list(fields)
    shorter = {name.removesuffix("_lr"): name for name in known if name.endswith("_lr")}
    return {short: name for short, name in shorter.items() if short not in known}


def field_name(written: str) -> str:
    """The parameter of a space that a user means: ``base`` and ``base_lr`` are one."""
    return short_names(["base_lr"]).get(written, written)


def parse_schedule(text: str, epochs: float | None = None) -> ScheduleConfig:
    """The schedule that ``family:name=value,...`` describes.

    epochs: length of training, from which the family fills in what is left out, such as a horizon;
    None: not known.

    ``A:until=5,... then B`` is the schedule A up to the start of epoch 5 (counted from 0), then B,
    whose durations count from there.

    A duration, and ``until``, may be a share of training: ``10%`` or ``1/3 of training``.

    ``base`` stands for ``base_lr``, and so for every rate. Lists are written ``15/30``; any other
    ``1/3`` is the number. Arguments of ``torch:scheduler=StepLR,...`` that no schedule has go to
    the torch class. Raises ValueError, in one line, with the nearest name where one is unknown; it
    calls a field what the text calls it.

    >>> schedule = parse_schedule("cosine:base=0.4,warmup=1/3 of training", epochs=6)
    >>> [round(schedule(epoch), 3) for epoch in range(6)]
    [0.0, 0.2, 0.4, 0.341, 0.2, 0.059]
    >>> schedule = parse_schedule("constant:base=0.4,until=2 then cosine:horizon=4")
    >>> [round(schedule(epoch), 3) for epoch in range(6)]
    [0.4, 0.4, 0.4, 0.341, 0.2, 0.059]
    """
    return read(text).schedule(epochs)


@dataclass(frozen=True)
class Share:
    """A duration that a text gives as a share of training."""

    of_training: float


@dataclass(frozen=True)
class Written:
    """What a line of text says of a schedule, not yet validated.

    name: of its family. title: the same, or the names in a sequence: "constant then cosine".
    fields: as the family takes them. words: the ``name=value`` in it. spoken: what the text calls a
    field.
    """

    text: str
    name: str
    title: str
    fields: Mapping[str, Any]
    words: tuple[str, ...]
    spoken: Mapping[str, str]

    @property
    def searched(self) -> dict[str, Searched]:
        """By field what a study samples: what is left out, and what is written ``?``."""
        return {
            field: each
            for field, each in FAMILIES[self.name].SEARCHED.items()
            if self.fields.get(field) == UNKNOWN
            or (field not in self.fields and not each.on_request)
        }

    def schedule(
        self, epochs: float | None = None, sampled: Mapping[str, float] | None = None
    ) -> ScheduleConfig:
        """The schedule for a run of so many epochs, with the values of sampled parameters by their
        names. Raises ValueError, in one line."""
        try:
            fields = _in_epochs(self.fields, epochs)
            if sampled is not None and epochs is not None:
                for field, each in self.searched.items():
                    fields[field] = each.to_field(sampled[each.name], fields, epochs)
            if epochs is not None:
                fields = FAMILIES[self.name].fill_in(fields, epochs)
            elif counted := fields.keys() & set(FAMILIES[self.name].COUNTED):
                raise ValueError(f"{min(counted)} divides training, whose epochs are not known")
            schedule: ScheduleConfig = schedule_adapter.validate_python(fields)
        except ValidationError as error:
            raise ValueError(f"{self.text}: {first_problem(error, self.spoken)}") from None
        except ValueError as error:
            raise ValueError(f"{self.text}: {error}") from None
        return schedule


def _in_epochs(fields: Mapping[str, Any], epochs: float | None) -> dict[str, Any]:
    """The fields with durations that are a share of training, of a sequence's parts, too."""
    in_epochs: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Share):
            if epochs is None:
                raise ValueError(f"{name} is a share of training, whose epochs are not known")
            in_epochs[name] = value.of_training * epochs
        elif name == "boundaries":
            in_epochs[name] = [_in_epochs({"until": each}, epochs)["until"] for each in value]
        elif name == "parts":
            in_epochs[name] = [_in_epochs(part, epochs) for part in value]
        else:
            in_epochs[name] = value
    return in_epochs


def given_warmup(text: str, epochs: float) -> float:
    """The warmup (epochs) that a text gives; 0 where it gives none."""
    written = read(text)
    starts = [written.fields, *written.fields.get("parts", [])[:1]]
    lengths = [_in_epochs(each, epochs).get("warmup", 0.0) for each in starts]
    return max(each if _is_number(each) else 0.0 for each in lengths)


def read(text: str) -> Written:
    """The parts of ``family:name=value,...``. Raises ValueError where a name is unknown."""
    pieces = _THEN.split(text.strip())
    if len(pieces) > 1:
        return _sequence(text, pieces)
    name, _, rest = (part.strip() for part in text.partition(":"))
    family = FAMILIES.get(name)
    if name == "then":
        raise ValueError(f"'then' stands between two schedules: {FAMILIES[name].EXAMPLE}")
    if family is None:
        raise ValueError(unknown("schedule", name, FAMILIES))
    hidden = ("family", "arguments")
    known = [*(each for each in family.model_fields if each not in hidden), *family.COUNTED]
    short = short_names(known)
    spoken = {field: each for each, field in short.items()}
    fields: dict[str, Any] = {"family": name}
    arguments: dict[str, Any] = {}
    pairs = _pairs(text, rest)
    for key, value in pairs.items():
        field = short.get(key, key)
        if field in known:
            if field in fields:
                raise ValueError(f"{spoken[field]!r} is given twice in {text!r}")
            fields[field] = _checked(family, field, key, _value(value, _is_list(family, field)))
            spoken[field] = key
        elif family is TorchScheduler:
            arguments[key] = _value(value, key in _TORCH_LISTS)
        else:
            names = [spoken.get(each, each) for each in known]
            raise ValueError(unknown(f"parameter of {name}", key, names))
    if arguments:
        fields["arguments"] = arguments
    words = tuple(f"{key}={value}" for key, value in pairs.items())
    return Written(text, name, name, fields, words, spoken)


def _sequence(text: str, pieces: Sequence[str]) -> Written:
    """The parts of ``constant:base=0.3,until=5 then cosine``."""
    parts, boundaries, words = [], [], []
    for piece in pieces:
        family, _, rest = piece.partition(":")
        pairs = [pair.strip() for pair in rest.split(",")]
        ends = [pair for pair in pairs if pair.startswith("until=")]
        if len(ends) != (piece is not pieces[-1]):
            raise ValueError(f"{text!r}: every schedule but the last needs one until=EPOCH")
        parts.append(read(f"{family}:{','.join(each for each in pairs if each not in ends)}"))
        boundaries += [_single(end.removeprefix("until=").strip()) for end in ends]
        words += [*parts[-1].words, *ends]
    fields: dict[str, Any] = {
        "family": "then",
        "parts": [dict(part.fields) for part in parts],
        "boundaries": boundaries,
    }
    if "base_lr" in parts[0].fields:
        fields["base_lr"] = parts[0].fields["base_lr"]
    title = " then ".join(part.name for part in parts)
    spoken = {"boundaries": "until", **parts[0].spoken}
    return Written(text, "then", title, fields, tuple(words), spoken)


def _pairs(text: str, rest: str) -> dict[str, str]:
    """The ``name=value,...`` of ``text``."""
    pairs: dict[str, str] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals:
            raise ValueError(f"{pair!r} in {text!r} is not of the form name=value")
        if key in pairs:
            raise ValueError(f"{key!r} is given twice in {text!r}")
        pairs[key] = value
    return pairs


def _checked(family: type[ScheduleConfig], field: str, key: str, value: Any) -> Any:
    """The value; ValueError where what is no duration is a share of training."""
    info = family.model_fields.get(field)
    is_duration = info is not None and Unit("epochs") in info.metadata
    if isinstance(value, Share) and not is_duration:
        raise ValueError(f"{key} is no duration, and cannot be a share of training")
    return value


def _is_list(family: type[ScheduleConfig], field: str) -> bool:
    """Whether a field holds several values."""
    return (
        field in family.model_fields and get_origin(family.model_fields[field].annotation) is tuple
    )


def _value(text: str, is_list: bool) -> Any:
    """The value that is written for a field or an argument of torch."""
    if is_list:
        return [_single(part.strip()) for part in text.split("/") if part.strip()]
    return _single(text)


def _single(text: str) -> Any:
    """A number (also ``1/3``), boolean or None where the text is one, else the text itself."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if share := _SHARE.fullmatch(text):
        number = _single(share[1])
        return Share(number / 100 if share[2] == "%" else number) if _is_number(number) else text
    for number in (int, float, _fraction):
        try:
            return number(text)
        except (ValueError, ZeroDivisionError, OverflowError):
            continue
    return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fraction(text: str) -> float:
    """The number ``1/3``."""
    above, _, below = text.partition("/")
    return float(above) / float(below)
