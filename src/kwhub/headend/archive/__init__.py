"""The archive at work: the desk that changes it, import and export of files, and what was true when."""
