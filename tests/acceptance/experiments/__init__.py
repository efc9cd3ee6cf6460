"""The delivery engine under fire: nine experiments against real processes, judged from outside.

A ledger outside the nodes keeps every acknowledged submission and every delivery seen, both through
the nodes' public faces. Faults are done to the nodes meanwhile: kills, system calls that fail, full
disks, cut lines, jumping clocks, repeats, lost answers. When everything is quiet again, every node is
killed once more and the ledger is compared with what the nodes can prove (judging.py).

`python -m tests.acceptance.experiments` runs them all, one line each; see __main__.py.
"""
