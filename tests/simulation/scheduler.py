"""Who goes on next, and who dies: runs are greenlets that stop at every call of a port.

All chance comes from one generator, so that a seed tells a history whole.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from greenlet import getcurrent, greenlet

from starlift.errors import StarliftError, UnavailableError

WELL, LOST = "well", "unavailable"
MINOR = 0.7
"""Share of the minor points that are passed by."""


class Killed(BaseException):
    """The process is gone."""


class Violation(Exception):
    """The pipeline broke its promise."""


@dataclass(eq=False)
class Process:
    """A run of the pipeline. kind: which command it is."""

    name: str
    kind: str
    work: Callable[[Process], None]
    at: str = "start"
    dead: bool = False
    done: bool = False
    error: BaseException | None = None
    body: greenlet | None = None


@dataclass
class Faults:
    """How often what goes wrong, at each point: shares of one."""

    kill: float = 0.0
    unavailable: float = 0.0


class Scheduler:
    """Runs processes one at a time, from point to point."""

    def __init__(self, random: Random, trace: list[str] | None = None) -> None:
        self.random = random
        self.faults = Faults()
        self.trace = trace
        self.processes: list[Process] = []
        self.current: Process | None = None
        self.last: Process | None = None
        self.happened: Counter[str] = Counter()
        self.steps = 0
        self._hub = getcurrent()

    def tell(self, text: str) -> None:
        """Note what happens, for who replays a history."""
        if self.trace is not None:
            self.trace.append(f"{self.steps:5} {text}")

    def start(self, name: str, kind: str, work: Callable[[Process], None]) -> Process:
        """Start a process; it does nothing yet."""
        process = Process(name, kind, work)
        process.body = greenlet(lambda: self._live(process), self._hub)
        self.processes.append(process)
        self.tell(f"{name} starts: {kind}")
        return process

    def _live(self, process: Process) -> None:
        try:
            process.work(process)
        except Killed:
            self.tell(f"{process.name} was killed at {process.at}")
        except StarliftError as error:
            process.error = error
        except Violation as error:
            process.error = error
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault of the pipeline
            text = "".join(traceback.format_exception(error))
            process.error = Violation(f"unforeseen in {process.name} ({process.kind}): {text}")
        process.done = True

    def point(self, what: str, *, fails: bool = True, minor: bool = False) -> None:
        """Stop here, until the scheduler lets this process go on, or ends it. fails: it may be told that what
        it asks, or has asked, is unavailable. minor: there are so many of these that most are passed by."""
        process = self.current
        if process is None:
            return
        if process.dead:
            raise Killed
        if minor and self.random.random() < MINOR:
            return
        process.at = what
        fate = self._hub.switch()
        if fate == LOST and fails:
            self.happened["unavailable"] += 1
            self.tell(f"{process.name} is told that {what} is unavailable")
            raise UnavailableError(f"{what}: no answer", "starlift run")

    def resume(self, process: Process) -> None:
        """Let a process go on to its next point; it may be killed there, or fail."""
        self.steps += 1
        self.current = self.last = process
        assert process.body is not None
        chance = self.random.random()
        if chance < self.faults.kill and process.at != "start":
            self.kill(process)
            return
        fate = LOST if chance < self.faults.kill + self.faults.unavailable else WELL
        if self.trace is not None:
            self.tell(f"{process.name} {process.at}")
        process.body.switch(fate) if process.at != "start" else process.body.switch()
        self._after(process)

    def kill(self, process: Process) -> None:
        """End a process where it stands."""
        assert process.body is not None
        self.happened["killed"] += 1
        self.current = process
        process.dead = True
        if process.at == "start":
            process.done = True
        else:
            process.body.throw(Killed)
        self._after(process)

    def _after(self, process: Process) -> None:
        self.current = None
        if process.done:
            self.processes.remove(process)
            if process.error is not None:
                self.tell(f"{process.name} ends: {process.error!r}")
            if isinstance(process.error, Violation):
                raise process.error

    def end(self) -> None:
        """Kill whatever still runs, so that nothing is left behind."""
        for process in list(self.processes):
            process.dead = True
            self.current = process
            if process.body is not None and process.at != "start" and not process.done:
                process.body.throw(Killed)
        self.processes.clear()
        self.current = None


@dataclass
class Lock:
    """A lock of the warehouse. holder: a process, or what is left of one that was killed; ghost: until which
    step that holds it."""

    holder: Process | None = None
    ghost: int = field(default=0)
