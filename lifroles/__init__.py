"""The parts of spiking neurons, taken apart: a companion of Yin et al. (2024), arXiv:2403.16674."""

from __future__ import annotations

__version__ = "0.1.0"
