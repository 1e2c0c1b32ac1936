"""The model that is trained, in the modules that the agent serves: Step-Audio's, at other sizes."""
