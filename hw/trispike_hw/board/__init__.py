"""A whole device on a board: the accelerator behind the host link, its line and its clock."""
