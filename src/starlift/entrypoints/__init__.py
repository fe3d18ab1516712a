"""Ways in: the command line. Each maps arguments to a stage and its result to an answer."""
