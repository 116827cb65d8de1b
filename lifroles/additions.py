"""Things that have names, such as benchmarks and probes: the package's own, and those that its users add."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from lifroles.errors import SpecError

T = TypeVar("T")


class Named(Mapping[str, T], Generic[T]):
    """The things of one kind by name. Those of the package stay what they are, because records name them.

    What a user adds is known to the process that added it. A record holds its name and not its code: give it another
    name when it changes.

    Arguments:
        kind: what they are, for messages.
        own: the package's, by name.
    """

    def __init__(self, kind: str, own: Mapping[str, T]) -> None:
        self._kind = kind
        self._own = frozenset(own)
        self._all = dict(own)

    def __getitem__(self, name: str) -> T:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def find(self, name: str) -> T:
        """Return the thing of this name.

        Raises:
            SpecError: there is none.
        """
        if name not in self._all:
            raise SpecError(f"{self._kind} is {name!r}: give one of {', '.join(self._all)}.")
        return self._all[name]

    def add(self, name: str, thing: T) -> None:
        """Add a thing, or replace one that was added before.

        Raises:
            SpecError: the name is one of the package's, or no name for a folder.
        """
        if name in self._own:
            raise SpecError(f"{self._kind} {name!r} is the package's own: give yours another name.")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise SpecError(f"{self._kind} is {name!r}: name it by small letters, digits and underscores.")
        self._all[name] = thing

    def forget(self, name: str) -> None:
        """Take away what was added under this name; the package's own stay.

        Raises:
            SpecError: nothing was added under it.
        """
        if name in self._own or name not in self._all:
            raise SpecError(f"No {self._kind} {name!r} was added.")
        del self._all[name]
