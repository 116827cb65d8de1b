"""The figures of the book: one function a figure, one style, from traces and records; nothing is computed here."""

from __future__ import annotations

from lifroles.figures.display import COMPUTED, Display, card, command, show, svg

__all__ = ["COMPUTED", "Display", "card", "command", "show", "svg"]
