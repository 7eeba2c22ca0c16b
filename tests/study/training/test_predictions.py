"""What a run predicts with is the average over its samples, kept in the memory of one."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search_spaces.weight_sampling import WeightSampling
from study.tasks.fashion_mnist import Images
from study.tasks.task import TaskData
from study.training.predictions import Predictions, probabilities


def images(count: int, seed: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(count, 1, 2, 2, generator=generator)
    return Images(pixels, torch.randint(3, (count,), generator=generator))


DATA = TaskData(train=images(30, 0), val=images(7, 1), test=images(501, 2))


def models(normed: bool = False) -> Iterator[nn.Module]:
    for seed in range(4):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
            if normed:
                model.insert(1, nn.BatchNorm1d(4))
                model.train()(torch.randn(20, 1, 2, 2))
        yield model


def take(predictions: Predictions, rates: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)) -> None:
    for model, rate in zip(models(), rates, strict=True):
        predictions.take(model, rate, DATA)


def mean(weights: tuple[float, ...], given: Images) -> Tensor:
    parts = [w * probabilities(model, given) for w, model in zip(weights, models(), strict=True)]
    return torch.stack(parts).sum(dim=0) / sum(weights)


@pytest.mark.parametrize("by_step_size", [False, True])
def test_predictions_are_the_mean_of_probabilities(by_step_size: bool) -> None:
    rates = (0.4, 0.3, 0.2, 0.1)
    predictions = Predictions(WeightSampling(by_step_size=by_step_size), next(models()))
    take(predictions, rates)
    weights = rates if by_step_size else (1.0, 1.0, 1.0, 1.0)
    found = predictions.probabilities(DATA)
    assert DATA.val is not None
    assert DATA.test is not None
    torch.testing.assert_close(found["val"], mean(weights, DATA.val))
    torch.testing.assert_close(found["test"], mean(weights, DATA.test))
    assert predictions.count == 4


def test_swa_predicts_with_the_mean_of_the_weights() -> None:
    predictions = Predictions(WeightSampling(average="weights"), next(models()))
    take(predictions)
    average = next(models())
    for name, parameter in average.named_parameters():
        every = [model.get_parameter(name).detach() for model in models()]
        parameter.data = torch.stack(every).mean(dim=0)
    assert DATA.val is not None
    found = predictions.probabilities(DATA)["val"]
    torch.testing.assert_close(found, probabilities(average, DATA.val))


def test_statistics_of_averaged_weights_are_those_of_the_training_images() -> None:
    first, *others = models(normed=True)
    predictions = Predictions(WeightSampling(average="weights"), first)
    for model in (first, *others):
        predictions.take(model, 1.0, DATA)
    average = copy.deepcopy(first)
    for name, parameter in average.named_parameters():
        every = [model.get_parameter(name).detach() for model in (first, *others)]
        parameter.data = torch.stack(every).mean(dim=0)
    flat = DATA.train.pixels.flatten(1)
    norm = average[1]
    norm.running_mean, norm.running_var = flat.mean(dim=0), flat.var(dim=0)
    assert DATA.val is not None
    for _ in range(2):  # asking does not change anything
        found = predictions.probabilities(DATA)["val"]
        torch.testing.assert_close(found, probabilities(average, DATA.val))


@pytest.mark.parametrize("average", ["predictions", "weights"])
def test_memory_does_not_grow_with_samples(average: Any) -> None:
    def size(saved: Any) -> int:
        if isinstance(saved, dict):
            return sum(map(size, saved.values()))
        return saved.numel() if isinstance(saved, Tensor) else 1

    predictions = Predictions(WeightSampling(average=average), next(models()))
    take(predictions)
    once = size(predictions.state_dict())
    for _ in range(5):
        take(predictions)
    assert size(predictions.state_dict()) == once
    assert predictions.count == 24


@pytest.mark.parametrize("average", ["predictions", "weights"])
def test_what_was_saved_goes_on(average: Any) -> None:
    whole, first, second = (
        Predictions(WeightSampling(average=average, by_step_size=True), next(models()))
        for _ in range(3)
    )
    take(whole, (0.1, 0.2, 0.3, 0.4))
    take(whole, (0.4, 0.3, 0.2, 0.1))
    take(first, (0.1, 0.2, 0.3, 0.4))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    take(first)  # does not reach the other
    take(second, (0.4, 0.3, 0.2, 0.1))
    for split, expected in whole.probabilities(DATA).items():
        assert torch.equal(second.probabilities(DATA)[split], expected)


def test_without_a_sample_there_is_no_prediction() -> None:
    with pytest.raises(ValueError, match="no sample was taken"):
        Predictions(WeightSampling(), next(models())).probabilities(DATA)


def test_a_sample_leaves_the_model_in_the_mode_it_was_in() -> None:
    model = next(models(normed=True)).train()
    before = copy.deepcopy(model.state_dict())
    Predictions(WeightSampling(), model).take(model, 1.0, DATA)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
