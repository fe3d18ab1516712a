"""`python -m starlift` is the `starlift` command."""

import sys

from starlift.entrypoints.cli import main

sys.exit(main())
