"""starlift beside other tools: time, CPU, memory and bytes of a first load, an increment, a poll."""
