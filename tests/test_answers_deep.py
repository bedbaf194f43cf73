"""The verdicts of chapters 13 and 14: each branch is reached by records that call for it."""

from dataclasses import fields, replace

import pytest
from tables import FIVE, arranged, run_rows

from bnbook import answers, experiments, findings, store
from bnbook.answers.lab_session import WITH, WITHOUT
from bnbook.findings import NOT_REPRODUCED, NOT_RUN, REFINED, REPRODUCED
from bnbook.run import Run


def sessions(early, late, seeds=FIVE):
    """Both nets at both rates; with batch norm ahead by `early` at first and by `late` at last."""
    rows = []
    for lr in (0.01, 0.1):
        for arm, norm, ahead in ((WITH, "batch", True), (WITHOUT, "none", False)):
            for seed, final in enumerate(seeds):
                run = Run(norms=(norm,) * 4, lr=lr, seed=seed, epochs=2)
                # Seeds differ in what batch norm does for them, or there were no interval.
                own = 0.0002 * (seed - 2)
                first = final - 0.05 + ahead * (early + own)
                rows += run_rows(run, arm, [0.1, first, final + ahead * (late + own)])
    return arranged(rows, [WITH, WITHOUT])


@pytest.mark.parametrize(
    ("early", "late", "expected", "says"),
    [
        (0.02, 0.01, REPRODUCED, "batch norm gains after one epoch +2.00\N{NO-BREAK SPACE}points"),
        (0.02, 0.0, REFINED, "Only faster."),
        (0.0, 0.01, REFINED, "Only better."),
        (0.0, 0.0, NOT_REPRODUCED, "Neither faster nor better."),
        (-0.02, -0.01, NOT_REPRODUCED, "Neither faster nor better."),
        # Clearly there, and clearly too small to count.
        (0.02, 0.0009, REFINED, "different, but within the margin"),
    ],
)
def test_e1_takes_both_faster_and_better(early, late, expected, says):
    found = answers.lab_session.on_mnist(sessions(early, late))
    assert (found.claims, found.status) == (("E1",), expected)
    assert says in found.sentence
    assert "there train 5 of 5 with BN, 5 of 5 without BN" in found.sentence


def test_a_rate_at_which_only_batch_norm_trains_counts_as_better():
    frame = sessions(0.0, 0.0, seeds=(0.97, 0.975, 0.98, 0.97, 0.98))
    broken = (frame["arm"] == WITHOUT) & (frame["epoch"] == 2)
    frame.loc[broken, ["val_accuracy", "test_accuracy"]] = 0.1
    assert answers.lab_session.lead(frame, 0.1).better


def test_e2_is_not_run_without_records_and_judged_with_them(monkeypatch, tmp_path):
    monkeypatch.setattr(store, "results_folder", lambda: tmp_path)
    assert answers.lab_session.on_svhn().status == NOT_RUN
    store.table_path(answers.lab_session.SVHN).touch()
    monkeypatch.setattr(findings, "load", lambda name: sessions(0.02, 0.01))
    judged = answers.lab_session.on_svhn()
    assert (judged.claims, judged.status) == (("E2",), REPRODUCED)


def test_e3_the_sheets_loss_is_the_mean_over_the_batch_size():
    said = answers.lab_session.losses(sessions(0.0, 0.0)).sentence
    assert "end at 1.15, the sheet prints 0.009" in said  # 1.15 / 128


# Chapter 13


def deep(only, everything):
    """The source's depths: final accuracies with only the norm trained, and with all."""
    rows = []
    for arm, run in experiments.find("only-norm-deep").arms.items():
        final = only if run.trainable == "norm" else everything
        for seed, noise in enumerate((-0.002, 0.0, 0.001)):
            own = final + noise * (1 + len(arm) % 3)
            rows += run_rows(replace(run, seed=seed, epochs=1, eval_epochs=()), arm, [0.1, own])
    return arranged(rows, experiments.find("only-norm-deep").arms)


@pytest.mark.parametrize(
    ("only", "everything", "expected"),
    [
        (0.70, 0.93, REPRODUCED),
        (0.55, 0.93, REFINED),
        (0.70, 0.80, REFINED),
        (0.12, 0.93, NOT_REPRODUCED),
        (0.93, 0.93, NOT_REPRODUCED),
    ],
)
def test_a1_is_judged_at_the_sources_depth_where_that_is_recorded(only, everything, expected):
    found = answers.only_norm.far_at_110(deep(only, everything))
    assert (found.claims, found.status) == (("A1",), expected)
    assert "At depth 110, after 160 epochs" in found.sentence


def test_without_records_of_that_depth_a1_rests_on_what_there_is():
    assert "At depth 14" in of_claim("A1", measured()).sentence


ARMS = experiments.find("only-norm").arms
#: Test accuracies that reproduce all that can be, at depth 8 unless an arm says otherwise.
USUAL = {
    "everything": 0.60,
    "only norm": 0.35,
    "norm and head": 0.40,
    "only head": 0.30,
    "random weights": 0.25,
    "only norm, depth 14": 0.42,
    "everything, depth 14": 0.65,
    "only norm, twice as wide": 0.38,
    "only norm, no shortcuts": 0.38,
    "everything, no shortcuts": 0.58,
}


def measured(gamma=0.05, **changed):
    """Rows of the study: accuracies of `USUAL` or as `changed`, a third of the gammas as given."""
    rows = []
    for arm, run in ARMS.items():
        for seed, noise in enumerate((-0.002, 0.0, 0.001)):
            test = changed.get(arm.replace(" ", "_"), USUAL[arm]) + noise * (1 + len(arm) % 3)
            configuration = {f.name: getattr(run, f.name) for f in fields(run)}
            learned = run.trainable in ("all", "norm", "norm+head")
            rows.append(
                {
                    **configuration,
                    "seed": seed,
                    "arm": arm,
                    "key": replace(run, seed=seed).key,
                    "epoch": run.epochs,
                    "outcome": "finished",
                    "val_accuracy": test,
                    "test_accuracy": test,
                    "readout_accuracy": test + 0.02,
                    "gamma": [gamma, 1.0, 1.2],
                    "pruned_accuracy": [test - x for x in OLD] if learned else [],
                }
            )
    return arranged(rows, ARMS)


#: Test accuracy that goes with a tenth, a quarter and a half of the features.
LOST, BY_CHANCE, OLD = (0.001, 0.005, 0.2), (0.1, 0.2, 0.3), (0.05, 0.15, 0.3)


def pruned(lost=LOST):
    """Rows of the study of pruning."""
    rows = measured()[["arm", "seed", "test_accuracy"]]
    rows = rows[rows["arm"].isin(experiments.find("pruning").arms)]
    return rows.assign(
        weakest=[[test - x for x in lost] for test in rows["test_accuracy"]],
        random=[[test - x for x in BY_CHANCE] for test in rows["test_accuracy"]],
    )


def of_claim(claim, frame, cut=None):
    found = answers.only_norm.verdicts(frame, pruned() if cut is None else cut)
    (found,) = [v for v in found if v.claims == (claim,)]
    return found


def test_chapter_13_judges_its_claims():
    found = [v.claims[0] for v in answers.only_norm.verdicts(measured(), pruned())]
    assert found == ["A1", "A2", "A3", "A4", "A5", "A7", "A8", "A9"]


@pytest.mark.parametrize(
    ("claim", "changed", "expected"),
    [
        ("A1", {}, REFINED),
        ("A1", {"only_norm,_depth_14": 0.11}, NOT_REPRODUCED),
        ("A1", {"only_norm,_depth_14": 0.65}, NOT_REPRODUCED),
        ("A2", {}, REPRODUCED),
        ("A2", {"gamma": 0.5}, NOT_REPRODUCED),
        ("A3", {}, REPRODUCED),
        ("A3", {"norm_and_head": 0.30}, NOT_REPRODUCED),
        ("A4", {}, REFINED),
        ("A4", {"only_norm": 0.30}, NOT_REPRODUCED),
        ("A5", {}, REPRODUCED),
        ("A5", {"random_weights": 0.45}, NOT_REPRODUCED),
        ("A7", {}, REPRODUCED),
        ("A7", {"only_norm,_twice_as_wide": 0.45}, NOT_REPRODUCED),
        ("A9", {}, REPRODUCED),
        ("A9", {"only_norm,_no_shortcuts": 0.30}, NOT_REPRODUCED),
    ],
)
def test_each_verdict_on_training_only_the_norm_follows_the_records(claim, changed, expected):
    assert of_claim(claim, measured(**changed)).status == expected


def test_the_direction_of_a_difference_is_said():
    said = of_claim("A7", measured(**{"only_norm,_twice_as_wide": 0.45})).sentence
    assert said.startswith("The other way round.")
    assert of_claim("A7", measured(**{"only_norm,_twice_as_wide": 0.42})).sentence.startswith(
        "We cannot tell"
    )


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        (LOST, REPRODUCED),
        ((0.01, 0.03, 0.2), REFINED),
        ((0.03, 0.05, 0.2), NOT_REPRODUCED),
    ],
)
def test_the_verdict_on_pruning_follows_the_nets_with_statistics_of_their_own(lost, expected):
    found = of_claim("A8", measured(), pruned(lost))
    assert found.status == expected
    said = found.sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert "by chance, 10 % cost +10.00 points" in said
    assert "10 % of the smallest gammas cost +5.00 points" in said


def test_where_seeds_disagree_on_what_a_tenth_costs_the_verdict_says_so():
    cut = pruned((0.03, 0.05, 0.2))
    assert of_claim("A8", measured(), cut).sentence.startswith("Even a tenth costs more.")
    cut["weakest"] = [
        [test - lost, test - 0.05, test - 0.2]
        for test, lost in zip(cut["test_accuracy"], (0.0, 0.01, 0.06) * 2, strict=True)
    ]
    found = of_claim("A8", measured(), cut)
    assert found.status == NOT_REPRODUCED
    assert found.sentence.startswith("We cannot tell whether a tenth costs little.")


def test_what_pruning_costs_is_told_for_the_pruned_arms_in_three_ways():
    table = answers.only_norm.costs(measured(), pruned())
    assert set(table["arm"]) == {"everything", "only norm"}
    mine = table[table["arm"] == "only norm"].pivot(index="how", columns="share", values="mean")
    for how, lost in (("WEAKEST", LOST), ("CHANCE", BY_CHANCE), ("OLD", OLD)):
        assert list(mine.loc[getattr(answers.only_norm, how)]) == pytest.approx(lost)
