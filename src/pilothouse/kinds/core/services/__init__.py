"""The parts of Service: what each type needs, its defaults, its transitions, its rules."""
