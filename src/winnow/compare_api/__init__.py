"""`winnow.compare`: the verdict on runs that others made, from their numbers or from their checkpoints."""
