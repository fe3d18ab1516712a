"""`starlift demo`: the whole pipeline on one machine, beside the poll that everyone else would use."""

from starlift.demo.place import clean
from starlift.demo.play import play

__all__ = ["clean", "play"]
