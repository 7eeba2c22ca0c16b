"""StudySpec: everything that decides the trials of a study. It is stored in the study itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, Self

import numpy as np
from optuna.trial import BaseTrial, FixedTrial
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from search_spaces import given_schedules
from search_spaces.config import Arm, Budget, Parameters, Ranges, TrialConfig
from search_spaces.recipes import CHAPTERS, RecipeName
from search_spaces.schedules.plain import plain
from search_spaces.schedules.problems import first_problem
from search_spaces.schedules.text import given_warmup
from search_spaces.space import SearchSpace
from search_spaces.spaces import find_space
from search_spaces.tries import try_of
from search_spaces.words.phrases import count
from search_spaces.words.unknown import unknown
from study.plan import FEWEST_JUDGED, Looks, Plan
from study.records import Kernel

# Of a sampler or pruner in the registries of `study.trials`, which a worker needs and a reader of
# the study does not.
Method = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Stage = Literal["search", "confirm", "test"]
TrainOn = Literal["train", "all"]
SPEC_ATTR = "lrstudy_spec"


class Round(BaseModel):
    """Seeds that some arms of a later stage are trained on, after those of the rounds before.

    arms: their places among the study's arms. seeds: how many new ones each gets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arms: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    seeds: Annotated[int, Field(ge=1)]


class StudySpec(BaseModel):
    """A study: its space, budget, sampler, pruner and seeds. Frozen, validated, JSON round trip.

    trials: their total number N <= 10^6, a multiple of the number of families; slots 0..N-1.
    families: schedule families in the order of the slots (slot s has family s modulo their number).
    schedules: schedules, as text, that join those of the space; families has their labels.
    ranges: parameters of the space and where they are sampled.
    optimizer: fields of TrialConfig other than schedule, epochs and seed that differ from their
        defaults (momentum, nesterov, weight_decay, init, batch_size).
    recipe: whose rates are sampled; what it says of the optimizer stands in optimizer.
    tries: parameters, as `search_spaces.tries` reads them, that come first in their families.
    sampler, pruner: names of one each; `study.trials` has them.
    replicates: training seeds that the trials of a family use in turn; None: each has its own.
    bank: the trials are independent draws: random, not pruned, without baselines, each with its
        own seed. What estimates for random search are valid on.
    kernel: what computes the convolutions in every trial and in what is trained again.
    max_retries: how often a trial that fails by itself is tried again.
    stage: a search samples; confirm trains given arms on fresh seeds and judges them on validation
        images; test trains the chosen ones on other fresh seeds and reads the test images.
    arms: what the trials of the later stages train (slot s has arm s modulo their number).
    rounds: where arms stop early, which of them are trained on how many seeds, one round after
        another; within a round arms take turns. Without them every arm has every seed.
    looks: of a later stage, after how many seeds it is judged, rising: decided when it is made.
        Seeds beyond the last one decide nothing. Without them: once, on the seeds that there are.
    source: name of the search that a later stage goes back to; a test without one compares arms
        that the user gave.
    all_pairs: whether every two of these are compared, not the first with each other one.
    plan: of a search and its later stages, where one command does it all.
    train_on: images of the test stage: those of the search, or all of them (no validation then).
    Worker count, device and storage are not part of it: they do not change what is asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: str
    task: str = "fashion_mnist"
    families: Annotated[tuple[str, ...], Field(min_length=1)]
    schedules: tuple[str, ...] = ()
    trials: Annotated[int, Field(ge=1, le=1_000_000)]
    budget: Budget
    ranges: Ranges
    optimizer: Annotated[Parameters, BeforeValidator(plain)] = Field(default_factory=dict)
    recipe: RecipeName = CHAPTERS
    sampler: Method = "tpe"
    pruner: Method = "percentile"
    seed: Annotated[int, Field(ge=0)] = 0
    tries: tuple[str, ...] = ()
    replicates: Annotated[int, Field(ge=1)] | None = 1
    bank: bool = False
    kernel: Kernel = "torch"
    max_retries: Annotated[int, Field(ge=0)] = 2
    stage: Stage = "search"
    arms: tuple[Arm, ...] = ()
    rounds: tuple[Round, ...] = ()
    looks: Looks = ()
    source: str | None = None
    all_pairs: bool = False
    train_on: TrainOn = "train"
    plan: Plan | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        space = self.search_space
        for family in self.families:
            if family not in space.FAMILIES:
                raise ValueError(unknown(f"schedule of {self.space}", family, space.FAMILIES))
            if self.families.count(family) > 1:
                raise ValueError(f"the schedule {family!r} is given twice")
        for name in ("schedule", "epochs", "seed"):
            if name in self.optimizer:
                raise ValueError(f"{name} is no setting of the optimizer")
        parameters = space.ranges(self.budget)
        for name in self.ranges:
            if name not in parameters:
                raise ValueError(unknown(f"parameter of {self.space}", name, parameters))
        if missing := parameters.keys() - self.ranges.keys():
            raise ValueError(f"no range for {', '.join(sorted(missing))}")
        return self

    @model_validator(mode="after")
    def _stage_fits(self) -> Self:
        later = self.stage != "search"
        if later != bool(self.arms) or (self.source is None) != (not later or self.compares):
            raise ValueError("a search samples; a later stage has arms and a source")
        if self.all_pairs and not self.compares:
            raise ValueError("only a comparison of given configurations has all pairs")
        if self.looks and not later:
            raise ValueError("only a later stage has looks")
        if self.plan is not None and self.compares:
            raise ValueError("only a search has a plan of what follows it")
        if self.train_on == "all" and self.stage != "test":
            raise ValueError("only the test stage trains on all images")
        for arm in self.arms:
            if arm.family not in self.families:
                raise ValueError(unknown("schedule of an arm", arm.family, self.families))
        if self.bank and (self.sampler, self.pruner, self.replicates) != ("random", "none", None):
            raise ValueError("a bank is random, without pruning, each trial with its own seed")
        return self

    @model_validator(mode="after")
    def _equal_shares(self) -> Self:
        if self.rounds:
            self._check_rounds()
        elif self.trials % self.shares:
            good = -(-self.trials // self.shares) * self.shares
            unit = "configuration" if self.arms else "schedule family"
            raise ValueError(
                f"{count(self.trials, 'trial')} cannot be shared equally by "
                f"{count(self.shares, unit)}; the next good number is {good}"
            )
        return self

    def _check_rounds(self) -> None:
        if any(place >= len(self.arms) for each in self.rounds for place in each.arms):
            raise ValueError("a round has an arm that the study does not have")
        planned = sum(len(each.arms) * each.seeds for each in self.rounds)
        if planned != self.trials:
            raise ValueError(f"the rounds have {count(planned, 'trial')}, the study {self.trials}")

    @model_validator(mode="after")
    def _tries_fit(self) -> Self:
        if self.tries and (self.bank or self.designed or self.arms):
            raise ValueError("a bank, a fixed design or a later stage has no trials of your own")
        for family in self.families:
            tried = self.tried(family)
            for values in tried:
                self._check_try(family, values)
            if len(tried) > self.trials // self.shares:
                raise ValueError(
                    f"{family} has {count(self.trials // self.shares, 'trial')}, and "
                    f"{len(tried)} are to be tried first"
                )
        return self

    def _check_try(self, family: str, values: Parameters) -> None:
        """Raises ValueError where the family has no such parameter, or no trial could be built."""
        lows = {name: each.low for name, each in self.ranges.items()}
        trial = FixedTrial(lows | values)
        self.suggest(trial, family, self.budget)
        for name in values:
            if name not in trial.params:
                raise ValueError(unknown(f"parameter of {family}", name, trial.params))
        self._build(family, lows | values, self.budget)

    @model_validator(mode="after")
    def _every_trial_can_be_built(self) -> Self:
        """No trial may fail for its parameters: the ends of all ranges are tried here."""
        if self.longest_warmup > self.budget.epochs:
            raise ValueError(
                f"a warmup of up to {count(self.longest_warmup, 'epoch')} is longer than training "
                f"({count(self.budget.epochs, 'epoch')})"
            )
        for _ in self.extremes():
            pass
        return self

    def extremes(self) -> Iterator[tuple[str, Budget, TrialConfig]]:
        """Family, budget and configuration at the lower and at the upper ends of all ranges, or of
        every arm."""
        for arm in self.arms:
            budget = arm.budget or self.budget
            yield arm.family, budget, self._build(arm.family, arm.parameters, budget)
        lows = {name: each.low for name, each in self.ranges.items()}
        highs = {name: each.high for name, each in self.ranges.items()}
        for family in () if self.arms else self.families:
            for parameters in (lows, highs):
                yield family, self.budget, self._build(family, parameters, self.budget)

    def _build(self, family: str, parameters: Parameters, budget: Budget) -> TrialConfig:
        trial = FixedTrial(parameters)
        try:
            return self.config(trial, family, budget, seed=0)
        except ValidationError as error:
            asked = ", ".join(f"{name}={value:g}" for name, value in trial.params.items())
            place = f"{family} with {asked}" if asked else family
            raise ValueError(f"{place}: {first_problem(error)}") from None

    @property
    def search_space(self) -> SearchSpace:
        """What may be tried."""
        return find_space(self.space, self.schedules, self.recipe)

    def suggest(self, trial: BaseTrial, family: str, budget: Budget) -> Parameters:
        """What of a trial's configuration the space decides, as fields of TrialConfig."""
        return self.search_space.suggest(trial, family, budget, self.ranges)

    def config(self, trial: BaseTrial, family: str, budget: Budget, seed: int) -> TrialConfig:
        """The configuration of a trial: what the space decides, and what the study does."""
        fields = self.suggest(trial, family, budget)
        return TrialConfig(**fields, epochs=budget.epochs, seed=seed, **self.optimizer)

    @property
    def longest_warmup(self) -> float:
        """The longest warmup (epochs) that a trial of this study can have."""
        given = [given_warmup(text, self.budget.epochs) for text in self.schedules]
        return max([self.ranges["warmup"].high if "warmup" in self.ranges else 0.0, *given])

    def with_trials(self, trials: int) -> StudySpec:
        """This study with a new total. Raises ValueError if it is smaller, or shares unequally."""
        if trials < self.trials:
            raise ValueError(
                f"the study has {count(self.trials, 'trial')}; a total of {trials} is fewer"
            )
        return StudySpec.model_validate(self.model_dump() | {"trials": trials})

    @property
    def designed(self) -> bool:
        """Whether its runs are fixed beforehand, so that nothing is sampled or confirmed."""
        return self.search_space.DESIGNED

    @property
    def validates(self) -> bool:
        """Whether some training images are kept apart for validation."""
        return not self.designed and self.train_on == "train"

    @property
    def reads_test(self) -> bool:
        """Whether trials read the test images, once each, after training."""
        return self.designed or self.stage == "test"

    @property
    def shares(self) -> int:
        """How many families or arms share the trials equally."""
        return len(self.arms) or len(self.families)

    @property
    def compares(self) -> bool:
        """Whether it compares configurations that the user gave, without a search."""
        return self.stage == "test" and self.source is None and bool(self.arms)

    @property
    def question(self) -> str:
        """What the study is there to answer."""
        return given_schedules.COMPARISON if self.compares else self.search_space.QUESTION

    @property
    def seeds(self) -> int:
        """Seeds of the arms that have most, or trials of each family."""
        return sum(each.seeds for each in self.rounds) or self.trials // self.shares

    def with_seeds(self, seeds: int) -> StudySpec:
        """This later stage with that many seeds of the arms of its last round. Those beyond its
        looks decide nothing, unless the looks were too few for any verdict. Raises ValueError where
        these are fewer than it has."""
        if seeds < self.seeds:
            raise ValueError(
                f"the study has {count(self.seeds, 'seed')}; a total of {seeds} is fewer"
            )
        arms = self.rounds[-1].arms if self.rounds else tuple(range(len(self.arms)))
        more = self.with_round(arms, seeds - self.seeds)
        if self.looks and self.looks[-1] < FEWEST_JUDGED:
            more = more.model_copy(update={"looks": (seeds,)})
        return more

    def with_round(self, arms: Sequence[int], seeds: int) -> StudySpec:
        """This later stage with so many more seeds (0 or more) of the arms at those places."""
        if not seeds:
            return self
        rounds = (*self._rounds, Round(arms=tuple(arms), seeds=seeds))
        if all(len(each.arms) == len(self.arms) for each in rounds):
            rounds = ()
        values = {"rounds": rounds, "trials": self.trials + len(arms) * seeds}
        return StudySpec.model_validate(self.model_dump() | values)

    @property
    def _rounds(self) -> tuple[Round, ...]:
        everyone = tuple(range(len(self.arms)))
        return self.rounds or (Round(arms=everyone, seeds=self.seeds),)

    def arm_place(self, slot: int) -> int | None:
        """The place of a slot's arm; None in a search."""
        return self._place(slot)[0] if self.arms else None

    def _place(self, slot: int) -> tuple[int, int]:
        """The place of a slot's arm or family, and how many slots of it come before."""
        before = 0
        for each in self.rounds:
            size = len(each.arms)
            if slot < size * each.seeds:
                return each.arms[slot % size], before + slot // size
            slot -= size * each.seeds
            before += each.seeds
        return slot % self.shares, before + slot // self.shares

    def arm(self, slot: int) -> Arm | None:
        """What a slot of a later stage trains; None in a search."""
        return self.arms[self._place(slot)[0]] if self.arms else None

    def family(self, slot: int) -> str:
        """The schedule family of a slot: round robin, so that all get the same number."""
        arm = self.arm(slot)
        return self.families[slot % len(self.families)] if arm is None else arm.family

    def slot_budget(self, slot: int) -> Budget:
        """What the trial of a slot may spend."""
        arm = self.arm(slot)
        return self.budget if arm is None or arm.budget is None else arm.budget

    def turn(self, slot: int) -> int:
        """How many slots of the same family, or arm, come before this one."""
        return self._place(slot)[1]

    def replicate(self, slot: int) -> int:
        """The replicate of a slot: trials of one replicate share weights at the start and order."""
        turn = self.turn(slot)
        if self.replicates is not None:
            return turn % self.replicates
        return slot if self.bank else turn

    def training_seed(self, slot: int) -> int:
        """The seed of the slot's weights and image order, from the study's seed and replicate.

        Every stage has seeds of its own: what a search chose is judged on others.
        """
        stage = {"search": [], "confirm": [1], "test": [2]}[self.stage]
        entropy = np.random.SeedSequence([self.seed, self.replicate(slot), *stage])
        return int(entropy.generate_state(1)[0])

    def given(self, slot: int) -> Parameters | None:
        """Parameters of a slot that are not sampled: its arm's or a baseline's."""
        arm = self.arm(slot)
        return self.baseline(slot) if arm is None else arm.parameters

    def baseline(self, slot: int) -> Parameters | None:
        """Parameters of a slot that comes first in its family, the user's before known good ones,
        clipped to the ranges; None for all others, and in a bank or a later stage."""
        if self.bank or self.arms:
            return None
        known = [
            *self.tried(self.family(slot)),
            *self.search_space.baselines(self.family(slot), self.budget),
        ]
        if self.turn(slot) >= len(known):
            return None
        return {
            name: min(max(value, self.ranges[name].low), self.ranges[name].high)
            for name, value in known[self.turn(slot)].items()
        }

    def tried(self, family: str) -> list[Parameters]:
        """What the user wants tried first of a family."""
        tries = [try_of(text, self.families, self.ranges) for text in self.tries]
        return [values for families, values in tries if family in families]
