"""Tools for whoever works on kwhub; none of them is needed to use it."""
