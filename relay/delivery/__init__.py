"""The way of a document: intake, carrying, settling, the inbox, receipts back.

Files here are its steps; `neighbours/` below them is what they know of one neighbour. Rooms beside the
way, none of which it needs: `operators/`, `pressure/`, `recovery/`, `carry/`.
"""
