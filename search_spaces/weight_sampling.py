"""Weights sampled along a run: the temperature of its noise, and which weights predict together.

Optimization and sampling are one axis. A step of SGD on the mean loss of N images with rate lr, and
normal noise of standard deviation sqrt(2 lr T / N), is stochastic gradient Langevin dynamics with
step size eps = 2 lr / N (Welling & Teh 2011, eq. 4): T = 0 is SGD, T = 1 samples the posterior.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, model_validator

from search_spaces.schedules.base import Array, Duration, PositiveDuration, Rate
from search_spaces.schedules.durations import CLOSE, cycle_times, moments
from search_spaces.words.phrases import count


class WeightSampling(BaseModel):
    """How a run samples weights, and what is averaged over the samples.

    temperature: T >= 0 of the noise that every update adds.
    prior_precision: 1 / variance >= 0 of a normal prior of mean 0 on every weight: a weight decay
        of prior_precision / N.
    cycle: length in epochs after which sampling starts again, as a cyclical schedule does; the
        first begins where the schedule's does, after its warmup. None: the run is one cycle.
    burn_in: epochs at the start of each cycle of which no sample is taken.
    thinning: epochs between two samples; the first comes so long after the burn-in. Sample j of
        cycle k comes at the rounded exact time first + k cycle + burn_in + j thinning.
    explore: no noise during the burn-in, as in cyclical SG-MCMC (Zhang et al. 2020, algorithm 1).
    average: ``predictions``, the mean of the samples' probabilities; ``weights``, the prediction of
        the mean of their weights (SWA, Izmailov et al. 2018).
    by_step_size: samples count in proportion to the learning rate (Welling & Teh 2011, eq. 11), as
        a decreasing one asks for; else all alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Rate = 0.0
    prior_precision: Rate = 0.0
    cycle: PositiveDuration | None = None
    burn_in: Duration = 0.0
    thinning: PositiveDuration = 1.0
    explore: bool = False
    average: Literal["predictions", "weights"] = "predictions"
    by_step_size: bool = False

    @model_validator(mode="after")
    def _cycle_has_a_sample(self) -> Self:
        if self.cycle is not None and self.burn_in + self.thinning > self.cycle + CLOSE:
            raise ValueError(
                f"burn_in={self.burn_in:g} and thinning={self.thinning:g} leave a cycle of "
                f"{count(self.cycle, 'epoch')} without a sample"
            )
        return self

    def is_sample(
        self, count: int, steps_per_epoch: int, first_cycle: float = 0.0
    ) -> npt.NDArray[np.bool_]:
        """Whether a sample is taken after each of the updates 0..count - 1, (count,).

        first_cycle: when the schedule's cycles begin, in epochs; a run without cycles begins at 0.
        """
        after_burn_in = ~self._burning_in(count, steps_per_epoch, first_cycle)
        if self.thinning * steps_per_epoch <= 1.0:
            return after_burn_in
        begin = self._cycles(count, steps_per_epoch, first_cycle)
        # A cycle's last sample comes with its end, whatever the sums of their times round to.
        end = np.append(begin[1:], np.inf)[:, None]
        length = count / steps_per_epoch if self.cycle is None else self.cycle
        most = max(0, int((length - self.burn_in + CLOSE) / self.thinning))
        times = begin[:, None] + (self.burn_in + self.thinning * np.arange(1, most + 1))
        times = np.where(times > end - CLOSE, end, times)
        after = moments(times.ravel(), steps_per_epoch).astype(np.int64) - 1
        taken = np.zeros(count, dtype=np.bool_)
        taken[after[after < count]] = True
        return taken & after_burn_in

    def temperatures(self, count: int, steps_per_epoch: int, first_cycle: float = 0.0) -> Array:
        """The temperature of each of the updates 0..count - 1, (count,)."""
        burning_in = self._burning_in(count, steps_per_epoch, first_cycle)
        return np.where(burning_in & self.explore, 0.0, self.temperature)

    def _burning_in(
        self, count: int, steps_per_epoch: int, first_cycle: float
    ) -> npt.NDArray[np.bool_]:
        """Whether each of the updates belongs to a burn-in, or comes before the first cycle."""
        begin = self._cycles(count, steps_per_epoch, first_cycle)
        steps = np.arange(count)
        cycle = np.searchsorted(moments(begin, steps_per_epoch), steps, side="right") - 1
        burnt_in = moments(begin + self.burn_in, steps_per_epoch)
        return (cycle < 0) | (steps < burnt_in[cycle])

    def _cycles(self, count: int, steps_per_epoch: int, first_cycle: float) -> Array:
        """When the cycles begin, in epochs; the last of several after all of the updates."""
        if self.cycle is None:
            return np.zeros(1)
        return cycle_times(first_cycle, self.cycle, count, steps_per_epoch)


def noise_temperature(
    trace: float, parameters: int, *, lr: float, data_size: int, batch_size: int
) -> float:
    """The temperature lr N trace / (2 n d) that minibatches of n drawn with replacement add.

    From the stationary variance (T + eps V / 4) / (A (1 - eps A / 4)) of the conjugate normal
    model with V = N^2 trace / (n d), the minibatch's variance in an average direction, and
    eps = 2 lr / N. Shuffled epochs add far less: their errors cancel within an epoch.
    """
    return lr * data_size * trace / (2.0 * batch_size * parameters)
