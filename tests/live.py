"""What the tests of training in a kernel share: short runs, and training until they end."""

from bnbook.lab.kernel_trainer import KernelTrainer
from bnbook.run import Run

PATIENCE = 120  # seconds for a run that takes one


def tiny(**changes):
    settings = {"dataset": "digits", "train_size": 256, "batch_size": 32, "epochs": 1}
    return Run(**{**settings, "norms": ("batch",) * 4, **changes})


def plain(**changes):
    return tiny(norms=("none",) * 4, **changes)


class Heard(list):
    """The messages of a training, and what they say together."""

    @property
    def kinds(self):
        return [one["type"] for one in self]

    @property
    def reports(self):
        return [one for one in self if one["type"] == "progress"]

    @property
    def changes(self):
        return [change for one in self.reports for change in one["changes"]]

    def losses(self, net=0):
        return [loss for one in self.reports for loss in one["nets"][net]["losses"]]

    def evaluations(self, net=0):
        found = (one for report in self.reports for one in report["evaluations"])
        return [one for one in found if one["net"] == net]


def trained(*runs, **options):
    """Train to the end; return what was heard."""
    heard = Heard()
    trainer = KernelTrainer(runs, heard.append, **options)
    trainer.start()
    trainer.join(PATIENCE)
    assert trainer.ended
    return heard


def asks(lab, kind, **content):
    """Tell a lab what its front end sends."""
    lab._handle_custom_msg({"type": kind, **content}, None)


def setting(lab, **changes):
    return {**lab._setting(), **changes}


def run_to_the_end(lab):
    """Let the front end of a lab start its training; return the lab after it."""
    asks(lab, "start", setting=setting(lab))
    lab.join(PATIENCE)
    return lab
