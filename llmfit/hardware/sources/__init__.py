"""Where probes read from: this computer or a recording, with time limits; the measured memory bandwidth."""
