"""One file for each verb of ./run: HELP, and main(args) -> exit code."""
