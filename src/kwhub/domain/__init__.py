"""What is measured, and what may become of a request for it. Knows nothing of bytes, links or clocks."""
