"""Exercises: each can be solved, it knows what is wrong, and the page keeps its secret."""

import base64
import copy
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch import nn
from torch.nn.functional import cross_entropy

from bnbook import chapters, data, models, training
from bnbook.chapters.from_scratch import checks
from bnbook.chapters.from_scratch import exercises as from_scratch
from bnbook.chapters.from_scratch.bugs import BUGS, GRADIENTS, LAYER, hunt
from bnbook.chapters.from_scratch.experiments import MISTAKES
from bnbook.errors import BookError
from bnbook.lab.exercises import EXACT, Choice, Line, Number, Numbers, checked, fingerprint, rounded
from bnbook.run import Run

PAIRS = [(chapter, one) for chapter in chapters.CHAPTERS for one in chapter.exercises.values()]
EVERY = [one for _, one in PAIRS]


def named(kind):
    found = [one for one in EVERY if isinstance(one, kind)]
    return pytest.mark.parametrize("exercise", found, ids=lambda one: one.id)


every = named((Numbers, Choice, Line))
of_chapters = pytest.mark.parametrize("chapter", chapters.CHAPTERS, ids=lambda one: one.slug)


@pytest.fixture
def rendering(monkeypatch):
    monkeypatch.setenv("BNBOOK_RENDER", "1")


def cells(chapter):
    notebook = json.loads((ROOT / "chapters" / chapter.file).read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


# The book's


def test_ids_are_unique_and_can_be_anchors():
    ids = [one.id for one in EVERY]
    assert len({*ids}) == len(ids)
    assert all(re.fullmatch("[a-z0-9-]+", one) for one in ids)


@of_chapters
def test_a_notebook_asks_each_exercise_once_and_in_order(chapter):
    asked = re.findall(r'book\.exercise\("([^"]+)"\)', "\n".join(cells(chapter)))
    assert asked == [*chapter.exercises]


@of_chapters
def test_code_that_is_checked_stands_in_the_notebook_with_its_gap(chapter):
    code = "\n".join(cells(chapter))
    for name in re.findall(r'book\.check\("([^"]+)"', code):
        assert chapter.exercises[name].code in code, name
    assert "lab.check" not in code


@of_chapters
def test_code_that_nobody_has_written_yet_runs_and_waits(chapter, capsys):
    net = training.build(Run(norms=("batch",) * 4))
    worst = SimpleNamespace(net=net, test=(torch.zeros(2, 1, 28, 28),))
    for source in cells(chapter):
        for name in re.findall(r'book\.check\("([^"]+)"', source):
            names = {"book": chapter, "torch": torch, "nn": nn, "copy": copy, "worst": worst}
            exec(source, names | chapter.exercises[name].given())
            assert capsys.readouterr().out == "Not answered yet: replace the ...\n", name


def test_an_unknown_exercise_is_named():
    with pytest.raises(BookError, match="of bias_removal 'redundent'; known: folded-bias"):
        chapters.find(1).exercise("redundent")


# One exercise


@every
def test_an_exercise_helps(exercise):
    assert exercise.hints
    assert len({*exercise.hints}) == len(exercise.hints)
    assert exercise.title
    assert exercise.answer.strip()


def answer_to(exercise):
    if isinstance(exercise, Numbers):
        values = [one.value for one in exercise.numbers]
        return values if len(values) > 1 else values[0]
    return exercise.run(exercise.right) if isinstance(exercise, Line) else exercise.expected


@every
def test_its_answer_is_accepted(exercise, capsys):
    checked(exercise, answer_to(exercise))
    assert capsys.readouterr().out == "✓ Right.\n"


@every
def test_a_wrong_answer_gets_the_first_hint_and_not_the_answer(exercise):
    wrong = answer_to(exercise)
    if isinstance(exercise, Numbers):
        wrong = np.asarray(wrong) + 1.7
    elif isinstance(exercise, Choice):
        wrong = next(one for one in exercise.choices if one != wrong)
    else:
        wrong = exercise.run(next(iter(exercise.wrong)))
    with pytest.raises(AssertionError) as failure:
        checked(exercise, wrong)
    said = str(failure.value)
    assert said.startswith("Not yet: ")
    assert said.endswith(f"Hint: {exercise.hints[0]}")


@every
@pytest.mark.parametrize("value", [..., None, (1, ...), [None]])
def test_who_has_not_answered_is_waited_for(exercise, value, capsys):
    checked(exercise, value)
    assert capsys.readouterr().out == "Not answered yet: replace the ...\n"


def test_the_page_does_not_wait_in_its_notebooks_way(rendering, capsys):
    checked(EVERY[0], ...)
    assert capsys.readouterr().out == ""


@named(Numbers)
def test_a_near_miss_is_none_of_the_right_numbers(exercise):
    for one in exercise.numbers:
        right = rounded(one.value, one.digits)
        keys = [rounded(value, one.digits) for value in one.near]
        assert right not in keys
        assert len({*keys}) == len(keys), "a near miss hides another"
    if len(exercise.numbers) == 1:
        assert all(map(exercise.complaint, exercise.numbers[0].near))
        assert exercise.complaint(exercise.numbers[0].value + 1)
        assert exercise.complaint("many") == "expected: a number"


@named(Numbers)
def test_the_explanation_states_the_number_that_is_checked(exercise):
    text = exercise.answer.replace("{,}", "").replace(",", "").replace(" ", "")
    for one in exercise.numbers:
        assert f"{one.value:.{one.digits or EXACT}g}".rstrip("0").rstrip(".") in text or (
            f"{one.value:.{one.digits or EXACT}g}" in text
        ), one.value


@named(Numbers)
def test_a_number_is_not_on_the_edge_between_two_roundings(exercise):
    for one in exercise.numbers:
        if one.digits:
            assert {rounded(one.value * (1 + sign * 1e-6), one.digits) for sign in (-1, 1)} == {
                rounded(one.value, one.digits)
            }


@named(Choice)
def test_each_wrong_choice_has_a_reply(exercise):
    assert exercise.expected in exercise.choices
    assert all(said for one, said in exercise.choices.items() if one != exercise.expected)


@named(Line)
def test_of_the_lines_only_one_is_right_when_it_is_run(exercise):
    assert exercise.code.count("...") == 1
    right = [line for line in exercise.options if not exercise.complaint(exercise.run(line))]
    assert right == [exercise.right]
    assert all(exercise.wrong.values())


# The page


@pytest.mark.parametrize(("chapter", "exercise"), PAIRS, ids=lambda one: getattr(one, "id", ""))
def test_the_page_gives_nothing_away(chapter, exercise, rendering):
    html = chapter.exercise(exercise.id)._repr_html_()
    explained = re.sub(r"\s+", " ", exercise.answer)[:40].replace('"', "")
    assert explained not in html
    assert "\n\n" not in html
    asked = " ".join([exercise.text, *exercise.hints])
    for one in getattr(exercise, "numbers", ()):
        if f"{one.value:.3g}" not in asked and re.fullmatch(
            r"[0-9.]{3,}", digits := f"{one.value:.3g}"
        ):
            assert not re.search(rf"(?<![\d.]){re.escape(digits)}(?![\d.])", html), digits


def test_links_on_the_page_lead_to_pages(rendering):
    chapter = chapters.find(6)
    answer = base64.b64decode(chapter.exercise("noise-to-order").data["answer"]).decode()
    assert "references.html#hoffer-2017" in answer


def test_python_and_the_page_round_alike():
    assert rounded(0.0505, 3) == "5.05e-2"
    assert rounded(226, None) == "2.26000000e+2"
    assert rounded(-0.0, 3) == "0"
    assert fingerprint("a", "b") == fingerprint("a", "b") != fingerprint("b", "b")


def test_a_number_may_be_computed_late():
    assert Number(lambda: 3).value == 3.0


def test_the_map_counts_all_exercises(rendering):
    from bnbook.chapters import contents

    found = contents.progress().data["chapters"]
    assert sum(len(one["exercises"]) for one in found) == len(EVERY) == 43


# What notebooks used to try, and exercises take for granted


def test_weights_ten_times_as_large_train_alike_at_a_hundred_times_the_rate(few_digits):
    images = data.to_float(data.splits("digits").train.images[:256])
    labels = data.splits("digits").train.labels[:256].long()

    def losses(scale, rate):
        net = training.build(Run(norms=("batch",) * 4))
        hidden = [getattr(net, name).weight for name in models.LENET_LAYERS[:-1]]
        others = [p for p in net.parameters() if all(p is not weight for weight in hidden)]
        for weight in hidden:
            weight.data *= scale
        optimizer = torch.optim.SGD([{"params": hidden, "lr": rate}, {"params": others}], lr=0.1)
        found = []
        for _ in range(5):
            loss = cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    (rate,) = chapters.find(2).exercises["ten-times-the-weights"].numbers
    assert losses(10, rate.value) == pytest.approx(losses(1, 0.1), rel=1e-2)


def test_the_second_derivative_falls_with_the_square_of_the_weights():
    net = training.build(Run(model="mlp", norms=("batch",) * 2, activation="relu")).double().train()
    draw = torch.Generator().manual_seed(0)
    x, labels = torch.rand(32, 1, 28, 28, generator=draw).double(), torch.arange(32) % 10
    v = torch.randn(net.fc1.weight.shape, generator=draw).double()

    def second():
        loss = cross_entropy(net(x), labels)
        (gradient,) = torch.autograd.grad(loss, net.fc1.weight, create_graph=True)
        (product,) = torch.autograd.grad((gradient * v).sum(), net.fc1.weight)
        return float((product * v).sum())

    before = second()
    net.fc1.weight.data *= 3
    (factor,) = chapters.find(10).exercises["three-times-the-weights"].numbers
    assert second() / before == pytest.approx(factor.value, rel=1e-2)


def test_weight_decay_moves_what_has_a_zero_gradient():
    gamma = nn.Parameter(torch.ones((), dtype=torch.float64))
    optimizer = torch.optim.SGD([gamma], lr=0.1, weight_decay=0.0005)
    for _ in range(1000):
        gamma.grad = torch.zeros_like(gamma)
        optimizer.step()
    (after,) = chapters.find(5).exercises["zero-is-not-frozen"].numbers
    assert float(gamma) == pytest.approx(after.value)


# Find the bug


def layer_of(code):
    names = {"nn": nn, "torch": torch}
    exec(code, names)
    return names["BatchNorm1d"]


def caught_by(code):
    with checks._double_precision():
        return {
            name
            for name, test in checks.LAYER_TESTS.items()
            if not checks._passes(test, layer_of(code)(4))
        }


def test_the_bugs_are_the_recorded_mistakes_and_two_more():
    names = [bug.name for bug in BUGS]
    assert len({*names}) == len(names) == 14
    assert {bug.name for bug in BUGS if not bug.test} == {*MISTAKES}


def test_the_listing_without_a_mistake_passes_all_tests():
    assert caught_by(LAYER) == set()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_listing_has_a_wrong_line_and_says_what_is_right(bug):
    assert 1 <= len(bug.places) <= 2
    assert bug.mended
    assert bug.code != bug.listing
    assert max(map(len, bug.code.split("\n"))) <= 88


@pytest.mark.parametrize(
    "bug", [bug for bug in BUGS if bug.listing == LAYER], ids=lambda bug: bug.name
)
def test_a_wrong_layer_is_caught_by_the_tests_that_catch_the_recorded_one(bug):
    table = chapters.find(8).facts.caught.loc[bug.name]
    recorded = {name for name in checks.LAYER_TESTS if table[name]}
    assert recorded
    assert recorded <= caught_by(bug.code)


@pytest.mark.parametrize(
    ("code", "right"),
    [(GRADIENTS, True)] + [(bug.code, False) for bug in BUGS if bug.listing == GRADIENTS],
)
def test_a_wrong_gradient_is_caught_by_the_numeric_one(code, right):
    random = np.random.default_rng(0)
    weights = [random.normal(size=(4, 4)) for _ in range(3)]
    x, labels = random.normal(size=(7, 4)), np.eye(4)[random.integers(4, size=7)]
    names = {"np": np, **dict(zip(("W1", "W2", "W3"), weights, strict=True))}
    names |= {
        f"{name}{i}": random.uniform(0.5, 1.5, 4) for name in ("gamma", "beta") for i in (1, 2)
    }
    names["forward"] = from_scratch._function(from_scratch._FORWARD, from_scratch._XHAT)
    names["backward"] = from_scratch._function(from_scratch._BACKWARD, from_scratch._DX)
    names["softmax"] = lambda z: np.exp(z) / np.exp(z).sum(1, keepdims=True)
    exec(code, names)

    def loss():
        h = x
        for i in (1, 2):
            z = names["forward"](h @ names[f"W{i}"].T, names[f"gamma{i}"], names[f"beta{i}"])[0]
            h = np.maximum(z, 0)
        return -(labels * np.log(names["softmax"](h @ names["W3"].T))).sum()

    numeric = np.empty((4, 4))
    for place in np.ndindex(4, 4):
        sides = []
        for step in (1e-5, -2e-5):
            weights[0][place] += step
            sides.append(loss())
        weights[0][place] += 1e-5
        numeric[place] = (sides[0] - sides[1]) / 2e-5
    assert np.allclose(names["gradients"](x, labels)[0], numeric, atol=1e-4) == right


def test_the_hunt_shows_records_where_there_are_some(rendering):
    chapter = chapters.find(8)
    bugs = hunt(chapter.facts, chapter.records("by-hand-strains")).data["bugs"]
    assert [len(one["losses"]) for one in bugs] == [0 if bug.test else 2 for bug in BUGS]
    for one, bug in zip(bugs, BUGS, strict=True):
        assert one["keys"] == [fingerprint(one["id"], place) for place in bug.places]
