"""The columns of the frames that users get: the unit and meaning of each, by name.

A name that ends in ``*`` stands for one column a layer, parameter or attribute.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import NamedTuple


class Column(NamedTuple):
    """unit: of the numbers, "" where they have none or are texts. meaning: in one line."""

    unit: str
    meaning: str


STUDY = {
    "study": Column("", "name of the study; with its storage where two have one name"),
    "trial": Column("", "Optuna's number of the trial, from 0"),
    "state": Column(
        "",
        "complete, diverged, stalled, pruned, failed, interrupted, running, waiting, or unusable: "
        "it contradicts what was recorded",
    ),
}
_SLOT = {
    "slot": Column("", "place among the trials that were asked for, from 0; retries share it"),
    "schedule": Column("", "schedule family; of langevin, the method"),
}
_MOMENTS = {
    "start": Column("UTC", "when it was begun"),
    "complete": Column("UTC", "when it ended"),
    "seconds": Column("s", "between the two"),
}
_FOREIGN = {
    "params_*": Column("", "a parameter that another program sampled"),
    "user_attrs_*": Column("", "a user attribute that another program wrote"),
}
_TRAINED = {
    "train_loss": Column("nats", "mean cross-entropy over an epoch, while the weights change"),
    "train_accuracy": Column("share", "accuracy over an epoch, while the weights change"),
    "val_loss": Column("nats", "of the weights after the epoch, on validation images"),
    "val_accuracy": Column("share", "of the weights after the epoch, on validation images"),
    "averaged_val_loss": Column("nats", "of the running average of the weights"),
    "averaged_val_accuracy": Column("share", "of the running average of the weights"),
}
TRIALS: Mapping[str, Column] = {
    **STUDY,
    **_SLOT,
    "attempt": Column("", "how many attempts at the slot came before, from 0"),
    "value": Column("share", "what Optuna maximises: validation or test accuracy"),
    "contradiction": Column("", "why the trial is unusable; empty for all others"),
    "replicate": Column("", "trials of one replicate share first weights and order of images"),
    "seed": Column("", "training seed"),
    "arm": Column("", "index of the configuration in a later stage; empty in a search"),
    "baseline": Column("", "whether its parameters were given as a known good start"),
    "base_lr": Column("", "base learning rate"),
    "warmup": Column("epochs", "length of the warmup"),
    "exponent": Column("", "exponent of the decay"),
    "final_fraction": Column("", "last rate, as a fraction of the base rate"),
    "alpha": Column("", "factor of a step of the decay"),
    "prior_precision": Column("", "1 / variance of the normal prior on every weight"),
    "temperature": Column("", "temperature of the noise; 1 samples the posterior, 0 is SGD"),
    "gamma": Column("", "exponent of SGLD's decreasing step size"),
    "burn_in": Column("epochs", "before the first sample of the weights"),
    "epochs": Column("epochs", "asked for"),
    "epochs_trained": Column("epochs", "trained, those before a retry included"),
    "epochs_restored": Column("epochs", "of these, from an earlier attempt"),
    "diverged_epoch": Column("epochs", "the epoch in which training exploded, from 0"),
    **{
        name: Column(each.unit, f"{each.meaning}; of the last epoch")
        for name, each in _TRAINED.items()
    },
    "best_val_accuracy": Column("share", "highest val_accuracy of an epoch"),
    "test_loss": Column("nats", "on test images, of the last weights"),
    "test_accuracy": Column("share", "on test images, of the last weights"),
    "test_averaged_loss": Column("nats", "on test images, of the averaged weights"),
    "test_averaged_accuracy": Column("share", "on test images, of the averaged weights"),
    "test_best_loss": Column("nats", "on test images, of the best epoch's weights"),
    "test_best_accuracy": Column("share", "on test images, of the best epoch's weights"),
    "test_best_epoch": Column("epochs", "the epoch with the best val_accuracy, from 0"),
    "test_images": Column("images", "test images read"),
    "samples_weights": Column("", "whether weights are sampled along the run"),
    "sampled_val_accuracy": Column("share", "of what the sampled weights predict together"),
    "sampled_test_accuracy": Column("share", "the same, on test images"),
    "mean_lr": Column("", "mean of the learning rate over all updates"),
    "final_lr": Column("", "learning rate of the last update"),
    **_MOMENTS,
    "outcome": Column("", "finished, diverged or stalled, as the worker judged"),
    "interrupted": Column("", "whether it lost its worker"),
    "error": Column("", "traceback of a failed trial"),
    "device": Column("", "that it was trained on, e.g. cpu or cuda:0"),
    "device_name": Column("", "the device's own name"),
    "threads": Column("threads", "CPU threads used"),
    "kernel": Column("", "what computed the convolutions: torch or numba; empty in older trials"),
    "host": Column("", "machine, its boot and its name space"),
    "revision": Column("", "git revision of lrstudy, with + if it was changed"),
    "version_lrstudy": Column("", "version of lrstudy"),
    "version_python": Column("", "version of Python"),
    "version_torch": Column("", "version of PyTorch"),
    "version_optuna": Column("", "version of Optuna"),
    "version_numba": Column("", "version of numba, where it computed the convolutions"),
    "config": Column("", "the whole configuration, as JSON"),
    **_FOREIGN,
}
CURVES: Mapping[str, Column] = {
    **STUDY,
    **_SLOT,
    "epoch": Column("epochs", "from 0"),
    "first_lr": Column("", "learning rate of the epoch's first update"),
    "last_lr": Column("", "learning rate of the epoch's last update"),
    "mean_lr": Column("", "mean of the learning rate over the epoch's updates"),
    **_TRAINED,
    "weight_norm_*": Column("", "L2 norm of a layer's parameters after the epoch"),
    "distance_*": Column("", "L2 distance of a layer's parameters from their first values"),
    "seconds": Column("s", "wall-clock time of the epoch, evaluation included"),
}
FOREIGN_TRIALS: Mapping[str, Column] = {
    **STUDY,
    "value": Column("", "what the trial scored"),
    "values_*": Column("", "what it scored, for each of several objectives"),
    **_MOMENTS,
    **_FOREIGN,
    "system_attrs_*": Column("", "a system attribute of Optuna"),
}
FOREIGN_CURVES: Mapping[str, Column] = {
    **STUDY,
    "step": Column("", "that was reported, from 0"),
    "intermediate_value": Column("", "what was reported"),
}
FRAMES: Mapping[str, Mapping[str, Column]] = {
    "trials": TRIALS,
    "curves": CURVES,
    "trials of a study that lrstudy did not make": FOREIGN_TRIALS,
    "its curves": FOREIGN_CURVES,
}
INTEGERS = (
    *("slot", "attempt", "replicate", "arm", "seed", "epochs", "epochs_trained"),
    *("epochs_restored", "diverged_epoch", "threads", "test_best_epoch", "test_images"),
)
_TEXTS = (
    *("study", "state", "schedule", "contradiction", "outcome", "error", "device", "device_name"),
    *(
        "kernel",
        "host",
        "revision",
        "config",
        *(name for name in TRIALS if name.startswith("version_")),
    ),
)
# Of every column that is no float, also in an empty frame.
TYPES: Mapping[str, str] = {
    **dict.fromkeys(("trial", "epoch", "step"), "int64"),
    **dict.fromkeys(INTEGERS, "Int64"),
    **dict.fromkeys(_TEXTS, "str"),
    **dict.fromkeys(("baseline", "interrupted", "samples_weights"), "bool"),
    **dict.fromkeys(("start", "complete"), "datetime64[us, UTC]"),
}


def described(columns: Mapping[str, Column], name: str) -> Column | None:
    """What a column of a frame is, None where nothing says it."""
    patterns = (each for each in columns if each.endswith("*"))
    general = next((each for each in patterns if name.startswith(each[:-1])), name)
    return columns.get(name, columns.get(general))


def dictionary(width: int = 100) -> str:
    """The data dictionary as text: name, unit and meaning of each column of each frame."""
    lines = []
    for title, columns in FRAMES.items():
        lines += [f"{title}:"]
        for name, (unit, meaning) in columns.items():
            text = f"{meaning} ({unit})" if unit else meaning
            lines += textwrap.wrap(
                f"{name:<24} {text}", width, initial_indent="  ", subsequent_indent=" " * 27
            )
    return "\n".join(lines)
