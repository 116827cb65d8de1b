"""What the benchmarks' data are: one sample of each, the stand-ins beside what they stand for, and what data cost.

``python -m lifroles.survey`` measures all this where the real data lie and keeps it in ``results/data``, so that the
book's page on data is made without any of them. :mod:`~lifroles.survey.samples`, :mod:`~lifroles.survey.likeness`,
:mod:`~lifroles.survey.learnable` and :mod:`~lifroles.survey.times` measure; :mod:`~lifroles.survey.record` keeps;
:mod:`~lifroles.survey.page` shows.
"""
