"""Measures how fast the tool is on this machine: `python -m benchmarks`, explained in docs/benchmarks.md.

Boards are rendered once, by the sandbox, and served by a process that only sends bytes (`boards`, `server`). Programs run
as children and are measured from outside (`measure`). Each benchmark is a file with a `run`, named in `__main__`.
"""
