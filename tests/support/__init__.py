"""The test-suite's stage, and the demo's: journals, namespaces, the daemon as a real process."""
