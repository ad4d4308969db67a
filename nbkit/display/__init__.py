"""Values to MIME bundles. Everything that came from outside is escaped here; nothing is fetched."""
