"""Rows that wait in quarantine, and batches that wait for a person because of them."""
