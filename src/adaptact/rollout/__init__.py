"""After the comparison: two runs on the same rows, a test on a limited line, and watching what was adopted."""
