"""`baton token …` and `baton secrets`: keys, access tokens and passwords on the terminal; and the operators' commands beside them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from baton import ISSUER

_LIFE = re.compile(r"(\d{1,6})([smh]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}

token_app = typer.Typer(help="Keys and access tokens for a site without an identity provider.", no_args_is_help=True)

Keys = Annotated[Path | None, typer.Option("--keys", help="Folder of the keys; default: keys in the state folder.", show_default=False)]
Issuer = Annotated[str, typer.Option("--issuer", help="Issuer that the tokens name.")]


def default_folder() -> Path:
    """The keys in the state folder: BATON_STATE, or `.baton` in the project's folder."""
    from baton.local import state

    return state.folder_of(None) / "keys"


def seconds_of(life: str) -> int:
    """Seconds in a text like `90s`, `15m`, `2h` or `900`; raises typer.BadParameter for anything else."""
    match = _LIFE.fullmatch(str(life))
    if match is None:
        raise typer.BadParameter("a life is a number with s, m or h: 90s, 15m, 2h")
    return int(match[1]) * _SECONDS[match[2]]


def register(app: typer.Typer) -> None:
    """Adds the commands of this folder."""
    from baton.ops import backbone, parked

    app.add_typer(token_app, name="token")
    app.command("secrets")(make_secrets)
    parked.register(app)
    backbone.register(app)


def make_secrets(
    env: Annotated[
        Path | None, typer.Option("--env", help="Settings of the deployment; default: .env of the project.", show_default=False)
    ] = None,
) -> None:
    """Make what a deployment in containers needs and does not have yet: settings, passwords, keys, profile."""
    from baton.local import state
    from baton.ops import secrets

    made = secrets.make((env or state.project() / ".env").resolve())
    typer.echo("\n".join(f"made {file}" for file in made.new) or f"complete: {made.home}")


@token_app.command()
def keygen(folder: Keys = None) -> None:
    """Make a key pair: key.pem for you alone, public/jwks.json for the services. An existing key stays."""
    from baton.ops import tokens

    where = folder or default_folder()
    tokens.keygen(where)
    typer.echo(f"{where / tokens.KEY}\n{where / tokens.KEY_SET}")


@token_app.command()
def issue(
    *,
    role: Annotated[list[str], typer.Option("--role", help="Role of the caller; may be given more than once.")],
    sub: Annotated[str, typer.Option("--sub", help="Who calls: a person or a system.")],
    aud: Annotated[str, typer.Option("--aud", help="The one service the token is for.")],
    ttl: Annotated[int, typer.Option("--ttl", parser=seconds_of, metavar="LIFE", help="Life, at most 24h: 90s, 15m, 2h.")] = 900,
    folder: Keys = None,
    issuer: Issuer = ISSUER,
) -> None:
    """Print one access token."""
    from baton.local.state import SERVICES
    from baton.ops import tokens

    if aud not in SERVICES:
        raise tokens.TokenError(f"there is no service `{aud}`: choose one of {', '.join(SERVICES)}")
    typer.echo(tokens.issue(folder or default_folder(), issuer=issuer, roles=role, sub=sub, aud=aud, ttl_seconds=ttl))


@token_app.command()
def rotate(
    at_once: Annotated[bool, typer.Option("--at-once", help="Refuse all tokens issued so far: the key has become known.")] = False,
    folder: Keys = None,
) -> None:
    """Sign with a new key from now on; old tokens stay good until they expire."""
    from baton.ops import tokens

    kept = tokens.rotate(folder or default_folder(), at_once=at_once)
    typer.echo(f"a new key signs; {kept} old public key(s) stay for tokens that are still alive")


@token_app.command()
def revoke(
    jti: Annotated[str | None, typer.Option("--jti", help="Id of one token.")] = None,
    sub: Annotated[str | None, typer.Option("--sub", help="Subject whose present tokens all end.")] = None,
    folder: Keys = None,
    issuer: Issuer = ISSUER,
) -> None:
    """Withdraw one token, or all tokens a subject holds now."""
    from baton.ops import tokens

    ended = tokens.revoke(folder or default_folder(), issuer=issuer, jti=jti, sub=sub)
    typer.echo(f"revoked; {ended} living token(s) on record end with it")
