"""The two ways in which this folder says no: to a caller, and to a process that wants to start."""

from __future__ import annotations


class InvalidToken(Exception):  # noqa: N818  a fact about the caller's token, not a defect
    """The token is refused. `str()` is the reason, free of anything the caller sent: for the log only, never for the answer."""


class Misconfigured(Exception):  # noqa: N818  a fact about the installation
    """Keys, a table or a setting are missing or wrong; the process must not start. `str()` names the setting, file or line."""
