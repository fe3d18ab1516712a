"""Other tools, really run, beside this one: five changes of a source that a poll on a stamp cannot follow."""
