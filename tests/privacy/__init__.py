"""Values that may not leave the source are marked, and looked for in all that a pipeline leaves."""
