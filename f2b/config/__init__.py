"""From INI files to frozen settings: every value knows the file and line it came from."""
