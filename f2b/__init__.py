"""f2b reads the systemd journal and bans in the kernel's firewall whoever fails to log in too often."""

__version__ = "0.1.0"
