"""Work of a command that may take long: it tells how far it is, and may be ended between two batches."""

from __future__ import annotations

import time
from contextlib import ExitStack

from starlift.entrypoints.repeat import Interruption
from starlift.entrypoints.terminal import PROGRESS_SECONDS, Progress


class Working(Progress):
    """Tells stderr how far the work of a block is; ends it between two batches when its time is up or, once
    there is work of many batches, when SIGTERM or Ctrl-C wishes it. Work of one batch they end at once:
    nothing of it counts before it is done."""

    def __init__(
        self,
        budget: float | None = None,
        interruption: Interruption | None = None,
        seconds: float = PROGRESS_SECONDS,
    ) -> None:
        """budget: seconds after which to end, None for no limit. interruption: one that hears the signals
        already."""
        super().__init__(seconds)
        self._until = None if budget is None else time.monotonic() + budget
        self._interruption = interruption
        self._stack = ExitStack()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._stack.close()

    def begin(self) -> None:
        """Hear the signals from now on."""
        if self._interruption is None:
            self._interruption = self._stack.enter_context(Interruption())

    @property
    def hurried(self) -> bool:
        """Whether the work has a limit of time."""
        return self._until is not None

    @property
    def wished(self) -> bool:
        """Whether the time is up, or a signal came."""
        late = self._until is not None and time.monotonic() >= self._until
        return late or (self._interruption is not None and self._interruption.wished)
