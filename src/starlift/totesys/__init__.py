"""A synthetic Totesys, the reference source: rows of its shape and quirks, and the changes it lives by.

Everything follows from a seed and the dates the caller gives; nothing reads the clock.
"""
