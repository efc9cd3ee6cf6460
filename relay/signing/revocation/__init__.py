"""Whether a certificate was revoked: what CRLs and OCSP responses prove, and what is known as of when."""
