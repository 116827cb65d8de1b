"""Figures of the speech stand-in: a word on its way through the ear, and its spikes beside those of real speech."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lifroles.figures.style import INK, figure, style
from lifroles.standins.likeness import Picture, Statistics

Array = np.ndarray[Any, Any]

# Sky blue and orange of Okabe and Ito's set, which are legible on light and dark paper.
SOUND, SPIKES = "#56B4E9", "#E69F00"
COLUMNS = 400
"""Columns that an image over time is drawn with."""


def _image(ax: Axes, density: Array, colour: str, seconds: float) -> None:
    """Draw ``[channels, columns]`` of values from 0 to 1 as the opacity of one colour, the first channel on top."""
    image = np.empty((*density.shape, 4))
    image[..., :3] = to_rgb(colour)
    image[..., 3] = density.clip(0, 1)
    ax.imshow(image, aspect="auto", interpolation="none", extent=(0, seconds, density.shape[0], 0))


def _averaged(values: Array, columns: int, pool: int) -> Array:
    """Return ``[channels, steps]`` averaged over time and over ``pool`` channels: ``[channels / pool, columns]``."""
    edges = np.linspace(0, values.shape[1], columns + 1).astype(np.int64)[:-1]
    sums = np.add.reduceat(values, edges, axis=1) / np.diff(np.append(edges, values.shape[1]))
    return sums.reshape(-1, pool, columns).mean(1)


def word(picture: Picture) -> Figure:
    """Draw a word's sound, the membrane's velocity, the hair cells' release and the spikes, one below the other."""
    heard = picture.heard
    assert heard.membrane is not None and heard.release is not None
    seconds = len(picture.audio) / picture.rate
    channels = len(heard.membrane)
    pool = next(n for n in (5, 4, 3, 2, 1) if channels % n == 0)
    with style():
        fig, axes = figure(
            4,
            560,
            f"The spoken word {picture.said.text.rstrip('?!')} in four panels over time: its sound, the velocity of "
            "the basilar membrane, the release of the hair cells, and the spikes of the bushy cells, channel by "
            "channel from high tones above to low tones below.",
            ratios=(0.7, 1, 1, 1),
            sharex=True,
        )
        sound, membrane, release, spikes = axes
        sound.plot(np.arange(len(picture.audio)) / picture.rate, picture.audio / np.abs(picture.audio).max(), lw=0.5)
        sound.lines[0].set(color=SOUND, rasterized=True)
        sound.set_title(f"sound: “{picture.said.text.rstrip('?!')}”")
        sound.set_yticks([])
        loud = np.sqrt(_averaged(heard.membrane.astype(np.float64) ** 2, COLUMNS, pool))
        # A logarithmic scale of 60 dB, as the ear has one.
        _image(membrane, 1 + np.log10(np.maximum(loud / loud.max(), 1e-3)) / 3, SOUND, seconds)
        membrane.set_title("basilar membrane: velocity, 60 dB from blank to full")
        # Above what they release in silence, with which the recording begins.
        rate = _averaged(heard.release - heard.release[:, :1], COLUMNS, pool)
        _image(release, np.sqrt(rate.clip(0) / rate.max()), SOUND, seconds)
        release.set_title("hair cells: release above rest, square root")
        draw_raster(spikes, heard.times, heard.units, channels, seconds)
        spikes.set_title(f"bushy cells: {len(heard.times):,} spikes")
        spikes.set_xlabel("time (s)")
        for ax in (membrane, release):
            ax.set_yticks([0, channels // pool], ["0", str(channels)])
            ax.set_ylabel("channel")
        sound.set_xlim(0, seconds)
        return fig


def draw_raster(ax: Axes, times: Array, units: Array, channels: int, seconds: float) -> None:
    """Draw spikes over time, the first channel on top.

    Arguments:
        times: of the spikes, s.
        units: their channels.
        channels: how many there are.
        seconds: length of what is drawn.
    """
    _image(ax, _raster(times, units, channels, seconds), SPIKES, seconds)
    ax.set_yticks([0, channels], ["0", str(channels)])
    ax.set_ylabel("channel")


def _raster(times: Array, units: Array, channels: int, seconds: float) -> Array:
    """Return where there is a spike, ``[channels, COLUMNS]``; each is five channels high, to be seen."""
    grid = np.zeros((channels + 4, COLUMNS))
    at = (times / seconds * COLUMNS).astype(np.int64).clip(0, COLUMNS - 1)
    for shift in range(5):
        grid[units + shift, at] = 1
    return grid[2:-2]


def channels(sets: Mapping[str, Statistics]) -> Figure:
    """Draw the mean number of spikes of every channel and of every 50 ms, for two sets."""
    with style():
        fig, (across, along) = figure(
            2,
            400,
            f"Mean number of spikes for every channel, and for every 50 ms of a sample: {' and '.join(sets)}.",
        )
        for (name, one), c, line in zip(sets.items(), (INK, SPIKES), ("-", (0, (4, 1.5))), strict=True):
            smooth = one.channel[: len(one.channel) // 10 * 10].reshape(-1, 10).mean(1)
            across.plot(np.arange(len(smooth)) * 10 + 5, smooth, color=c, linestyle=line, label=name)
            along.plot(np.arange(len(one.profile)) * 0.05 + 0.025, one.profile, color=c, linestyle=line, label=name)
        across.set_title("spikes a sample in each channel")
        across.set_xlabel("channel (mean of ten)")
        across.legend(frameon=False, fontsize=10)
        along.set_title("spikes a sample in each 50 ms")
        along.set_xlabel("time (s)")
        for ax in (across, along):
            ax.set_ylim(bottom=0)
        return fig
