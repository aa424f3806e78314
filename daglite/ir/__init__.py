"""The intermediate representation: immutable nodes, and walks over graphs of them."""
