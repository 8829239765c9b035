"""The `baton` command: a client of the four services like any other, and what runs them on one machine."""

PROFILE = "profile.json"
"""The file of a state folder that tells clients where the services are."""

ISSUER = "https://baton.local"
"""Who signs tokens where Baton has keys of its own."""


class CommandError(Exception):
    """A command could not do what it was asked: the message says what was missing and what to do about it."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
