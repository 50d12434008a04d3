"""Recordings: events in a file, with all that it takes to show them on any machine.

A file is the line `pybpf recording` and chunks after it (see chunks.py). The first describes the program,
its record's layout and the kernel; all others are events, and what they mean: the clock, names, losses.
"""
