"""`python -m starlift` is the `starlift` command."""

from starlift.entrypoints.process import main

main()
