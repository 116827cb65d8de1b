"""Stand-ins: data made offline, from a seed, where the real recordings are not at hand; never called by their name."""
