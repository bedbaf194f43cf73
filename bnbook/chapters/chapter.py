"""What a chapter is, how its notebook speaks, and the library that all chapters stand in."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import pandas as pd

from bnbook import clones, findings, lab, training
from bnbook.chapters import reading
from bnbook.errors import BookError, NoRecordsError
from bnbook.experiment import Experiment
from bnbook.findings import Markdown, Verdict, sentences
from bnbook.findings.claims import Claim
from bnbook.findings.sentences import Sentence
from bnbook.lab import exercises
from bnbook.lab.element import Html, Widget
from bnbook.lab.exercises import Exercise
from bnbook.lab.presets import Preset, Recorded

T = TypeVar("T")

EXERCISES: Final = "The exercises"
UNDER_THE_HOOD: Final = "Under the hood"
GOING_FURTHER: Final = "Going further"


def _known(those: Mapping[str, T], name: str, kind: str) -> T:
    """Look `name` up. Raises BookError for an unknown one."""
    if name not in those:
        raise BookError(f"unknown {kind} {name!r}; known: {', '.join(those)}")
    return those[name]


class Records(Mapping[str, pd.DataFrame]):
    """Recorded runs by the experiment's name, read when asked for."""

    def __init__(self, experiments: Mapping[str, Experiment]) -> None:
        self._experiments = experiments
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._read:
            self._read[name] = findings.load(_known(self._experiments, name, "experiment"))
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        try:
            return name in self._experiments and len(self[str(name)]) > 0
        except NoRecordsError:
            return False

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._experiments if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class Chapter:
    """A chapter of the book, described in the `__init__` of its package, whose name is `package`.

    `title` as in its notebook, `question` in a sentence, `needs` chapter numbers. `judges` names
    the claims that it gives a verdict on: its own `claims`, and some that are another's.
    `facts_of(records)` works out everything that its sentences say. `library` is where it finds
    records and what other chapters bring; a `Library` puts it there.
    """

    package: str
    number: int
    part: str
    title: str
    question: str
    facts_of: Callable[[Mapping[str, pd.DataFrame]], Any]
    needs: tuple[int, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    claims: tuple[Claim, ...] = ()
    judges: tuple[str, ...] = ()
    preset: Preset | None = None
    library: Library = field(default_factory=lambda: Library(()), compare=False, repr=False)

    @property
    def slug(self) -> str:
        """The name of its package."""
        return self.package.rpartition(".")[2]

    @property
    def id(self) -> str:
        """The slug in links and names of files: "bias-removal"."""
        return self.slug.replace("_", "-")

    @property
    def file(self) -> str:
        """Its notebook."""
        return f"{self.number:02}-{self.id}.ipynb"

    @property
    def name(self) -> str:
        """How other pages call it: "Exercise 1"."""
        return self.title.partition(" · ")[0]

    def link(self, text: str = "", anchor: str = "", folder: str = "") -> str:
        """Write a Markdown link to it from a page beside it, or from where `folder` leads to it."""
        return f"[{text or self.name}]({folder}{self.file}{anchor and '#'}{anchor})"

    # What it says

    @cached_property
    def facts(self) -> Any:
        """Work out its facts from the records: an object of its own class."""
        return self.facts_of(self.library.records)

    @cached_property
    def sentences(self) -> dict[str, Sentence]:
        """Its sentences by name."""
        return sentences.read(Path(__file__).parent / self.slug / "sentences.md")

    def say(self, *names: str) -> Markdown:
        """Write sentences, filled in. Raises BookError for one that is unknown or not true now."""
        return findings.join(*(self._sentence(name).said(self.facts) for name in names))

    def _sentence(self, name: str) -> Sentence:
        return _known(self.sentences, name, f"sentence of {self.slug}")

    def preface(self) -> Markdown:
        """Say what it builds on and how long it takes to read: its first line.

        Raises BookError where its notebook is missing.
        """
        links = [self.library.find(other).link() for other in self.needs]
        before = f"Builds on {' and '.join(links)}" if links else "Builds on no other chapter"
        return Markdown(
            f"*{before}. About {reading.minutes(self.file)} minutes to read; the lab and the "
            "exercises take as long as you like.*"
        )

    def answer(self) -> Markdown:
        """Fold the short answer away."""
        return findings.folded(self.say("answer"), "The short answer")

    def predict(self) -> Html | Widget:
        """Ask the reader for a prediction."""
        question, choices, _ = self._sentence("predict").choices(self.facts)
        return lab.predict(self.id, question, choices)

    def revisit(self) -> Html | Widget:
        """Set the reader's prediction beside the choice that is true, if one is."""
        _, _, true = self._sentence("predict").choices(self.facts)
        answer = true[0] if true else "Our records cannot tell."
        return lab.revisit(self.id, answer, str(self.say("evidence")))

    def verdicts(self) -> list[Verdict]:
        """Judge the claims in `judges`: a decision of the facts, and the sentence for it."""
        return [
            Verdict(self.library.claim(name), getattr(self.facts, name), str(self.say(name)))
            for name in self.judges
        ]

    def verdict_table(self) -> Markdown:
        """Show the verdicts: what each claim says, with a link to all of them; what we found."""
        return findings.table(
            pd.DataFrame(
                {
                    "Claim": f"[{one.claim.id}](claims.ipynb): {one.claim.text}",
                    "Verdict": f"**{one.status}**. {one.sentence}",
                }
                for one in self.verdicts()
            )
        )

    # What it asks

    @cached_property
    def exercises(self) -> dict[str, Exercise]:
        """Its exercises by id, in their order."""
        found = importlib.import_module(f"{self.package}.exercises").EXERCISES
        return {one.id: one for one in found}

    def _exercise(self, name: str) -> Exercise:
        return _known(self.exercises, name, f"exercise of {self.slug}")

    def exercise(self, name: str) -> Html | Widget:
        """Show an exercise, which is answered where it stands."""
        return exercises.shown(self._exercise(name), self.id, [*self.exercises.values()])

    def check(self, name: str, value: object) -> None:
        """Check what a notebook's own code gives as the answer; see `exercises.checked`."""
        exercises.checked(self._exercise(name), value)

    # What it reads

    def records(self, experiment: str) -> pd.DataFrame:
        """Read an experiment's records; see `findings.load`."""
        return self.library.records[experiment]

    def plan(self, experiment: str) -> Experiment:
        """Find an experiment. Raises BookError for an unknown one."""
        return self.library.experiment(experiment)

    def provenance(self, *experiments: str) -> Markdown:
        """Fold away where records come from."""
        return findings.provenance(*map(self.plan, experiments))

    def published(self, claim: str, *variants: Any, **options: Any) -> Markdown:
        """Set a source's figures beside our runs of its recipe; see `findings.published`."""
        return findings.published(self.library.claim(claim), *variants, **options)

    def lab(self, frame: pd.DataFrame | None = None, **options: Any) -> None:
        """Display its lab; see `lab.lab`."""
        if self.preset is None:
            raise BookError(f"{self.name} has no lab: give it a preset")
        lab.lab(frame, preset=self.preset, book=self._recorded(), **options)

    def _recorded(self) -> Recorded | None:
        """Say what its own runs show of the claim that its lab tests; None where it tests none."""
        if self.preset is None or self.preset.trial is None:
            return None
        run = next(iter(self.experiments[0].arms.values()))
        return Recorded(
            decision=self.facts.decision,
            evidence=str(self.say(self.preset.trial.evidence)),
            seeds=self.facts.seeds,
            images=run.train_size,
            steps=training.last_step(run),
        )


class Library:
    """All chapters, and what they bring together: experiments, records, claims.

    `shared` are experiments that several chapters read.
    """

    def __init__(self, chapters: Iterable[Chapter], shared: Iterable[Experiment] = ()) -> None:
        ordered = sorted(chapters, key=lambda chapter: chapter.number)
        self.chapters = tuple(replace(chapter, library=self) for chapter in ordered)
        every = (*(one for chapter in ordered for one in chapter.experiments), *shared)
        self.experiments: dict[str, Experiment] = {one.name: one for one in every}
        self.records = Records(self.experiments)
        claims = [claim for chapter in ordered for claim in chapter.claims]
        claims.sort(key=lambda claim: (claim.source, int(claim.id[1:])))
        self.claims: dict[str, Claim] = {claim.id: claim for claim in claims}

    def find(self, number: int) -> Chapter:
        """Return the chapter with this number.

        Raises BookError where the book has none, or where the package is that of another clone.
        """
        clones.refuse_another()
        for chapter in self.chapters:
            if chapter.number == number:
                return chapter
        numbers = ", ".join(str(chapter.number) for chapter in self.chapters)
        raise BookError(f"the book has no chapter {number}; it has {numbers}")

    def experiment(self, name: str) -> Experiment:
        """Return the experiment called `name`. Raises BookError for an unknown one."""
        return _known(self.experiments, name, "experiment")

    def claim(self, name: str) -> Claim:
        """Return the claim with this id. Raises BookError for an unknown one."""
        return _known(self.claims, name, "claim")
