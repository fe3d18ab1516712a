"""What `starlift init --source` writes for a database it has never seen, as texts made from a catalogue."""
