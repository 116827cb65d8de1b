"""A drawn person: trunk, head and two arms whose hands are led along paths.

Lengths are in arms (from shoulder to wrist), x to the right of the picture, y down, z towards the camera. A picture is
made of rounded limbs, each wider or narrower towards one end, drawn over one another from far to near.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lifroles.standins.camera import Array

SIDES = (-1, 1)
"""The person's right arm, at the left of the picture, then the left one."""

UPPER = 0.52
"""The upper arm's share of the arm; the forearm has the rest."""

_EDGE = 1.6  # pixels over which a limb's edge blurs
_ROUND = 0.35  # how much darker a limb is at its edge than in its middle
_DISTANCE = 7.0  # of the camera, in arms


@dataclass(frozen=True, slots=True)
class Body:
    """One person, as the camera sees them.

    Arguments:
        arm: pixels.
        x, y: of the point between the shoulders, pixels.
        shoulders: half their distance, arms.
        thickness: radius of the arms, arms.
        trunk: half the trunk's width, arms.
        head: its radius, arms.
        skin, sleeve, shirt: share of the light that each throws back.
    """

    arm: float
    x: float
    y: float
    shoulders: float
    thickness: float
    trunk: float
    head: float
    skin: float
    sleeve: float
    shirt: float


def elbows(hands: Array, pole: Array) -> Array:
    """Return where the elbows are, ``[F, 3]``, when the shoulder is at 0 and the hands ``[F, 3]`` are within reach.

    Two lengths leave a circle; the elbow is where it lies furthest towards ``pole``.
    """
    fore = 1 - UPPER
    reach = np.linalg.norm(hands, axis=1, keepdims=True)
    along = hands / reach
    lot = (UPPER**2 - fore**2 + reach**2) / (2 * reach)
    side = pole - (pole * along).sum(1, keepdims=True) * along
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    return lot * along + np.sqrt(np.maximum(UPPER**2 - lot**2, 0)) * side


def within_reach(hands: Array) -> Array:
    """Return hands ``[F, 3]`` brought to where an arm with its shoulder at 0 can hold them."""
    reach = np.linalg.norm(hands, axis=1, keepdims=True)
    return hands * (np.clip(reach, 0.15, 0.98) / np.maximum(reach, 1e-9))


def limbs(body: Body, hands: Array, poles: Array, sway: Array) -> Array:
    """Return the limbs of every picture in the order of drawing, ``[F, 10, 7]``.

    Arguments:
        hands: relative to their shoulders ``[2, F, 3]``, arms.
        poles: where each elbow points ``[2, 3]``.
        sway: of the trunk ``[F, 2]``, arms.

    Returns:
        of each limb x, y and radius of both ends in pixels, and the share of light that it throws back.
    """
    frames = hands.shape[1]
    neck = np.zeros((frames, 3))
    neck[:, :2] = sway

    def limb(start: Array, first: float, end: Array, last: float, albedo: float) -> Array:
        ends = []
        for point, radius in ((start, first), (end, last)):
            near = body.arm * _DISTANCE / (_DISTANCE - point[:, 2:])
            ends += [body.x + near * point[:, :1], body.y + near * point[:, 1:2], near * radius]
        return np.concatenate([*ends, np.full((frames, 1), albedo)], axis=1)

    def away(x: float, y: float) -> Array:
        return neck + np.array([x, y, 0.0])

    parts = [
        limb(away(0, 0.35), body.trunk, neck * 0.5 + np.array([0, 2.2, 0]), 0.9 * body.trunk, body.shirt),
        limb(away(-body.shoulders, 0.04), 0.12, away(body.shoulders, 0.04), 0.12, body.shirt),
        limb(away(0, -0.42), body.head, away(0, -0.5), 0.92 * body.head, body.skin),
    ]
    arms = []
    for side, hand, pole in zip(SIDES, hands, poles, strict=True):
        shoulder = away(side * body.shoulders, 0.04)
        elbow = elbows(hand, pole)
        wide, narrow = body.thickness, 0.75 * body.thickness
        tip = hand + 0.16 * (hand - elbow) / (1 - UPPER)
        arms.append(
            [
                limb(shoulder, wide, shoulder + elbow, 0.9 * wide, body.shirt),
                limb(shoulder + elbow, 0.9 * wide, shoulder + hand, narrow, body.sleeve),
                limb(shoulder + hand, 1.05 * narrow, shoulder + tip, 0.85 * narrow, body.skin),
            ]
        )
    # The arm whose hand is nearer to the camera is drawn last.
    right_first = (hands[0, :, 2] < hands[1, :, 2])[:, None]
    parts += [np.where(right_first, right, left) for right, left in zip(*arms, strict=True)]
    parts += [np.where(right_first, left, right) for right, left in zip(*arms, strict=True)]
    # The trunk reaches the picture's lower edge; the third limb is the head.
    return np.stack(parts, axis=1)


def draw(parts: Array, ground: Array, light: Array, film: Array) -> None:
    """Fill ``film`` ``[F, H, W]``, float32, with the logarithm of the intensity.

    Arguments:
        parts: limbs ``[F, P, 7]``, see :func:`limbs`.
        ground: intensity of what stands behind ``[H, W]``.
        light: intensity that falls onto each point ``[H, W]``.
    """
    _draw()(np.ascontiguousarray(parts), ground, np.log(ground).astype(np.float32), light, film)


@cache
def _draw() -> Callable[..., None]:
    """Return ``loop(parts, ground, log_ground, light, film)``."""

    from lifroles.events import compiled  # needs torch

    def loop(parts: Any, ground: Any, log_ground: Any, light: Any, film: Any) -> None:
        height, width = ground.shape
        picture = ground.copy()
        first = np.empty(height, np.int64)  # of each line, where limbs begin and end
        last = np.empty(height, np.int64)
        for f in range(film.shape[0]):
            for y in range(height):
                first[y], last[y] = width, 0
                for x in range(width):
                    film[f, y, x] = log_ground[y, x]
            for k in range(parts.shape[1]):
                x0, y0, r0 = parts[f, k, 0], parts[f, k, 1], parts[f, k, 2]
                x1, y1, r1 = parts[f, k, 3], parts[f, k, 4], parts[f, k, 5]
                albedo = parts[f, k, 6]
                dx, dy = x1 - x0, y1 - y0
                scale = 1 / max(dx * dx + dy * dy, 1e-9)
                reach = max(r0, r1) + _EDGE
                left, right = int(max(min(x0, x1) - reach, 0)), int(min(max(x0, x1) + reach + 2, width))
                for y in range(int(max(min(y0, y1) - reach, 0)), int(min(max(y0, y1) + reach + 2, height))):
                    first[y], last[y] = min(first[y], left), max(last[y], right)
                    for x in range(left, right):
                        s = min(max(((x - x0) * dx + (y - y0) * dy) * scale, 0.0), 1.0)
                        ex, ey = x - x0 - s * dx, y - y0 - s * dy
                        far = ex * ex + ey * ey
                        radius = r0 + s * (r1 - r0)
                        edge = radius + _EDGE / 2
                        if far < edge * edge:
                            cover = min(0.5 - (math.sqrt(far) - radius) / _EDGE, 1.0)
                            colour = albedo * light[y, x] * (1 - _ROUND * min(far / (radius * radius), 1.0))
                            picture[y, x] += cover * (colour - picture[y, x])
            for y in range(height):
                for x in range(first[y], last[y]):
                    if picture[y, x] != ground[y, x]:
                        film[f, y, x] = math.log(picture[y, x])
                        picture[y, x] = ground[y, x]

    return compiled(loop)
