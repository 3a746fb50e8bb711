"""What happened: log lines and counters."""
