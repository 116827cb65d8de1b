"""Errors whose message is one sentence for a person: what is wrong, and how to mend it."""

from __future__ import annotations


class LifrolesError(Exception):
    """Base of every error that a user can cause and mend.

    The command line prints the message and exits with status 2; a notebook shows the message alone,
    without a traceback (IPython asks an exception for ``_render_traceback_``).
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class ParameterError(LifrolesError):
    """A notebook parameter is unknown, of the wrong type or out of range."""


class SpecError(LifrolesError):
    """A run specification or variant cannot be what it says."""


class DataError(LifrolesError):
    """A data set is missing, incomplete or not what its checksum says."""


class StoreError(LifrolesError):
    """A run directory is damaged, or cannot be written."""


class TrainingError(LifrolesError):
    """A run cannot go on, for example because its loss is no longer a number."""


class BookError(LifrolesError):
    """The book cannot be built, or must not be published."""
