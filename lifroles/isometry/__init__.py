"""The page on threshold-dependent batch normalisation: isometry before and after training, and the cost of a step.

:mod:`~lifroles.isometry.initial` measures networks that have learned nothing, and ``python -m lifroles.isometry`` keeps
what it finds; what trained runs do is the probe :mod:`lifroles.probes.isometry`. :mod:`~lifroles.isometry.page` shows
both, and the record of ``python -m benchmarks.resnet``.
"""
