"""HTTP: who may ask, the routes, the pages, the worker processes."""
