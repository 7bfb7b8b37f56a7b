"""The process around the core: clock, signals, sockets, and the order of start and stop."""
