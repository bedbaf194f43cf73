"""The command line: one clear line and exit code 2 for everything a user can mend."""

import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from bnbook import chapters, cli, data, sweep
from bnbook.data import files
from bnbook.errors import BookError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "nonsense"], "unknown experiment 'nonsense'; known: bias-removal"),
        (["sweep", "bias-removal", "--workers", "0"], "0 workers cannot work"),
        (["sweep", "bias-removal", "--workers", "-3"], "-3 workers cannot work"),
        (["verify", "nonsense"], "unknown experiment 'nonsense'; known: bias-removal"),
        (["verify", "lite", "--sample", "0"], "a sample of 0 shows nothing: give --sample 1"),
        (["verify", "lite", "--seed", "-1"], "seed -1 draws no sample: give --seed 0 to"),
        (["data", "imagenet"], "unknown data set 'imagenet': choose one of mnist"),
    ],
)
def test_bad_input_gets_one_clear_line(arguments, message, capsys):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("bnbook: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["swep"],
        ["sweep"],
        ["sweep", "lite", "--workers", "two"],
        ["sweep", "a", "b"],
        ["verify", "--sample", "some"],
        ["verify", "--seed", "1", "--shortest"],
    ],
)
def test_a_mistyped_command_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert "usage: bnbook" in capsys.readouterr().err


@pytest.mark.parametrize("typed", [["--help"], ["render", "--help"], ["swep"]])
def test_help_and_a_mistyped_command_do_not_wait_for_pytorch(typed):
    program = "import sys; from bnbook import cli\n"
    program += "try: cli.main(sys.argv[1:])\n"
    program += "finally: assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", program, *typed], capture_output=True, text=True)
    assert done.returncode == (0 if "--help" in typed else 2), done.stderr
    assert "usage: bnbook" in done.stdout + done.stderr


def test_the_list_names_every_experiment_and_its_chapter(capsys):
    assert cli.main(["sweep", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(chapters.EXPERIMENTS)
    for line, experiment in zip(lines, chapters.EXPERIMENTS.values(), strict=True):
        where = [c.number for c in chapters.CHAPTERS if experiment in c.experiments]
        said = f"chapter {where[0]}" if where else "several chapters"
        assert line.endswith(f" {said}: {experiment.question}")


def test_data_says_what_there_is_and_where(capsys):
    assert cli.main(["data", "mnist"]) == 0
    assert "60,000 training and 10,000 test images, 1 x 28 x 28" in capsys.readouterr().out


def test_a_sweep_of_all_leaves_out_what_would_have_to_be_downloaded(monkeypatch, capsys):
    swept = []
    monkeypatch.setattr(sweep, "sweep", lambda experiment, *_: swept.append(experiment.name) or 0)
    monkeypatch.setattr(data, "at_hand", lambda name: name == "mnist")
    assert cli.main(["sweep", "--all"]) == 0
    assert "lite" in swept
    assert "lab-session-svhn" not in swept
    said = capsys.readouterr().out
    assert "lab-session-svhn: left out; `bnbook data svhn` says how to get its data\n" in said


@pytest.mark.parametrize("arguments", [["verify", "lite"], ["sweep", "lite"], ["data", "mnist"]])
def test_the_package_without_a_clone_says_where_the_data_are_expected(
    arguments, tmp_path, cache, monkeypatch, capsys
):
    monkeypatch.delenv("BNBOOK_DATA", raising=False)
    packages = tmp_path / "lib/site-packages"
    monkeypatch.setattr(files, "__file__", str(packages / "bnbook/data/files.py"))
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"bnbook: the book's data are not in {packages / 'data'}: ")
    assert "BNBOOK_DATA" in error
    assert "git checkout" not in error
    assert error.count("\n") == 1


def test_the_package_of_another_clone_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "bnbook").mkdir()
    (tmp_path / "bnbook/__init__.py").touch()
    (tmp_path / "chapters").mkdir()
    for folder in (tmp_path, tmp_path / "chapters"):
        monkeypatch.chdir(folder)
        assert cli.main(["sweep", "--list"]) == 2
        error = capsys.readouterr().err
        assert error.startswith(
            f"bnbook: the bnbook that runs is that of {ROOT}, not of {tmp_path}"
        )
        assert error.count("\n") == 1
        with pytest.raises(BookError, match="not of"):
            chapters.find(1)
    monkeypatch.chdir(ROOT)
    assert cli.main(["sweep", "--list"]) == 0


@pytest.mark.parametrize(
    "variable", ["MPLBACKEND=nonsense", "TORCH_LOGS=nonsense", "TQDM_MININTERVAL=abc"]
)
def test_what_keeps_the_packages_from_loading_is_named(variable):
    told = dict([variable.split("=")])
    done = subprocess.run(
        [sys.executable, "-m", "bnbook", "sweep", "--list"],
        cwd=ROOT,
        env=os.environ | told,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("bnbook: its packages cannot be loaded (")
    assert "MPLBACKEND, TORCH_LOGS and TQDM_*" in line


def test_a_folder_that_is_gone_is_named(tmp_path):
    (tmp_path / "gone").mkdir()
    script = f'rmdir "$PWD"; exec "{sys.executable}" -P -m bnbook sweep --list'
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path / "gone", capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == "bnbook: the folder that this runs in is gone: change to another\n"


@pytest.mark.parametrize(
    ("number", "seconds", "word", "code"),
    [
        *((signal.SIGINT, seconds, "interrupted", 130) for seconds in (0.3, 1, 2)),
        (signal.SIGTERM, 2, "terminated", 143),
    ],
)
def test_signals_are_answered_while_the_packages_are_loaded(number, seconds, word, code):
    command = [sys.executable, "-m", "bnbook", "verify", "lite", "--sample", "50"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as started:
        time.sleep(seconds)
        started.send_signal(number)
        try:
            _, said = started.communicate(timeout=60)
        finally:
            started.kill()  # else it would be waited for as long as it verifies
    assert "Traceback" not in said
    assert f"bnbook: {word}" in said
    assert started.returncode == code
