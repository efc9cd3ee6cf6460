"""Fetch CRLs and OCSP responses, from the hosts that the configuration names and nowhere else."""
