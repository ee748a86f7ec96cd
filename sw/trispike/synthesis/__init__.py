"""From the RTL towards an FPGA: the tools behind it and what they report."""
