"""A source that changes its shape under a running pipeline, through the whole cycle, on real databases."""
