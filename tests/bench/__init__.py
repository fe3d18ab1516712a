"""The benchmarks: what they count and measure is so."""
