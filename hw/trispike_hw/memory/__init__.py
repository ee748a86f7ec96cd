"""Memory outside the chip, behind one port: what streams weights in, what shares it, and controllers of its parts."""
