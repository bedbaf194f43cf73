"""Whatever is asked for, the answer is a run, a result or one clear line: never a traceback."""

import contextlib
import io
import math
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_run import runs

from bnbook import cli, data, sweep, training, verify
from bnbook.errors import BookError
from bnbook.run import Run

NAMES = [field.name for field in fields(Run)]
DEFAULTS = {field.name: field.default for field in fields(Run)}
BATCH = ("batch",) * 4


class Hostile:
    """A value whose every account of itself is a nuisance."""

    def __repr__(self):
        return "two\nlines"


#: Names that stand for what is wrong, with the fields that are.
BAD = {
    "no norms": {"norms": None},
    "norms as one word": {"norms": "batch"},
    "norms as a number": {"norms": 4},
    "norms in a set": {"norms": {"batch"}},
    "norms without end": {"norms": iter(lambda: "batch", None)},
    "norms inside norms": {"norms": (BATCH,) * 4},
    "norms as an array": {"norms": np.zeros((4, 4))},
    "norms that are arrays": {"norms": [np.zeros(2)] * 4},
    "a mapping of norms": {"norms": dict.fromkeys("abcd", "batch")},
    "evaluations as a number": {"eval_epochs": 3},
    "evaluations as text": {"eval_epochs": "12"},
    "no evaluations": {"eval_epochs": None},
    "half an epoch": {"eval_epochs": (0.5,)},
    "an evaluation before the first epoch": {"eval_epochs": (0,)},
    "evaluations inside evaluations": {"eval_epochs": ((1,),)},
    "a learning rate beyond floating point": {"lr": 10**400},
    "a negative one": {"lr": -(10**400)},
    "a learning rate of a thousand digits": {"lr": "9" * 1000},
    "a complex learning rate": {"lr": 1j},
    "a list of learning rates": {"lr": [0.1, 0.2]},
    "an array of learning rates": {"lr": np.full((3, 3), 0.1)},
    "a learning rate that is a tensor": {"lr": torch.ones(2, 2)},
    "a momentum beyond floating point": {"momentum": 10**400},
    "a dropout that is no number": {"dropout": math.nan},
    "a data set on two lines": {"dataset": "mnist\nmnist"},
    "a data set in a list": {"dataset": ["mnist"]},
    "a data set in bytes": {"dataset": b"mnist"},
    "an unnamed data set": {"dataset": ""},
    "a data set elsewhere": {"dataset": "../../etc/passwd"},
    "a model that is a class": {"model": torch.nn.Linear},
    "a model with a space": {"model": "lenet "},
    "a shouted model": {"model": "LENET"},
    "an activation that is a function": {"activation": torch.sigmoid},
    "an activation of none": {"activation": None},
    "a truth as text": {"conv_bias": "false"},
    "a truth as an array": {"linear_bias": np.array([True, False])},
    "a truth of numpy's": {"record_fit": np.bool_(True)},
    "half a batch": {"batch_size": 0.5},
    "a batch of not a number": {"batch_size": math.nan},
    "a batch of infinity": {"batch_size": math.inf},
    "a batch of True": {"batch_size": True},
    "a batch above the images": {"batch_size": 10**400},
    "fewer than no epochs": {"epochs": -1},
    "epochs as text": {"epochs": "5"},
    "a seed of None": {"seed": None},
    "a seed beyond all streams": {"seed": 10**400},
    "a padding wider than the image": {"padding": 15},
    "a net too wide for any machine": {"model": "resnet", "norms": ("batch",), "width": 10**9},
    "a value that lies on two lines": {"pooling": Hostile()},
    "a number that lies on two lines": {"lr": Hostile()},
    "a count that lies on two lines": {"epochs": Hostile()},
    "a truth that lies on two lines": {"shortcuts": Hostile()},
    "a norm that lies on two lines": {"norms": [Hostile()] * 4},
    "a very long name": {"optimizer": "s" * 100_000},
}


@pytest.mark.parametrize("named", BAD)
def test_a_bad_configuration_is_refused_in_one_clear_line(named):
    with pytest.raises(BookError) as error:
        Run(**BAD[named])
    assert is_clear(str(error.value))
    words = {"lr": "learning rate", "norms": "norm", "eval_epochs": "eval epoch"}
    assert any(
        words.get(name, name.replace("_", " ")) in str(error.value).replace("_", " ")
        for name in BAD[named]
    )


def is_clear(line):
    return "\n" not in line and 10 < len(line) < 500 and line.isprintable()


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**300, 10**400),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=5),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=5), st.floats()), max_size=5),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.builds(Hostile),
    st.sampled_from([np.zeros((2, 2)), torch.zeros(3), float, ..., {1}, b"", 10**19]),
)
#: Values that may be right, beside others or alone.
plausible = {
    "dataset": st.sampled_from(data.NAMES),
    "model": st.sampled_from(["lenet", "mlp", "resnet"]),
    "norms": st.lists(st.sampled_from(["none", "batch", "mean", "variance"]), max_size=5),
    "eval_epochs": st.lists(st.integers(0, 6), max_size=3),
    **{
        name: st.sampled_from([value, 0, 1, 2, 0.5, "none", "batch", "both", "all"])
        for name, value in DEFAULTS.items()
        if name not in ("dataset", "model", "norms", "eval_epochs")
    },
}
configurations = st.fixed_dictionaries(
    {}, optional={name: st.one_of(plausible[name], junk) for name in NAMES}
)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(configurations)
def test_any_configuration_is_a_run_or_one_clear_line(configuration):
    try:
        run = Run(**configuration)
    except BookError as error:
        refusal = str(error)
    else:
        assert Run.from_changes(run.changes()) == run
        return
    assert is_clear(refusal)


@pytest.mark.parametrize(
    "changes",
    [None, 3, "lr", ["lr"], [["lr", 1]], {1: 2, "a": 3}, {"l\nr": 1}, {"": 1}, {None: 1}],
)
def test_what_does_not_describe_a_run_is_refused(changes):
    with pytest.raises(BookError) as error:
        Run.from_changes(changes)
    assert "\n" not in str(error.value)


@settings(max_examples=25, deadline=None)
@given(runs)
def test_every_run_that_can_be_described_can_be_trained(run):
    few = replace(run, train_size=32, batch_size=8, depth=8, width=1)
    assert 1 <= len(training.first_losses(few)) <= 10


def test_more_images_than_there_are_is_one_clear_line():
    with pytest.raises(BookError, match="train size 10,000,000 is above the 50,000 training"):
        training.train(Run(train_size=10_000_000))


COMMANDS = {
    "an experiment of two lines": ["sweep", "li\nte"],
    "an experiment elsewhere": ["sweep", "../../lite"],
    "an experiment without a name": ["sweep", ""],
    "an experiment of 100,000 letters": ["sweep", "x" * 100_000],
    "more workers than any machine has": ["sweep", "lite", "--workers", "1000000"],
    "workers beyond counting": ["sweep", "lite", "--workers", "9" * 4000],
    "a sample below nothing": ["verify", "lite", "--sample", "-5"],
    "a seed beyond the generator": ["verify", "lite", "--seed", "9" * 40],
    "one unknown name among known ones": ["verify", "lite", "light"],
    "a data set elsewhere": ["data", "../mnist"],
    "a data set of two lines": ["data", "mn\nist"],
    "a site in a file": ["render", "--output", "/dev/null/site"],
    "a site in the root of the system": ["render", "--output", "/"],
    "a site in the folder of the book": ["render", "--output", "."],
    "a site with a name that is too long": ["render", "--output", "x" * 300],
    "a site with a path that is too long": ["render", "--output", "x/" * 5000],
    "a server without a site": ["serve", "--output", "nowhere"],
    "a server of a name that is too long": ["serve", "--output", "x" * 300],
}


def answer(arguments):
    """Exit code and what a command says on standard error; whatever else it raises is a fault."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = cli.main(arguments)
        except SystemExit as exit_:
            code = exit_.code
    return code, said.getvalue()


@pytest.mark.parametrize("named", COMMANDS)
def test_a_bad_command_gets_one_clear_line(named):
    code, said = answer(COMMANDS[named])
    assert code == 2
    assert said.startswith("bnbook: ")
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()


@pytest.mark.parametrize("port", ["0x50", "-1", "65536", "9" * 400])
def test_a_port_that_cannot_be_is_one_clear_line(port, tmp_path):
    (tmp_path / "index.html").write_text("")
    code, said = answer(["serve", "--output", str(tmp_path), "--port", port])
    assert code == 2
    assert "port" in said.splitlines()[-1]


SAID = ("sweep", "verify", "data", "--workers", "--sample", "--seed", "--shortest", "--scheduler")
SAID += (
    "--all",
    "--device",
    "cpu",
    "abacus",
    "--",
    "-1",
    "0",
    "1e9",
    "lites",
    "mnists",
    "nothing",
    "tcp://",
    "--help",
)
words = st.one_of(st.sampled_from(SAID), st.text(max_size=8))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["sweep", "verify", "data", "", "-"]), st.lists(words, max_size=4))
def test_any_command_line_is_done_or_answered_in_clear_lines(command, others):
    with pytest.MonkeyPatch.context() as patch:
        # What would run for minutes is not the point here.
        for module, name in ((sweep, "sweep"), (verify, "verify")):
            patch.setattr(module, name, lambda *_: ())
        code, said = answer([command, *others])
    assert code in (0, 1, 2)
    assert "Traceback" not in said
    if code == 2:
        assert said.startswith(("bnbook: ", "usage: bnbook"))


SURROUNDINGS = {
    "the data in a file": {"BNBOOK_DATA": "{file}"},
    "the data nowhere": {"BNBOOK_DATA": "{folder}/nowhere", "BNBOOK_CACHE": "{folder}/cache"},
    "the cache in a file": {"BNBOOK_CACHE": "{file}"},
    "the cache in the kernel": {"BNBOOK_CACHE": "/proc/1/nothing"},
}


@pytest.mark.parametrize("named", SURROUNDINGS)
def test_bad_surroundings_are_named_in_one_clear_line(named, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for name, value in SURROUNDINGS[named].items():
        monkeypatch.setenv(name, value.format(folder=tmp_path, file=tmp_path / "file"))
    data.splits.cache_clear()
    for arguments in (["data", "mnist"], ["sweep", "browser-lab"], ["verify", "lite"]):
        code, said = answer(arguments)
        if code:
            assert code == 2
            line = said.splitlines()[-1]  # below a progress bar
            assert line.startswith("bnbook: ")
            assert is_clear(line)
            assert "Traceback" not in said
    data.splits.cache_clear()


def test_a_closed_output_is_no_error():
    program = "import sys; from bnbook.cli import main; sys.exit(main(['sweep', '--list']))"
    command = f'{sys.executable} -c "{program}" >&-'
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_the_output_is_one_clear_line():
    program = "import sys; from bnbook.cli import main; sys.exit(main(['sweep', '--list']))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "bnbook: No space left on device\n"
