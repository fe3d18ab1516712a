"""Scripts behind the numbers in the README and the docs."""
