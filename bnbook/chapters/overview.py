"""All claims of the sources with our verdicts, as tables: what the claims page shows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bnbook import chapters, findings
from bnbook.chapters.chapter import Chapter
from bnbook.errors import NoRecordsError
from bnbook.findings import Markdown, Verdict
from bnbook.findings.claims import SOURCES, Claim

#: Where a chapter states its verdicts.
ANCHOR = "the-verdict"


@dataclass(frozen=True)
class Judgment:
    """What one chapter says of a claim."""

    chapter: Chapter
    verdict: Verdict

    @property
    def claim(self) -> Claim:
        """The claim that is judged."""
        return self.verdict.claim

    @property
    def short(self) -> str:
        """The verdict in a word, with a link to its chapter."""
        return f"**{self.verdict.status}** in {self.link}"

    @property
    def link(self) -> str:
        """A Markdown link to the chapter's verdicts."""
        return self.chapter.link(anchor=ANCHOR)


def judge() -> list[Judgment]:
    """Judge every claim in every chapter that takes it up, in the order of the claims.

    A chapter whose experiment is not recorded yet gives "not run here". Raises BookError where
    records are damaged or stale.
    """
    order = list(chapters.CLAIMS)
    found = [Judgment(chapter, one) for chapter in chapters.CHAPTERS for one in _verdicts(chapter)]
    return sorted(found, key=lambda one: order.index(one.claim.id))


def _verdicts(chapter: Chapter) -> list[Verdict]:
    try:
        return chapter.verdicts()
    except NoRecordsError as missing:
        reason = f"Not recorded yet: experiment `{missing.name}`."
        return [Verdict(chapters.claim(c), findings.NOT_RUN, reason) for c in chapter.judges]


def tally(judgments: Sequence[Judgment]) -> Markdown:
    """Count claims and verdicts, in a sentence and by source."""
    counts = Counter((one.claim.source, one.verdict.status) for one in judgments)
    columns = [one for one in findings.STATUSES if any(status == one for _, status in counts)]
    rows = [
        {
            "Source": f"{letter}: {name}",
            "Claims": sum(claim.source == letter for claim in chapters.CLAIMS.values()),
            **{status.capitalize(): counts[letter, status] for status in columns},
        }
        for letter, name in SOURCES.items()
    ]
    return findings.join(
        f"{len(chapters.CLAIMS)} claims. A claim that several chapters take up gets a verdict "
        "from each, so a row can add up to more than its number of claims.",
        findings.table(pd.DataFrame(rows)),
    )


def of_source(judgments: Sequence[Judgment], source: str) -> Markdown:
    """Show a source's claims as a table, and fold the verdicts in full beneath it."""
    mine = [one for one in judgments if one.claim.source == source]
    rows = [
        {
            "Claim": claim.id,
            "It says": claim.text + (f" *({claim.recipe})*" if claim.recipe else ""),
            "Our verdict": "; ".join(one.short for one in mine if one.claim is claim),
        }
        for claim in chapters.CLAIMS.values()
        if claim.source == source
    ]
    in_full = [
        f"**{one.claim.id}**, {one.verdict.status}, {one.link}. {one.verdict.sentence}"
        for one in mine
    ]
    return findings.join(
        findings.table(pd.DataFrame(rows)),
        findings.folded(findings.join(*in_full), "These verdicts in full"),
    )
