"""Real data sets and their stand-ins: where they lie, what they are, how their files are read."""
