"""Values as bytes: items, functions, classes, exceptions."""
