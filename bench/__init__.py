"""The benchmark behind `make bench`; no part of the package."""
