"""How fast the kernels are: the record of the speed comparison, as tables and in words, for the book."""

from lifroles.speed.record import COMMAND, OURS, elsewhere, layers, networks, path, read, series, size, slope, standing

__all__ = ["COMMAND", "OURS", "elsewhere", "layers", "networks", "path", "read", "series", "size", "slope", "standing"]
