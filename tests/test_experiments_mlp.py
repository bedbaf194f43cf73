"""The experiments of chapters 6 and 11: which runs they name, and whose arm each run is."""

import pytest
from tables import arranged, run_rows

from bnbook import chapters
from bnbook.chapters.bad_starts.experiments import SCALES
from bnbook.chapters.dropout.experiments import NOISE_BATCHES
from bnbook.experiment import TUNING_SEEDS
from bnbook.run import Run

NOTHING = arranged(run_rows(Run(), "none", [0.1]), ["none"]).iloc[:0]


def tuned_records(experiment, best):
    """Tuning runs of which the one at `best(run)`, a learning rate, has the highest accuracy."""
    rows = []
    for run in experiment.runs(NOTHING):
        if run.seed in TUNING_SEEDS:
            final = 0.95 if run.lr == best(run) else 0.93
            rows += run_rows(run, experiment.arm_of(run), [0.1, final])
    return arranged(rows, experiment.arms)


@pytest.mark.parametrize("name", ["dropout", "dropout-few-images", "batch-noise"])
def test_fresh_seeds_run_at_a_nets_own_best_rate_at_each_batch_size(name):
    experiment = chapters.experiment(name)

    def best(run):
        return 0.003 if run.normed == (run.batch_size < 100) else 0.0003

    frame = tuned_records(experiment, best)
    first, then = experiment.runs(NOTHING), experiment.runs(frame)
    added = [run for run in then if run not in first]
    sizes = {run.batch_size for run in first}
    assert len(added) == 5 * len(experiment.arms) * len(sizes)
    assert all(run.lr == best(run) for run in added)
    assert not {run.seed for run in added} & set(TUNING_SEEDS)


def test_noise_is_measured_at_each_of_its_batch_sizes():
    runs = chapters.experiment("batch-noise").runs(NOTHING)
    assert {run.batch_size for run in runs} == set(NOISE_BATCHES)


def test_the_nets_of_batch_noise_are_those_of_few_images():
    noise, few = (chapters.experiment(name) for name in ("batch-noise", "dropout-few-images"))
    assert set(noise.arms.values()) < set(few.arms.values())


def test_the_map_of_starts_crosses_scales_with_rates_for_every_arm():
    experiment = chapters.experiment("start-map")
    runs = experiment.runs(NOTHING)
    for name in experiment.arms:
        mine = [run for run in runs if experiment.arm_of(run) == name]
        rates, seeds = ({getattr(run, field) for run in mine} for field in ("lr", "seed"))
        assert {(run.init_scale, run.lr, run.seed) for run in mine} == {
            (scale, lr, seed) for scale in SCALES for lr in rates for seed in seeds
        }
        assert len(seeds) >= 5
        # The post's own start lies on the map.
        assert (name.startswith("SGD")) or 0.01 in rates


def test_bad_starts_follow_the_post():
    plain = chapters.experiment("bad-starts").arms["without BN"]
    assert (plain.lr, plain.batch_size, plain.init_scale) == (0.01, 256, 1.0)
    assert plain.epochs * plain.epoch_steps == 1000
