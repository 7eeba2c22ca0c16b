"""StudyReport: what the report says of one study."""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.answers import answers_of, sections_of, summary
from analysis.page.leaderboard import trial_rows
from analysis.page.links import anchors, stages
from analysis.page.part import Part
from analysis.page.provenance import facts
from analysis.reading.plausible import left_out, not_counted
from analysis.recommendation import recommendation
from analysis.section import Caution, Finding, agreeing, find
from analysis.study import Study
from search_spaces.recipes import recipe_in_words
from search_spaces.words.phrases import count
from study.storage.hints import dashboard_command

STAGES = {"search": "Search", "confirm": "Fresh seeds", "test": "Test images"}


@dataclass(frozen=True, kw_only=True)
class StudyReport(Part):
    """What the report says of a study of lrstudy."""

    study: Study

    @property
    def exercise(self) -> int | None:
        """The number of the question among the chapter's exercises."""
        return self.study.spec.search_space.EXERCISE

    @property
    def dashboard(self) -> str:
        """The command that opens the same database in optuna-dashboard."""
        return dashboard_command(self.study.address)

    @property
    def recipe(self) -> str:
        """What trained its runs, and whether that is the chapter's question."""
        return recipe_in_words(self.study.spec.recipe, self.study.spec.optimizer)

    @property
    def unconfirmed(self) -> Caution | None:
        """Where only a search was run: what that means, and the next command that leads to an
        answer."""
        study = self.study
        if study.confirm is not None or study.spec.designed or study.spec.compares:
            return None
        reason = "A search ranks single runs, chosen on the images that judge them."
        if study.left:
            return Caution(reason, "To finish it", study.command("resume"))
        if study.ended(["complete"]).empty:
            total = str(study.spec.trials + len(study.spec.families))
            more = study.command("resume", "--trials", total)
            return Caution(reason, "None is complete. To add trials", more)
        answer = "For an answer that would survive other seeds"
        return Caution(reason, answer, study.command("confirm"))

    @property
    def not_counted(self) -> list[str]:
        """What each stage left out because it contradicts what was recorded, a sentence each."""
        begun = stages(self.study).items()
        notes = {stage: not_counted(left_out(each.attempts)) for stage, each in begun}
        return [f"{STAGES[stage]}: {note}" for stage, note in notes.items() if note is not None]

    @property
    def concerns(self) -> str:
        """Which configurations a verdict is about, and what equivalent means; empty where there is
        a search alone."""
        spec = self.study.spec
        if not (spec.compares or self.study.confirm):
            return ""
        which = "these configurations as they were given: no rate was tuned"
        if not spec.compares:
            each = f"{count(spec.seeds, 'trial')} of {count(spec.budget.epochs, 'epoch')}"
            which = f"the tuned configurations: {each} for each schedule"
        within = f"{100 * self.study.delta:.2g} points"
        return f"A verdict concerns {which}. Equivalent means within {within}."

    def attempts(self, stage: str) -> str:
        """What the rows of a stage are, of which a trial that was repeated has several."""
        rows, planned = len(self.trials[stage]), stages(self.study)[stage].spec.trials
        return f"{count(rows, 'attempt')} at {count(planned, 'trial')}"

    def stem(self, finding: Finding, name: str) -> str:
        """What the files of a picture or table of that name are called, without a suffix."""
        stage = "" if finding.stage == "search" else f"{finding.stage}-"
        return f"{self.slug}-{stage}{name}"

    def source(self, finding: Finding) -> str:
        """The study and the stage that a finding is about, for its figures."""
        return f"{self.label}: {STAGES[finding.stage].lower()}"


def report_study(study: Study, slug: str, label: str) -> StudyReport:
    """All findings of a study."""
    answers = [find(section, study) for section in answers_of(study)]
    if study.confirm is not None:
        title = answers[-1].title
        title = f"The search: {title[0].lower()}{title[1:]}"
        answers[-1] = replace(answers[-1], title=title)
    others = [find(section, study) for section in sections_of(study)]
    if study.spec.plan is not None:  # made smaller than some sections need
        others = [each for each in others if each.pictures or each.printed]
    answer, *sections = agreeing([*answers, *others], study)
    begun = stages(study)
    return StudyReport(
        slug=slug,
        label=label,
        study=study,
        answer=answer,
        summary=summary(study, answer.estimates),
        sections=sections,
        facts={stage: facts(each) for stage, each in begun.items()},
        trials={stage: trial_rows(each) for stage, each in begun.items()},
        anchors=anchors(study, slug),
        recommendation=recommendation(study),
    )
