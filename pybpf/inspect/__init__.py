"""What is in an object, told to people: diagrams, listings and tables, from the specification alone."""
