"""The verdicts of chapter 14: each branch is reached by records that call for it."""

import pytest
from tables import FIVE, arranged, run_rows

from bnbook import answers, findings, store
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
