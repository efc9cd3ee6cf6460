"""Four real nodes on loopback and the main job carried through them."""
