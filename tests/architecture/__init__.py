"""The architecture and the house rules, as far as a program can see them.

Each rule is a function from text to the places that break it; beside the test that the repository keeps the
rule stands one that the rule finds what it is for.
"""
