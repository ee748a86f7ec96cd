"""Host side of trispike: compiler, golden model, drivers and the command line."""
