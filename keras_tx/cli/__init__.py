"""The command line: argument parsing and printing, on top of the public functions."""
