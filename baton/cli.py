"""The command line `baton`. Each folder beside this file adds its own commands by `commands.register(app)`."""

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from baton import PROFILE, CommandError
from baton.local import state

LOCAL = "local"
FOLDERS = ("local", "importer", "report", "world", "ops")
PROFILE_MAKERS = frozenset({"secrets"})
"""Commands that work before the profile they make is there."""
STATE_NAMED = "baton.state_named"


class Commands(TyperGroup):
    """Remembers for `choose_profile`, which runs before a command reads its options, whether they name a state folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[STATE_NAMED] = any(each.partition("=")[0] == "--state" for each in args)
        return super().parse_args(ctx, args)


def build() -> typer.Typer:
    """The command line with the commands of every folder that is installed."""
    app = typer.Typer(
        name="baton",
        cls=Commands,
        help="From lead to delivery: run the four services on this machine and work with them.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(choose_profile)
    for folder in FOLDERS:
        name = f"baton.{folder}.commands"
        if importlib.util.find_spec(f"baton.{folder}") and importlib.util.find_spec(name):
            importlib.import_module(name).register(app)
    return app


def choose_profile(
    ctx: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option("--profile", help="Which Baton: local (.baton of the project), or NAME: .baton-NAME. Also BATON_PROFILE."),
    ] = None,
) -> None:
    """From lead to delivery: run the four services on this machine, or work with those of another place."""
    if profile is not None and ctx.meta.get(STATE_NAMED):
        raise CommandError("--profile and --state both say which Baton is meant: give one of them")
    if ctx.invoked_subcommand not in PROFILE_MAKERS:
        named = chosen(profile, state_named=bool(ctx.meta.get(STATE_NAMED)), environ=os.environ)
        if named is not None:
            os.environ["BATON_STATE"] = str(folder_of(named, state.project() / ".baton"))


def chosen(option: str | None, *, state_named: bool, environ: Mapping[str, str]) -> str | None:
    """The profile that is meant, None where a state folder is named instead: the option, else --state, BATON_STATE, BATON_PROFILE."""
    if option is not None:
        return option
    return None if state_named or environ.get("BATON_STATE") else environ.get("BATON_PROFILE") or None


def folder_of(profile: str, local: Path) -> Path:
    """The state folder of a profile, beside that of this machine. CommandError, naming those that exist, for one that does not."""
    folder = local if profile == LOCAL else local.parent / f"{local.name}-{profile}"
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*", profile) and (profile == LOCAL or (folder / PROFILE).exists()):
        return folder
    found = sorted(file.parent.name.removeprefix(f"{local.name}-") for file in local.parent.glob(f"{local.name}-*/{PROFILE}"))
    raise CommandError(f"there is no profile `{profile}` (no {folder / PROFILE}); those that exist: {', '.join([LOCAL, *found])}")


def main() -> None:
    """Run the command line: a `CommandError` becomes one line on standard error and its exit code."""
    try:
        build()()
    except CommandError as error:
        print(f"baton: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
