"""Learning curves as small SVG drawings: a page for every run must not cost a second of plotting each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 64, 12, 36
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round shares from at or below ``low`` to at or above ``high``, at most ``most`` steps apart."""
    step = next((s for s in _STEPS if (high - low) / s <= most), _STEPS[-1])
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 6) for i in range(first, max(last, first + 1) + 1)]


def learning(train: Sequence[float], test: Sequence[float], chance: float, label: str) -> str:
    """Return accuracies ``[epochs]`` in [0, 1] as an SVG element in the page's own colours.

    Arguments:
        train: on the training samples, dashed.
        test: on the test samples.
        chance: drawn as a dotted line where the curves come near it.
        label: what it shows, for those who cannot see it.
    """
    values = [*train, *test]
    marks = ticks(min(values), max(values))
    low, high = marks[0], marks[-1]
    epochs = len(test)

    def x(epoch: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * ((epoch - 1) / (epochs - 1) if epochs > 1 else 0.5)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)

    def text(at_x: float, at_y: float, words: str, anchor: str = "middle") -> str:
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}" font-size="12">{escape(words)}</text>'

    def line(points: Sequence[tuple[float, float]], style: str) -> str:
        return f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" fill="none" {style}/>'

    parts = []
    for mark in marks:
        parts.append(line([(_LEFT, y(mark)), (WIDTH - _RIGHT, y(mark))], 'stroke="currentColor" opacity="0.15"'))
        parts.append(text(_LEFT - 6, y(mark) + 4, f"{100 * mark:g}", "end"))
    shown = sorted({1, *(round(epochs * part / 4) for part in (1, 2, 3, 4))} - {0})
    parts += [text(x(epoch), HEIGHT - _BOTTOM + 16, str(epoch)) for epoch in shown]
    parts.append(text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 4, "epoch"))
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    turned = f'transform="translate(12 {middle:.0f}) rotate(-90)"'
    parts.append(f'<text {turned} text-anchor="middle" font-size="12">accuracy, %</text>')
    if low <= chance <= high:
        parts.append(
            line([(_LEFT, y(chance)), (WIDTH - _RIGHT, y(chance))], 'stroke="currentColor" stroke-dasharray="2 4"')
        )
        parts.append(text(WIDTH - _RIGHT + 6, y(chance) + 4, "chance", "start"))
    ends = {
        "train": (train, 'stroke="#d55e00" stroke-width="2" stroke-dasharray="6 3"'),
        "test": (test, 'stroke="#0072b2" stroke-width="2"'),
    }
    for curve, style in ends.values():
        points = [(x(i), y(value)) for i, value in enumerate(curve, start=1)]
        dot = f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="4" {style}/>'
        parts.append(line(points, style) if epochs > 1 else dot)
    for name, place in zip(ends, _apart(y(train[-1]), y(test[-1])), strict=True):
        parts.append(text(WIDTH - _RIGHT + 6, place + 4, name, "start"))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}" fill="currentColor">'
        f"<title>{escape(label)}</title>{''.join(parts)}</svg>"
    )


def _apart(one: float, other: float, least: float = 14) -> tuple[float, float]:
    """Return two heights of text, moved apart where they would overlap."""
    gap = least - abs(one - other)
    if gap <= 0:
        return one, other
    return (one - gap / 2, other + gap / 2) if one < other else (one + gap / 2, other - gap / 2)
