"""The host's end of the host link (docs/host-link.md): frames, sessions, and a machine at the end of a line."""
