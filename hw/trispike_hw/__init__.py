"""RTL of the trispike accelerator, and the architecture description that every part of the project shares."""
