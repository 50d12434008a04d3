"""Numbers of the kernel's user-space interface, under its own names: generated, plain and cheap to import."""
