"""The one exception for anything a user can put right: a bad file, a bad option, a damaged artifact.

Its message is one sentence that quotes the bad value and says what would be right. The command line prints it and
ends with exit code 2; the API answers with a 4xx or 503. Every other exception is a bug and keeps its stack trace.
"""

from __future__ import annotations


class InputError(ValueError):
    """Bad input, with a message meant to be read by the person who gave it."""


class UnavailableError(InputError):
    """A service can't do this now and its operator can put it right; the message says how."""

    code = "unavailable"  # for programs
