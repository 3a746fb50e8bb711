"""What runs and lies on this machine: the stores of local runtimes."""
