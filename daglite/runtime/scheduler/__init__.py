"""Run the stages of a plan, and build the driver of each stream."""
