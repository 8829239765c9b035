"""The one error of this folder."""

from baton import CommandError


class LocalError(CommandError):
    """Something that running on this machine needs is missing, taken or broken; the message says what to do."""
