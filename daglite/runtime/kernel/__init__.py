"""The work of any worker on a batch, independent of its engine."""
