"""Timestamps by third parties: asked for off the way of a document, and stored beside."""
