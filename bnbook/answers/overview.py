"""All claims of the sources with our verdicts, as tables: what the claims page shows."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from IPython import get_ipython
from IPython.display import display
from IPython.utils.capture import capture_output

from bnbook import claims, contents, data, findings
from bnbook.answers.chapters import ANSWERS
from bnbook.claims import Claim
from bnbook.errors import BookError
from bnbook.findings import Markdown, Verdict

#: Where a chapter states its verdicts.
ANCHOR = "the-verdict"
#: The kind of output in which a notebook keeps its verdicts.
KEPT = "application/vnd.bnbook.verdicts+json"


@dataclass(frozen=True)
class Judgement:
    """What one chapter says of a claim; `verdict` is None while the chapter is still to come."""

    claim: Claim
    chapter: int
    verdict: Verdict | None

    @property
    def short(self) -> str:
        """The verdict in a word, with a link to its chapter."""
        if self.verdict is None:
            return f"chapter {self.chapter} to come"
        return f"**{self.verdict.status}** in {self.link}"

    @property
    def link(self) -> str:
        """A Markdown link to the chapter's verdicts."""
        return contents.find(self.chapter).link(anchor=ANCHOR)


def keep(verdicts: Sequence[Verdict]) -> None:
    """Put verdicts into the notebook that calls this, where `kept` finds them."""
    text = f"{len(verdicts)} verdicts, kept for the claims page"
    display({KEPT: [asdict(one) for one in verdicts], "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]


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
    return [Verdict(tuple(one.pop("claims")), **one) for one in verdicts]


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
    records are damaged or stale, and where chapters and `claims` do not name each other.
    """
    found = {chapter.number: _verdicts(chapter.number, in_page) for chapter in contents.CHAPTERS}
    judgements = []
    for claim in claims.CLAIMS.values():
        for number in claim.chapters:
            verdict = None
            if number in found:
                verdict = found[number].pop(claim.id, None)
                if verdict is None:
                    raise BookError(
                        f"chapter {number} gives no verdict on {claim.id}, one of its own"
                    )
            judgements.append(Judgement(claim, number, verdict))
    for number, left in found.items():
        for name in left:
            raise BookError(
                f"chapter {number} judges {name}, whose chapters are others in claims.py"
            )
    return judgements


def _verdicts(number: int, in_page: Mapping[int, Sequence[Verdict]]) -> dict[str, Verdict]:
    """Gather a chapter's verdicts by claim."""
    if number not in ANSWERS:
        given = list(in_page.get(number, ()))
    elif not (missing := ANSWERS[number].missing()):
        given = ANSWERS[number].judge()
    else:
        reason = f"Not recorded yet: experiment {' and '.join(f'`{name}`' for name in missing)}."
        mine = [claim.id for claim in claims.CLAIMS.values() if number in claim.chapters]
        given = [Verdict((name,), findings.NOT_RUN, reason) for name in mine]
    return {name: verdict for verdict in given for name in verdict.claims}


def tally(judgements: Sequence[Judgement]) -> Markdown:
    """Count claims and verdicts, in a sentence and by source."""
    counts = Counter((j.claim.source, _status(j)) for j in judgements)
    columns = [s for s in (*findings.STATUSES, _WAITING) if any(key[1] == s for key in counts)]
    rows = [
        {
            "Source": f"{letter}: {name}",
            "Claims": sum(claim.source == letter for claim in claims.CLAIMS.values()),
            **{status.capitalize(): counts[letter, status] for status in columns},
        }
        for letter, name in claims.SOURCES.items()
    ]
    judged = {j.claim.id for j in judgements if j.verdict}
    return findings.join(
        f"{len(claims.CLAIMS)} claims, of which {len(judged)} have at least one verdict. A claim "
        "that several chapters take up gets a verdict from each, so that rows may add up to more "
        "than their claims.",
        findings.table(pd.DataFrame(rows)),
    )


_WAITING = "chapter to come"


def _status(judgement: Judgement) -> str:
    return judgement.verdict.status if judgement.verdict else _WAITING


def of_source(judgements: Sequence[Judgement], source: str) -> Markdown:
    """Show a source's claims as a table, and fold the verdicts in full beneath it."""
    mine = [j for j in judgements if j.claim.source == source]
    rows = [
        {
            "Claim": name,
            "It says": claim.text + (f" *({claim.recipe})*" if claim.recipe else ""),
            "Our verdict": "; ".join(j.short for j in mine if j.claim is claim),
        }
        for name, claim in claims.CLAIMS.items()
        if claim.source == source
    ]
    in_full = [
        f"**{j.claim.id}**, {j.verdict.status}, {j.link}. {j.verdict.sentence}"
        for j in mine
        if j.verdict
    ]
    parts: list[object] = [findings.table(pd.DataFrame(rows))]
    if in_full:
        parts.append(findings.short_answer(findings.join(*in_full), "These verdicts in full"))
    return findings.join(*parts)
