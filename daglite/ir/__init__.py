"""The ir: immutable nodes, and walks over graphs of them."""
