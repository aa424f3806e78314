"""The loop over one stream: source, flow control, batches, redelivery, reorder buffer, sink."""
