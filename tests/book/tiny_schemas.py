"""The parameters of the tiny book that the tests build; a copy of this file lies beside its notebooks."""

from lifroles.parameters import NotebookParameters, Schemas, Seeds, field, whole


class Alpha(NotebookParameters):
    """The first page."""

    seeds: Seeds = field([0, 1], "seeds", "a list of distinct whole numbers of at least 0")
    epochs: int | None = whole(None, "epochs", low=1)


class Beta(NotebookParameters):
    """The second page."""

    reads_others = True

    T: int = whole(5, "time steps", low=1, high=100)


SCHEMAS: Schemas = {"alpha": Alpha, "beta": Beta}

FAULTY: Schemas = dict.fromkeys(("dies", "exits", "fine", "raises", "warns"), Beta)
