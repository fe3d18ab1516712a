"""The whole pipeline as its users run it: commands in processes of their own, as roles without privileges,
against a star that `oracle.py` works out by itself."""
