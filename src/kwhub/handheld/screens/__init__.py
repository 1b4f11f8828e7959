"""The screens of the handheld (Textual): lists, facts and a line of keys, on five inches and on a laptop."""
