"""LeNet's numba kernel against PyTorch's own: the laws that make it the same network."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from study.tasks.lenet import FastLeNet, lenet
from study.training.kernels.choice import with_kernel

pytest.importorskip("numba")

from study.training.kernels import gradients

CONVOLUTIONS = ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias")
MOST_IMAGES = 300


class Made(NamedTuple):
    """The maps of images, and the gradients of the four tensors of the convolutions."""

    maps: Tensor
    gradients: dict[str, Tensor]


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def whole_numbers(shape: tuple[int, ...], most: int, seed: int) -> Tensor:
    """Small whole numbers, whose sums are exact in any order, many of them equal."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-most, most + 1, shape, generator=generator).float()


def given_by(count: int, seed: int = 1) -> Tensor:
    """A gradient of the maps."""
    return torch.randn(count, 16, 5, 5, generator=torch.Generator().manual_seed(seed))


def fast(model: nn.Module) -> FastLeNet:
    """The model with the numba kernel and weights of its own."""
    made = with_kernel(copy.deepcopy(model), "numba")
    assert isinstance(made, FastLeNet)
    return made


def through(model: FastLeNet, pixels: Tensor, gradient: Tensor) -> Made:
    maps = model.features(pixels)
    weights = dict(model.named_parameters())
    found = torch.autograd.grad(maps, [weights[name] for name in CONVOLUTIONS], gradient)
    return Made(maps.detach(), dict(zip(CONVOLUTIONS, found, strict=True)))


def trained() -> FastLeNet:
    """A LeNet that has learned which half of an image is brighter."""
    model = lenet("xavier_uniform", 1)
    pixels = images(256, seed=7)
    labels = (pixels[:, 0, :14].sum((1, 2)) > pixels[:, 0, 14:].sum((1, 2))).long()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(30):
        loss = F.cross_entropy(model(pixels), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return model


MODELS: dict[str, Callable[[], FastLeNet]] = {
    "random": lambda: lenet("default", 3),
    "trained": trained,
}


def decided(model: FastLeNet, pixels: Tensor) -> Tensor:
    """The images in which no two pixels of a pooling window, and none and zero, are so near that
    rounding might decide which one wins."""
    exact = copy.deepcopy(model).double()
    first = exact.conv1(pixels.double())
    second = exact.conv2(F.relu(F.max_pool2d(first, 2)))
    near = torch.zeros(len(pixels), dtype=torch.bool)
    for maps in (first, second):
        windows = F.unfold(maps, 2, stride=2).view(len(pixels), maps.shape[1], 4, -1)
        top = windows.sort(dim=2, descending=True).values
        near |= (top[:, :, 0].abs() < 1e-5).flatten(1).any(1)
        near |= ((top[:, :, 0] - top[:, :, 1] < 1e-5) & (top[:, :, 0] > 0)).flatten(1).any(1)
    return pixels[~near]


def error(found: Tensor, exact: Tensor) -> float:
    """Relative error of a tensor."""
    return float((found.double() - exact).norm() / exact.norm())


def assert_as_near_as_torch(model: FastLeNet, count: int) -> None:
    """Maps and gradients are at most half as far again from float64's as PyTorch's float32 ones:
    the order of its sums, and so their rounding, differs between processors."""
    pixels = decided(model, images(count))
    assert len(pixels) > 0.5 * count
    gradient = given_by(len(pixels))
    exact = through(copy.deepcopy(model).double(), pixels.double(), gradient.double())
    mine, torchs = (through(each, pixels, gradient) for each in (fast(model), model))
    assert error(mine.maps, exact.maps) <= 1.5 * max(error(torchs.maps, exact.maps), 1e-7)
    for name, found in mine.gradients.items():
        wanted = exact.gradients[name]
        assert error(found, wanted) <= 1.5 * max(error(torchs.gradients[name], wanted), 1e-7), name


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("count", [40, 256])
def test_gradients_are_as_near_to_float64_as_those_of_torch(kind: str, count: int) -> None:
    assert_as_near_as_torch(MODELS[kind](), count)


@pytest.mark.parametrize("place", range(4))
def test_an_error_of_one_per_cent_is_found(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    right = gradients.backward

    def wrong(*arrays: Any) -> bool:
        finite: bool = right(*arrays)
        arrays[-4 + place][-1] *= 1.01
        return finite

    monkeypatch.setattr(gradients, "backward", wrong)
    with pytest.raises(AssertionError, match=CONVOLUTIONS[place]):
        assert_as_near_as_torch(lenet("default", 3), 40)


def exact_case(count: int, seed: int) -> tuple[FastLeNet, Tensor, Tensor]:
    """A model, images and a gradient of small whole numbers: every result is exact, and most
    pooling windows have several largest pixels, or zeros."""
    model = lenet("default", 0)
    with torch.no_grad():
        for number, (name, weight) in enumerate(model.named_parameters()):
            if name in CONVOLUTIONS:
                weight.copy_(whole_numbers(tuple(weight.shape), 1, seed + number))
    pixels = whole_numbers((count, 1, 28, 28), 1, seed + 10)
    return model, pixels, whole_numbers((count, 16, 5, 5), 2, seed + 11)


def assert_same(mine: Made, theirs: Made) -> None:
    """Equal in every number, not-a-numbers in the same places."""
    assert torch.equal(mine.maps.nan_to_num(7e7), theirs.maps.nan_to_num(7e7))
    for name, found in mine.gradients.items():
        assert torch.equal(found.nan_to_num(7e7), theirs.gradients[name].nan_to_num(7e7)), name


@pytest.mark.parametrize("seed", range(5))
def test_of_equal_pixels_the_first_wins_as_in_torch(seed: int) -> None:
    model, pixels, gradient = exact_case(33, seed)
    assert_same(through(fast(model), pixels, gradient), through(model, pixels, gradient))


def test_images_and_weights_of_zeros() -> None:
    model, pixels, gradient = exact_case(5, 0)
    zeros = copy.deepcopy(model)
    with torch.no_grad():
        for weight in zeros.parameters():
            weight.zero_()
    for each, shown in ((model, torch.zeros_like(pixels)), (zeros, pixels)):
        assert_same(through(fast(each), shown, gradient), through(each, shown, gradient))


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 3e38])
@pytest.mark.parametrize("where", ["pixels", "gradient", *CONVOLUTIONS])
def test_what_is_not_finite_is_so_where_torch_has_it(where: str, value: float) -> None:
    """3e38 is finite, and its sums are not."""
    model, pixels, gradient = exact_case(6, 2)
    tensors = {"pixels": pixels, "gradient": gradient, **dict(model.named_parameters())}
    with torch.no_grad():
        tensors[where].view(-1)[3] = value
    mine, theirs = (through(each, pixels, gradient) for each in (fast(model), model))
    assert_same(mine, theirs)


def test_every_batch_size() -> None:
    """The maps of an image do not depend on the others; the gradient is a sum over images."""
    model, pixels, gradient = exact_case(MOST_IMAGES, 4)
    mine, whole = fast(model), through(model, pixels, gradient)
    for count in range(1, MOST_IMAGES + 1):
        first = through(mine, pixels[:count], gradient[:count])
        assert torch.equal(first.maps, whole.maps[:count])
        if count < MOST_IMAGES:
            rest = through(mine, pixels[count:], gradient[count:])
            for name, found in whole.gradients.items():
                assert torch.equal(first.gradients[name] + rest.gradients[name], found)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_views_and_layouts_of_pixels_and_weights(layout: torch.memory_format) -> None:
    model, pixels, gradient = exact_case(8, 5)
    wanted = through(model, pixels[::2].flip(3), gradient[::2])
    mine = fast(model).to(memory_format=layout)
    assert_same(through(mine, pixels[::2].flip(3), gradient[::2]), wanted)


def test_evaluation_gives_the_same_maps_as_training() -> None:
    model, pixels = fast(lenet("default", 1)), images(70)
    wanted = model(pixels).detach()
    with torch.inference_mode():
        assert torch.equal(model(pixels), wanted)
    with torch.no_grad():
        assert torch.equal(model(pixels), wanted)
    frozen = copy.deepcopy(model).requires_grad_(False)
    assert torch.equal(frozen(pixels), wanted)
    assert not frozen(pixels).requires_grad


def test_only_some_weights_are_trained() -> None:
    model, pixels, _ = exact_case(4, 6)
    mine = fast(model)
    for each in (mine, model):
        each.conv1.requires_grad_(False)
        torch.autograd.backward(each(pixels).square().sum())
    assert mine.conv1.weight.grad is None
    assert mine.conv2.weight.grad is not None
    torch.testing.assert_close(mine.conv2.weight.grad, model.conv2.weight.grad)


def test_two_models_interleaved() -> None:
    pixels, gradient = images(20), given_by(20)
    one, two = (fast(lenet("default", seed)) for seed in (1, 2))
    alone = [through(each, pixels, gradient) for each in (one, two)]
    maps = [each.features(pixels) for each in (one, two)]
    for model, made, wanted in zip((one, two), maps, alone, strict=True):
        weights = [dict(model.named_parameters())[name] for name in CONVOLUTIONS]
        found = torch.autograd.grad(made, weights, gradient)
        assert_same(Made(made.detach(), dict(zip(CONVOLUTIONS, found, strict=True))), wanted)


def test_a_deep_copy_goes_its_own_way() -> None:
    model, pixels, gradient = fast(lenet("default", 1)), images(10), given_by(10)
    before = through(model, pixels, gradient)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.conv1.weight.mul_(2)
    assert_same(through(model, pixels, gradient), before)
    assert not torch.equal(other.features(pixels), before.maps)


def test_threads_do_not_disturb_each_other() -> None:
    pixels, gradient = images(64), given_by(64)
    models = [fast(lenet("default", seed)) for seed in range(4)]
    alone = [through(each, pixels, gradient) for each in models]
    found: dict[int, list[Made]] = {}

    def work(number: int) -> None:
        found[number] = [through(models[number], pixels, gradient) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for number, wanted in enumerate(alone):
        for made in found[number]:
            assert_same(made, wanted)


def test_a_weight_that_changed_before_the_backward_pass_is_refused_as_in_torch() -> None:
    model = fast(lenet("default", 1))
    loss = model(images(3)).sum()
    with torch.no_grad():
        model.conv2.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.backward(loss)


# ---------------------------------------------------------------- where PyTorch's code takes over


def test_other_types_of_numbers_and_gradients_of_pixels_are_torchs() -> None:
    model, pixels = lenet("default", 1), images(4)
    mine = fast(model)
    exact, wanted = mine.double()(pixels.double()), model.double()(pixels.double())
    assert torch.equal(exact, wanted)
    mine, model = fast(lenet("default", 1)), lenet("default", 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(mine(pixels), model(pixels))
    found = [torch.autograd.grad(each(tracked := pixels.clone().requires_grad_()).sum(), tracked)
             for each in (mine, model)]  # fmt: skip
    assert torch.equal(found[0][0], found[1][0])


def test_images_of_another_size_are_refused_as_in_torch() -> None:
    messages = []
    for model in (lenet("default", 1), fast(lenet("default", 1))):
        with pytest.raises(RuntimeError) as error:
            model(torch.rand(2, 1, 20, 20))
        messages.append(str(error.value))
    assert messages[0] == messages[1]
