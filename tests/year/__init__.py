"""A simulated year: readers in sixty time zones with all cadences, played by the product's own clock, then judged."""
