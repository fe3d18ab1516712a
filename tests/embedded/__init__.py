"""The embedded server: it starts, survives, is found again, and lets nobody in without a password."""
