"""The host side of the project: fetch, patch, build, boot, judge and report.

Start it with ./run; every verb is one function `main(args) -> exit code`.
"""
