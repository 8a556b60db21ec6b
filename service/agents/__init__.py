"""The service's routes as tools for agents, by the Model Context Protocol."""
