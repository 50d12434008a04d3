"""Object files: BPF programs as clang writes them."""
