"""The host link: commands of a host in checked frames over any line that carries bytes, each executed exactly once."""
