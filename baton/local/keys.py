"""The keys of local tokens, looked at before anything starts: a service that cannot read them would refuse every caller."""

import json
from collections.abc import Callable

from baton.local import state
from baton.local.errors import LocalError


def check(kept: state.State) -> None:
    """Raises LocalError naming a damaged file and what its removal costs. What is missing is made by the start itself."""
    from baton.ops import tokens

    parts: dict[str, tuple[Callable[[bytes], object], str]] = {
        tokens.KEY: (tokens.parse_key, "a new one is made, and tokens of the old one hold until they expire"),
        tokens.KEY_SET: (lambda content: [key["kid"] for key in json.loads(content)["keys"]], "it is made anew from the key"),
        tokens.REVOKED: (lambda content: [entry["issuer"] for entry in json.loads(content)["revoked"]], "tokens revoked so far hold again"),
    }
    for name, (read, price) in parts.items():
        file = kept.keys / name
        try:
            read(file.read_bytes())
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError):
            raise LocalError(f"{file} is damaged: restore it from a copy, or remove it and run `baton up` again ({price})") from None
