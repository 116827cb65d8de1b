"""The neuron's kernels against SpikingJelly, snnTorch, Norse and a plain torch loop: ``python -m benchmarks.kernels``.

:mod:`~benchmarks.kernels.workloads` says what is computed, :mod:`~benchmarks.kernels.candidates` who computes it,
:mod:`~benchmarks.kernels.measure` takes time and memory, and :mod:`~benchmarks.kernels.floor` counts what no
implementation can do without. The outcome goes to ``results/speed/kernels.json``, from which the book shows it.
"""
