"""What is written where: the answer to stdout, errors and progress to stderr."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from starlift.entrypoints.answers import Answer, age, error_text, rows
from starlift.stages.watch import Watch

PROGRESS_SECONDS = 5.0
"""Work that is done sooner shows no progress, and a line follows the last one no sooner."""


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a text at once, to stdout if nothing else is said. Where whoever reads a pipe has seen enough
    (`head`, `less`), this and all that follows is dropped."""
    target = sys.stdout if stream is None else stream
    try:
        print(text, file=target, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), target.fileno())


def tell(text: str) -> None:
    """Print a text to stderr, as `say` does."""
    say(text, sys.stderr)


def make_printable() -> None:
    """Let a terminal that cannot show a character see its code instead."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def print_answer(answer: Answer, *, as_json: bool) -> None:
    """Print an answer: to stdout one JSON object or the text, to stderr the errors, each once."""
    if as_json and answer.document is not None:
        say(answer.json())
    elif not as_json and answer.text:
        say(answer.text)
    for text in dict.fromkeys(map(error_text, answer.errors)):
        tell(text)


class Pace:
    """How soon a stage's rows are done, from those it has done since it was first told of."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: dict[str, tuple[float, int]] = {}

    def left(self, stage: str, rows_left: int) -> str:
        """Return what is left as words, nothing where nobody knows."""
        if not rows_left:
            return ""
        now = self._clock()
        began, at_first = self._first.setdefault(stage, (now, rows_left))
        done = at_first - rows_left
        words = f", about {rows_left:,} to go"
        return f"{words}, {age((now - began) * rows_left / done)} left" if done > 0 else words


class Progress(Watch):
    """Tells stderr every few seconds of a block what the work is at, if there is anything new to tell.

    A thread tells, not the work: that may be at one thing for minutes.
    """

    def __init__(self, seconds: float = PROGRESS_SECONDS) -> None:
        self._seconds = seconds
        self._pace = Pace()
        self._news: str | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tell_on, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def __call__(self, stage: str, what: str, count: int, left: int = 0, /) -> None:
        """Take note that a stage is at so many rows of a table or batch, and has about so many left."""
        self._news = f"{stage} {what}: {rows(count)}{self._pace.left(stage, left)}"

    def done(self, stage: str, what: str, count: int, left: int = 0, /) -> None:
        """Tell at once that a stage is done with a batch of many."""
        self._news = None
        tell(f"{stage} {what}: {rows(count)}, done{self._pace.left(stage, left)}")

    def _tell_on(self) -> None:
        while not self._done.wait(self._seconds):
            news, self._news = self._news, None
            if news:
                tell(news)
