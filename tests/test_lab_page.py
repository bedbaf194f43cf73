"""The page's lab without a browser: digits, links' names for nets, recorded bands, markup."""

import gzip
import itertools
import json
import re
from base64 import b64decode
from html import unescape

import numpy as np
import pytest
from lab_pages import PRESETS, training_lab
from tables import arranged, run_rows

from bnbook import chapters, data, findings
from bnbook.lab import digits, presets
from bnbook.lab.bands import SHARE, bands
from bnbook.lab.settings import net_code, settings
from bnbook.run import Run

BATCH = ("batch",) * 4
each = pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)


# Digits


def test_the_pages_digits_are_those_that_the_records_were_trained_on():
    script = digits.path().read_text()
    packed = re.fullmatch(r'globalThis\.bnDigits = "([A-Za-z0-9+/=]+)";\n', script)[1]
    content = np.frombuffer(gzip.decompress(b64decode(packed)), np.uint8)
    train, validation = data.splits("digits").train, data.splits("digits").validation
    n = len(train) + len(validation)
    labels, pairs = content[:n], content[n:].reshape(n, 14, 28)
    images = np.stack([pairs >> 4, pairs & 15], axis=2).reshape(n, 28, 28) * 17
    assert (labels == np.concatenate([train.labels, validation.labels])).all()
    assert (images == np.concatenate([train.images, validation.images])[:, 0]).all()


def test_a_page_knows_the_digits_that_it_trains_on():
    script = digits.path().read_text()
    assert digits.checksum(script) == digits.CHECKSUM
    assert digits.checksum(script.replace("A", "B", 1)) != digits.CHECKSUM
    assert settings(PRESETS["learning-rate"])["checksum"] == digits.CHECKSUM


def test_the_digits_are_light_enough_to_be_fetched_over_a_slow_line():
    assert len(gzip.compress(digits.path().read_bytes())) <= 500_000


# Names of nets


def test_every_net_has_a_code_of_its_own():
    kinds = [("batch", "mean", "none", "variance"), ("none",) * 4, BATCH]
    nets = [
        Run(norms=norms, affine=affine, conv_bias=conv, linear_bias=linear, activation=activation)
        for norms, affine, conv, linear, activation in itertools.product(
            kinds, presets.AFFINE, (True, False), (True, False), presets.ACTIVATIONS
        )
    ]
    nets += [Run(norms=BATCH, trainable=subset) for subset in ("norm", "norm+head", "head")]
    assert len({net_code(net) for net in nets}) == len(nets)
    assert net_code(nets[0]) == "bmnv-gb-cl-s"
    assert [net_code(net)[-3:] for net in nets[-3:]] == ["s-n", "-nh", "s-h"]


def test_the_code_of_a_net_leaves_out_how_it_is_trained():
    assert net_code(Run(norms=BATCH, lr=4.0, seed=7)) == net_code(Run(norms=BATCH, batch_size=2))


# Bands


def recorded(finals=(0.95, 0.96, 0.97), failing=()):
    rows = []
    for seed, final in enumerate(finals):
        run = Run(norms=BATCH, affine="none", lr=0.5, seed=seed, epochs=2)
        broken = seed in failing
        accuracies = [0.1, 0.8] if broken else [0.1, 0.9, final]
        rows += run_rows(run, "fixed", accuracies, "non-finite" if broken else "trained")
    return arranged(rows, ["fixed"])


def test_a_band_is_the_mean_and_interval_that_findings_computes():
    found = bands(recorded())
    mean, low, high, loss = found["cells"]["bbbb--cl-s"]["128"]["0.5"]
    expected = findings.interval([0.95, 0.96, 0.97])
    assert found["seeds"] == 3
    assert [mean[-1], low[-1], high[-1]] == [round(SHARE * x) for x in expected]
    assert loss == [None, 2.3, 1.15]


def test_a_run_that_broke_counts_as_guessing_in_its_band():
    mean, *_ = bands(recorded(failing=(0,)))["cells"]["bbbb--cl-s"]["128"]["0.5"]
    assert mean[-1] == round(SHARE * (0.1 + 0.96 + 0.97) / 3)


def test_one_seed_has_no_band_around_it():
    _, low, high, _ = bands(recorded(finals=(0.95,)))["cells"]["bbbb--cl-s"]["128"]["0.5"]
    assert set(low + high) == {None}


def test_an_interval_never_leaves_the_axis():
    _, low, high, _ = bands(recorded(finals=(0.1, 0.5, 0.99)))["cells"]["bbbb--cl-s"]["128"]["0.5"]
    assert min(low) >= 0
    assert max(high) <= SHARE


@pytest.fixture(scope="module")
def all_bands():
    return bands(chapters.RECORDS["browser-lab"])


@each
def test_a_lab_starts_with_a_band_for_both_nets(all_bands, preset):
    for net in preset.nets:
        rates = all_bands["cells"][net_code(net.run)][str(preset.batch_size)]
        mean, low, high, _ = rates[f"{preset.lr:g}"]
        assert len(mean) == preset.epochs + 1
        assert all(a <= b <= c for a, b, c in zip(low, mean, high, strict=True))


def test_all_bands_together_stay_small(all_bands):
    assert len(gzip.compress(json.dumps(all_bands).encode())) <= 40_000


# Markup


@each
def test_a_lab_starts_with_the_settings_of_its_preset(preset):
    found = settings(preset)
    assert found["start"] == {
        "lr": preset.lr,
        "batch": preset.batch_size,
        "epochs": preset.epochs,
    }
    assert [net["code"] for net in found["nets"]] == [net_code(net.run) for net in preset.nets]


@each
def test_nothing_in_a_lab_ends_its_html_or_opens_a_formula(preset):
    html = training_lab(preset)._repr_html_()
    assert all(line and line == line.strip() for line in html.split("\n"))
    assert not set("$`") & set(html)
    assert preset.ask in unescape(html)  # for those who read without scripts


@each
def test_what_a_lab_adds_to_its_page_is_light(preset):
    assert len(gzip.compress(training_lab(preset)._repr_html_().encode())) <= 3_000
