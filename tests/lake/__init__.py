"""Tests of the lakes and of the manifest log: one contract for every adapter, then what is special in each.

S3 is moto's server over real HTTP, behind a door that can misbehave (`tests/s3_door.py`).
"""
