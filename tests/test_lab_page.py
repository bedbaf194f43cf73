"""The page's lab without a browser: links' names for nets, recorded bands, markup."""

import gzip
import itertools
import json
from html import unescape

import pytest
from lab_pages import PRESETS, training_lab
from tables import arranged, run_rows

from bnbook import chapters, findings
from bnbook.lab import presets
from bnbook.lab.bands import SHARE, bands
from bnbook.lab.settings import net_code, settings
from bnbook.run import Run

BATCH = ("batch",) * 4
each = pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)


# Names of nets


def test_every_net_has_a_code_of_its_own():
    kinds = [("batch", "mean", "none", "variance"), BATCH]
    normed = [*itertools.product(kinds, presets.AFFINE), (("none",) * 4, "both")]
    nets = [
        Run(norms=norms, affine=affine, conv_bias=conv, linear_bias=linear, activation=activation)
        for (norms, affine), conv, linear, activation in itertools.product(
            normed, (True, False), (True, False), presets.ACTIVATIONS
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


def test_a_run_that_broke_is_counted_apart_from_those_that_learn():
    mean, *_, counts = bands(recorded(failing=(0,)))["cells"]["bbbb--cl-s"]["128"]["0.5"]
    assert mean[-1] == round(SHARE * (0.96 + 0.97) / 2)
    assert counts == [2, 3]
    mean, *_, loss = bands(recorded(failing=(0, 1, 2)))["cells"]["bbbb--cl-s"]["128"]["0.5"]
    assert mean[-1] == SHARE / 10
    assert len(loss) == len(mean)


def test_one_seed_has_no_band_around_it():
    _, low, high, _ = bands(recorded(finals=(0.95,)))["cells"]["bbbb--cl-s"]["128"]["0.5"]
    assert set(low + high) == {None}


def test_an_interval_never_leaves_the_axis():
    _, low, high, _ = bands(recorded(finals=(0.21, 0.5, 0.99)))["cells"]["bbbb--cl-s"]["128"]["0.5"]
    assert min(low) >= 0
    assert max(high) <= SHARE


@pytest.fixture(scope="module")
def all_bands():
    return bands(chapters.RECORDS["browser-lab"])


@each
def test_a_lab_starts_with_a_band_for_both_nets(all_bands, preset):
    for net in preset.nets:
        rates = all_bands["cells"][net_code(net.run)][str(presets.PLAIN.batch_size)]
        mean, low, high, _ = rates[f"{preset.lr:g}"]
        assert len(mean) == presets.PLAIN.epochs + 1
        assert all(a <= b <= c for a, b, c in zip(low, mean, high, strict=True))


def test_all_bands_together_stay_small(all_bands):
    assert len(gzip.compress(json.dumps(all_bands).encode())) <= 40_000


# Markup


@each
def test_a_lab_starts_with_the_settings_of_its_preset(preset):
    found = settings(preset)
    assert found["start"] == {
        **{"lr": preset.lr, "batch": 128, "epochs": 10},
        **{"momentum": 0.0, "decay": 0.0, "data": "digits"},
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
