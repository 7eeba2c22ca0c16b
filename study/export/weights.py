"""The best configuration to take away: weights, configuration, and the schedule as PyTorch code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import ScheduleConfig
from search_spaces.weight_sampling import WeightSampling
from search_spaces.wording import in_words
from study.export.code import load_code, network_code, readme, train_code
from study.export.schedule_code import module_code
from study.spec import StudySpec
from study.tasks.task import TaskData, find_task, first_images
from study.training.evaluation import evaluate
from study.training.loop import start, train
from study.training.predictions import Predictions, splits
from study.training.torch_schedules import closed_form
from study.trials.objective import load_data


@dataclass(frozen=True)
class Exported:
    """Where the files are, and the accuracy that the weights have, or what the samples of weights
    predict together, on the images that scored the trial (validation, or test where the study reads
    the test images)."""

    directory: Path
    accuracy: float


def export(
    spec: StudySpec,
    slot: int,
    config: TrialConfig,
    directory: Path,
    *,
    device: torch.device,
    threads: int,
) -> Exported:
    """Train the slot's configuration again and write its weights, config.json, schedule.py, the
    code of `study.export.code` and a README.md that names them.

    Weights are files of ``torch.save`` and of safetensors: weights (last epoch), averaged_weights
    (horizon-free average), and where weights are sampled swa_weights, their mean, or samples: every
    tensor with a first dimension of samples, and ``shares``, (samples,), of each in the mean
    prediction.

    Weights are not kept while a study runs: a run is a function of its configuration, and with the
    study's kernel and the trial's own device and number of threads the numbers are the same again,
    bit for bit on a CPU.
    Raises OSError where the directory cannot be written, ValueError for an unknown task or torch
    scheduler.
    """
    task, data = find_task(spec.task), load_data(spec, device)
    torch.set_num_threads(threads)
    data = first_images(data, spec.slot_budget(slot).train_size)
    state = start(config, task, data, device, spec.kernel)
    code = {
        "config.json": config.model_dump_json(indent=2) + "\n",
        "schedule.py": lambda_code(config.schedule, config.epochs, state.steps_per_epoch),
        "network.py": network_code(task),
        "load.py": load_code(task, config, data),
        "train.py": train_code(config, data, state.steps_per_epoch),
    }
    directory.mkdir(parents=True, exist_ok=True)
    for file, text in code.items():
        (directory / file).write_text(text, encoding="utf-8")
    kept = None
    if config.weight_sampling is not None:
        kept = state.predictions = _KeptSamples(config.weight_sampling, state.model)
    for _record in train(state, data):
        pass
    models = {"weights": state.model, "averaged_weights": state.averaged}
    files = {name: _tensors(model) for name, model in models.items()}
    scored = "val" if data.test is None else "test"
    images = splits(data)[scored]
    if kept is None:
        accuracy = evaluate(state.model, images).accuracy
    else:
        files |= kept.files(data)
        found = kept.probabilities(data)[scored].argmax(1)
        accuracy = float((found == images.labels.cpu()).double().mean())
    for name, tensors in files.items():
        (directory / f"{name}.safetensors").write_bytes(save(tensors))
        torch.save(tensors, directory / f"{name}.pt")
    text = readme(task, in_words(config.schedule), files)
    (directory / "README.md").write_text(text, encoding="utf-8")
    return Exported(directory, accuracy)


def exported_files(directory: Path) -> list[Path]:
    """The files in a directory that `export` would replace."""
    named = [directory / "config.json", directory / "schedule.py"]
    return [path for path in named if path.exists()] + sorted(directory.glob("*.safetensors"))


def is_export(directory: Path) -> bool:
    """Whether `export` wrote to the directory: its config.json is then one of a trial."""
    try:
        TrialConfig.model_validate_json((directory / "config.json").read_text())
    except (FileNotFoundError, ValueError):  # ValidationError and UnicodeDecodeError are its kinds
        return False
    return True


class _KeptSamples(Predictions):
    """Predictions that keep every sample too, and its share: a study has no use for them."""

    def __init__(self, sampling: WeightSampling, model: nn.Module) -> None:
        super().__init__(sampling, model)
        self.samples: list[dict[str, Tensor]] = []
        self.shares: list[float] = []

    def take(self, model: nn.Module, rate: float, data: TaskData) -> None:
        """A sample, and its weights."""
        super().take(model, rate, data)
        self.samples.append({name: value.clone() for name, value in _tensors(model).items()})
        self.shares.append(self.weight(rate))

    def files(self, data: TaskData) -> dict[str, dict[str, Tensor]]:
        """The tensors of what the run predicts with, by the name of their file."""
        averaged = self.averaged(data)
        if averaged is not None:
            return {"swa_weights": _tensors(averaged)}
        names = self.samples[0]
        stacked = {name: torch.stack([each[name] for each in self.samples]) for name in names}
        shares = torch.tensor(self.shares, dtype=torch.float64)
        return {"samples": stacked | {"shares": shares / shares.sum()}}


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.cpu().contiguous() for name, value in model.state_dict().items()}


def lambda_code(schedule: ScheduleConfig, epochs: int, steps_per_epoch: int) -> str:
    """`module_code` of a run of so many epochs. A torch scheduler becomes the table of its rates.

    Raises ValueError for a schedule that follows the loss.
    """
    return module_code(closed_form(schedule, epochs, steps_per_epoch), steps_per_epoch)
