"""Puts something else in the place of a part of the pipeline, for a block: a breakage, or a quicker codec.

This is no mock: what is put in does what the part did, or breaks it on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def swapped(*parts: tuple[object, str, object]) -> Iterator[None]:
    """Put each thing in the place of what a module or class has under a name, for a block."""
    before = [(where, name, vars(where)[name]) for where, name, _ in parts]
    for where, name, instead in parts:
        setattr(where, name, instead)
    try:
        yield
    finally:
        for where, name, was in before:
            setattr(where, name, was)
