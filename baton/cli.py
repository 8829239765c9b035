"""The command line `baton`. Each folder beside this file adds its own commands by `commands.register(app)`."""

import importlib
import importlib.util
import sys

import typer

from baton import CommandError

FOLDERS = ("local", "importer", "report", "world", "ops")


def build() -> typer.Typer:
    """The command line with the commands of every folder that is installed."""
    app = typer.Typer(
        name="baton",
        help="From lead to delivery: run the four services on this machine and work with them.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for folder in FOLDERS:
        name = f"baton.{folder}.commands"
        if importlib.util.find_spec(f"baton.{folder}") and importlib.util.find_spec(name):
            importlib.import_module(name).register(app)
    return app


def main() -> None:
    """Run the command line: a `CommandError` becomes one line on standard error and its exit code."""
    try:
        build()()
    except CommandError as error:
        print(f"baton: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
