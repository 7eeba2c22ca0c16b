"""Another device trains as the CPU does."""

from __future__ import annotations

import pytest
import torch

from study.tasks.fashion_mnist import Images
from study.tasks.task import TaskData
from study.training.evaluation import evaluate
from study.training.loop import (
    start,
    train,
)
from tests.study.training.runs import COSINE, config_of, run, through_a_file


@pytest.mark.gpu
@pytest.mark.parametrize("network", ["tiny_task", "normed_task"])
def test_a_gpu_trains_as_the_cpu_does(
    network: str, tiny_data: TaskData, request: pytest.FixtureRequest
) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "mps")
    task, config = request.getfixturevalue(network), config_of(COSINE, momentum=0.5)

    def moved(images: Images | None) -> Images | None:
        return None if images is None else Images(*(each.to(device) for each in images))

    there = TaskData(*(moved(each) for each in vars(tiny_data).values()))  # type: ignore[arg-type]
    state = start(config, task, there, device)
    assert all(weight.device.type == device.type for weight in state.model.parameters())
    records = list(train(state, there))
    _, expected = run(config, task, tiny_data)
    for mine, theirs in zip(records, expected, strict=True):
        assert (mine.first_lr, mine.last_lr) == (theirs.first_lr, theirs.last_lr)
        assert mine.train_loss == pytest.approx(theirs.train_loss, rel=0.01)
        assert mine.val_loss == pytest.approx(theirs.val_loss, rel=0.02)
        assert mine.averaged_val_loss == pytest.approx(theirs.averaged_val_loss, rel=0.02)
        assert mine.weight_norm == pytest.approx(theirs.weight_norm, rel=1e-3)
    resumed = start(config, task, there, device)
    resumed.load_state_dict(through_a_file(state))
    assert resumed.next_epoch == 3
    assert there.test is not None
    assert evaluate(resumed.model, there.test).correct.shape == (100,)
