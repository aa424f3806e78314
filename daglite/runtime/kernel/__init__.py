"""What any worker does with a batch, whichever engine it belongs to."""
