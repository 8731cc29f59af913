"""A space as files: read, checked with every mistake named by file and line, and written."""
