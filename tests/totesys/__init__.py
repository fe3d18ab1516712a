"""The generated Totesys behaves as the real one, its schema is the real one's, its roles hold."""
