"""What should be there, and whether what is there can be true."""
