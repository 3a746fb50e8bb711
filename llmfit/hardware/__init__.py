"""What is known of a machine: detection over replayable sources, what-ifs, profiles, the kernel's view of it."""
