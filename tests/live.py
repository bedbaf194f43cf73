"""What the tests of the lab in a live kernel share: short runs, and training until they end."""

from bnbook.lab.session import Training
from bnbook.run import Run

PATIENCE = 120  # seconds for a run that takes one


def tiny(**changes):
    settings = {"dataset": "digits", "train_size": 256, "batch_size": 32, "epochs": 1}
    return Run(**{**settings, "norms": ("batch",) * 4, **changes})


def plain(**changes):
    return tiny(norms=("none",) * 4, **changes)


def trained(*runs, **options):
    one = Training([(f"net {i}", run) for i, run in enumerate(runs)], **options)
    one.start()
    one.join(PATIENCE)
    assert one.ended
    return one
