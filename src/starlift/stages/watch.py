"""Whoever watches long work: is told how far it is, and may wish it to end between two batches."""

from __future__ import annotations


class Watch:
    """Hears nothing and wishes nothing; others do."""

    def __call__(self, stage: str, what: str, rows: int, left: int = 0, /) -> None:
        """Be told that a stage is at a table or batch: rows of it, and rows that the stage has still to do,
        about; 0 where nobody knows."""

    def found(self) -> None:
        """Be told that extract has found something to land, before it reads the rows."""

    def begin(self) -> None:
        """Be told that work of several batches begins: it is worth ending between two, and not within one."""

    def done(self, stage: str, what: str, rows: int, left: int = 0, /) -> None:
        """Be told that a batch of such work is done; otherwise as when it is called."""

    @property
    def wished(self) -> bool:
        """Whether the work is to end when its batch is done. What is left is for the next run."""
        return False

    @property
    def hurried(self) -> bool:
        """Whether time is short: work of which nothing stays where it breaks off is not to be begun."""
        return False

    stopped = False
    """Whether work has ended that way."""

    def ends(self) -> bool:
        """Return whether the work ends here, between two batches."""
        ends = self.wished
        self.stopped = self.stopped or ends
        return ends


UNWATCHED = Watch()
