"""Predict before you read, and be reminded of it when the evidence is in."""

import re
from collections.abc import Sequence
from html import escape

from bnbook.errors import BookError
from bnbook.lab.page import Html, assemble, markdown


def predict(
    question_id: str, question: str, choices: Sequence[str], answer: str | None = None
) -> Html:
    """Ask `question` with radio buttons and remember the pick where the browser allows it.

    `question` and `choices` are Markdown. With `answer`, one of the choices, the pick is answered
    at once; without, `revisit` does so at the chapter's end. Raises BookError for fewer than two
    choices, equal choices, an answer that is none of them, or an id that cannot be an anchor.
    """
    _check_id(question_id)
    if len(set(choices)) != len(choices) or len(choices) < 2:
        raise BookError(f"the question {question_id!r} needs two or more different choices")
    if answer is not None and answer not in choices:
        raise BookError(f"the answer {answer!r} to {question_id!r} is none of its choices")
    options = "\n".join(
        f'<label><input type="radio" name="ROOT_ID-pick" value="{escape(choice)}"> '
        f"<span>{markdown(choice)}</span></label>"
        for choice in choices
    )
    body = f"""
<fieldset id="predict-{question_id}">
<legend><span class="kicker">Predict</span> {markdown(question)}</legend>
{options}
</fieldset>
<p class="reply" role="status" aria-live="polite"></p>"""
    return assemble("predict", body, {"kind": "predict", "id": question_id, "answer": answer})


def revisit(question_id: str, answer: str, explanation: str = "") -> Html:
    """Set the reader's prediction for `question_id` beside the evidence.

    `answer` is the choice that the evidence supports, `explanation` why; both are Markdown and
    computed from findings. Who has not predicted is asked to first, and may open it anyway.
    Raises BookError for an id that cannot be a page's anchor.
    """
    _check_id(question_id)
    body = f"""
<p class="reply"><span class="kicker">Your prediction</span> <span class="text" role="status"
aria-live="polite">What did you expect? <a href="#predict-{question_id}">Predict
first</a>, then open the evidence.</span></p>
<details><summary>The evidence says</summary>
<div><p><strong>{markdown(answer)}</strong></p>
<div>{markdown(explanation)}</div></div></details>"""
    return assemble("predict", body, {"kind": "revisit", "id": question_id, "answer": answer})


def _check_id(question_id: str) -> None:
    if not re.fullmatch(r"[a-z0-9-]+", question_id):
        raise BookError(f"question id {question_id!r}: use small letters, digits and hyphens")
