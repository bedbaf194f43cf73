"""Predict before you read, and be reminded of it when the evidence is in."""

import re
from collections.abc import Sequence

from bnbook.errors import BookError
from bnbook.lab.element import Html, Widget, element, markdown


def predict(question_id: str, question: str, choices: Sequence[str]) -> Html | Widget:
    """Ask `question` with radio buttons and remember the pick where the browser allows it.

    `question` and `choices` are Markdown; `revisit` answers at the chapter's end. Raises BookError
    for fewer than two choices, equal choices, or an id that cannot be an anchor.
    """
    _check_id(question_id)
    if len(set(choices)) != len(choices) or len(choices) < 2:
        raise BookError(f"the question {question_id!r} needs two or more different choices")
    asked = markdown(question)
    options = [{"value": choice, "html": markdown(choice)} for choice in choices]
    listed = "".join(f"<li>{one['html']}</li>" for one in options)
    fallback = (
        f'<p id="predict-{question_id}"><strong>Predict</strong> {asked}</p><ul>{listed}</ul>'
    )
    data = {"id": question_id, "question_html": asked, "choices": options}
    return element("predict", data, fallback)


def revisit(question_id: str, answer: str, explanation: str = "") -> Html | Widget:
    """Set the reader's prediction for `question_id` beside the evidence.

    `answer` is the choice that the evidence supports, `explanation` why; both are Markdown and
    computed from findings. A reader who has not predicted is asked to do so
    first, and may open it anyway. Raises BookError for an id that cannot be a page's anchor.
    """
    _check_id(question_id)
    data = {
        "id": question_id,
        "answer": answer,
        "answer_html": markdown(answer),
        "why_html": markdown(explanation),
    }
    fallback = (
        f"<details><summary>The evidence says</summary><div><p><strong>{data['answer_html']}"
        f"</strong></p><div>{data['why_html']}</div></div></details>"
    )
    return element("revisit", data, fallback)


def _check_id(question_id: str) -> None:
    if not re.fullmatch(r"[a-z0-9-]+", question_id):
        raise BookError(f"question id {question_id!r}: use small letters, digits and hyphens")
