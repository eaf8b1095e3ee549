"""The documentation site: what Sphinx adds to the pages in docs/ and elsewhere."""
