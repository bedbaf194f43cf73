"""All claims of the sources with our verdicts, as tables: what the claims page shows."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from IPython import get_ipython
from IPython.display import display
from IPython.utils.capture import capture_output

from bnbook import chapters, data, findings
from bnbook.chapters.chapter import Chapter
from bnbook.errors import BookError, NoRecordsError
from bnbook.findings import Markdown, Verdict
from bnbook.findings.claims import SOURCES, Claim

#: Where a chapter states its verdicts.
ANCHOR = "the-verdict"
#: The kind of output in which a notebook keeps its verdicts.
KEPT = "application/vnd.bnbook.verdicts+json"


@dataclass(frozen=True)
class Judgement:
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


def keep(verdicts: Sequence[Verdict]) -> None:
    """Put verdicts into the notebook that calls this, where `kept` finds them."""
    text = f"{len(verdicts)} verdicts, kept for the claims page"
    kept = [
        {"claim": one.claim.id, "status": one.status, "sentence": one.sentence} for one in verdicts
    ]
    display({KEPT: kept, "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]


def in_notebook(name: str) -> list[Verdict]:
    """Read the verdicts that the chapter in the notebook `name` keeps; run it where none are sure.

    It is looked for in the working folder, in that folder's `chapters` and in the book's clone.
    Raises BookError where it is nowhere, or keeps none when it is run.
    """
    clone = data.bundled_folder().parent
    folders = (Path(), Path("chapters"), clone / "chapters")
    notebook = next((f / name for f in folders if (f / name).is_file()), None)
    if notebook is None:
        raise BookError(f"{name} is not here: open this page in a clone of the book")
    if (verdicts := kept(notebook)) is not None:
        return verdicts
    with capture_output() as captured:
        get_ipython().safe_execfile_ipy(str(notebook), raise_exceptions=True)
    for output in captured.outputs:
        if KEPT in output.data:
            return _read(output.data[KEPT])
    raise BookError(f"{notebook} keeps no verdicts: its code calls `overview.keep` no more")


def _read(verdicts: list[dict[str, Any]]) -> list[Verdict]:
    return [Verdict(chapters.claim(one.pop("claim")), **one) for one in verdicts]


def kept(notebook: Path) -> list[Verdict] | None:
    """Read what `keep` put into a notebook; None where it is not sure to be what its code gives.

    Sure are only the build's own copies: staging takes the outputs of those that are out of date,
    and leaves a digest in the others. A notebook that is being written is not sure either.
    """
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if "bnbook" not in content["metadata"]:
        return None
    outputs = (output for cell in content["cells"] for output in cell.get("outputs", ()))
    for output in outputs:
        if KEPT in (found := output.get("data", {})):
            return _read(found[KEPT])
    return None


def judge(in_page: Mapping[int, Sequence[Verdict]]) -> list[Judgement]:
    """Judge every claim in every chapter that takes it up, in the order of the claims.

    `in_page` has the verdicts of chapters whose nets train in the page itself, by chapter. A
    chapter whose experiment is not recorded yet gives "not run here". Raises BookError where
    records are damaged or stale, and where a chapter judges other claims than it names.
    """
    found = []
    for chapter in chapters.CHAPTERS:
        given = {one.claim.id: one for one in _verdicts(chapter, in_page)}
        if missing := set(chapter.judges) - set(given):
            raise BookError(f"{chapter.name} gives no verdict on {', '.join(sorted(missing))}")
        if strange := set(given) - set(chapter.judges):
            raise BookError(
                f"{chapter.name} judges {', '.join(sorted(strange))}: name them in its `judges`"
            )
        found.append((chapter, given))
    return [
        Judgement(chapter, given[name])
        for name in chapters.CLAIMS
        for chapter, given in found
        if name in given
    ]


def _verdicts(chapter: Chapter, in_page: Mapping[int, Sequence[Verdict]]) -> list[Verdict]:
    if chapter.number in in_page:
        return list(in_page[chapter.number])
    if not chapter.judges:
        return []
    try:
        return chapter.verdicts()
    except NoRecordsError as missing:
        reason = f"Not recorded yet: experiment `{missing.name}`."
        return [Verdict(chapters.claim(c), findings.NOT_RUN, reason) for c in chapter.judges]


def tally(judgements: Sequence[Judgement]) -> Markdown:
    """Count claims and verdicts, in a sentence and by source."""
    counts = Counter((one.claim.source, one.verdict.status) for one in judgements)
    columns = [
        s
        for s in (*findings.STATUSES, findings.NOT_REPRODUCED)
        if any(key[1] == s for key in counts)
    ]
    rows = [
        {
            "Source": f"{letter}: {name}",
            "Claims": sum(claim.source == letter for claim in chapters.CLAIMS.values()),
            **{status.capitalize(): counts[letter, status] for status in columns},
        }
        for letter, name in SOURCES.items()
    ]
    return findings.join(
        f"{len(chapters.CLAIMS)} claims. One that several chapters take up gets a verdict from "
        "each, so rows may add up to more than their claims.",
        findings.table(pd.DataFrame(rows)),
    )


def of_source(judgements: Sequence[Judgement], source: str) -> Markdown:
    """Show a source's claims as a table, and fold the verdicts in full beneath it."""
    mine = [one for one in judgements if one.claim.source == source]
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
        findings.short_answer(findings.join(*in_full), "These verdicts in full"),
    )
