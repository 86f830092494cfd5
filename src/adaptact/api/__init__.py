"""Each job as a function: from checked options to its files and its result, whoever calls it."""
