"""A shop that is unlike Totesys in everything: the pipeline runs on it from files alone."""
