"""A page that tells what a folder of results has: ``litpose report``."""
