-- name: systems
SELECT systemid, agencies, addresses, certificates, freshness, window_seconds, rest, created_at FROM systems ORDER BY systemid

-- name: secrets
SELECT secret_id, systemid, key_id, sealed, created_at, ends_at FROM system_secrets ORDER BY created_at, secret_id

-- name: add_system
INSERT INTO systems (systemid, agencies, addresses, certificates, freshness, window_seconds, rest, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: put_secret
INSERT INTO system_secrets (secret_id, systemid, key_id, sealed, created_at, ends_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (secret_id) DO UPDATE SET key_id = ?3, sealed = ?4, ends_at = ?6

-- name: sites
SELECT systemid, site, proven, locked_until FROM system_sites

-- name: keep_site
INSERT INTO system_sites VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (systemid, site) DO UPDATE SET proven = ?3, locked_until = ?4

-- name: forget_site
DELETE FROM system_sites WHERE systemid = ? AND site = ?
