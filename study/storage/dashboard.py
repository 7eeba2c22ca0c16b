"""What optuna-dashboard should show of a study beyond what Optuna knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
from optuna.trial import TrialState

from study.records import ClaimRecord

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_MARK = "<!-- lrstudy -->"  # a note that begins with it is lrstudy's own
_OUTCOMES = ("stalled", "diverged")


def annotate(storage: BaseStorage, name: str) -> None:
    """Say in the study's note which trials stalled or diverged: for Optuna they are complete, and
    its states cannot be extended. A note that a person wrote stays as it is; without
    optuna-dashboard there is none."""
    study = optuna.load_study(study_name=name, storage=storage)
    after = note(study)
    if after is None:
        return
    try:
        from optuna_dashboard import get_note, save_note
    except ImportError:
        return
    before = get_note(study)
    if before != after and (not before or before.startswith(_MARK)):
        save_note(study, after)


def note(study: optuna.Study) -> str | None:
    """The note: Markdown, with the numbers of the trials; None where all learned something."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    outcomes = {t.number: ClaimRecord.model_validate(t.user_attrs).outcome for t in complete}
    if not set(_OUTCOMES) & set(outcomes.values()):
        return None
    lines = [_MARK, "Complete trials that learned nothing, now:", ""]
    for outcome in _OUTCOMES:
        numbers = [number for number, each in outcomes.items() if each == outcome]
        lines.append(f"- {outcome}: {', '.join(map(str, numbers)) or 'none'}")
    lines += ["", "Each trial says so in its user attribute `outcome`."]
    return "\n".join(lines)
