"""A dense int8 systolic array without DSPs: what trispike is measured against, and nothing else."""
