"""Check that nothing crosses from one site to another (`__main__.py`)."""
