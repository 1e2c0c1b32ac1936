"""Many machines: Ray Serve places the agents and routes to them (the extra "ray")."""
