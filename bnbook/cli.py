"""The `bnbook` command."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bnbook import data, experiments, site, store, sweep
from bnbook.errors import BookError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 2 for what the user can mend, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except BookError as error:
        print(f"bnbook: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bnbook: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output left, as `head` does; nothing is wrong on this side.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bnbook", description="The Batch Norm Exercise Book.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    render = commands.add_parser("render", help="execute the chapters and build the site")
    render.add_argument("--output", type=Path, default=Path("_site"), help="folder of the site")
    render.add_argument("--stage", action="store_true", help="only copy what is to be executed")
    render.set_defaults(run=_render)

    serve = commands.add_parser("serve", help="serve the built site on this machine")
    serve.add_argument("--output", type=Path, default=Path("_site"), help="folder of the site")
    serve.add_argument("--port", type=int, default=8000)
    serve.set_defaults(run=lambda options: site.serve(options.output, options.port))

    sweeping = commands.add_parser("sweep", help="run what is missing of an experiment")
    what = sweeping.add_mutually_exclusive_group(required=True)
    what.add_argument("experiment", nargs="?", help="its name")
    what.add_argument("--all", action="store_true", help="every experiment")
    what.add_argument("--list", action="store_true", help="name the experiments")
    sweeping.add_argument("--workers", type=int, help="processes (default: one per core)")
    sweeping.set_defaults(run=_sweep)

    sets = commands.add_parser("data", help="fetch a data set and say where it is")
    sets.add_argument("name", help=", ".join(data.SOURCES))
    sets.set_defaults(run=lambda options: print(data.describe(options.name)))
    return parser


def _render(options: argparse.Namespace) -> None:
    if options.stage:
        site.stage(Path.cwd())
    else:
        site.render(Path.cwd(), options.output)


def _sweep(options: argparse.Namespace) -> None:
    if options.list:
        for experiment in experiments.EXPERIMENTS.values():
            print(f"{experiment.name:16} chapter {experiment.chapter}: {experiment.question}")
        return
    chosen = (
        list(experiments.EXPERIMENTS.values())
        if options.all
        else [experiments.find(options.experiment)]
    )
    sweep.check_workers(options.workers)
    for experiment in chosen:
        new = sweep.sweep(experiment, options.workers)
        print(f"{experiment.name}: {new} new runs, all in {store.table_path(experiment.name)}")


if __name__ == "__main__":
    sys.exit(main())
