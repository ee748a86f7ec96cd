"""Co-simulation of the generated RTL against the golden model."""
