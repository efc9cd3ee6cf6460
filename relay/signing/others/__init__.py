"""Signatures made by others, judged in a process of its own: PAdES, XML-DSig, and what befell a file."""
