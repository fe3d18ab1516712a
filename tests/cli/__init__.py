"""The command line as a person and a scheduler meet it: what it answers, with which code, and when not."""
