"""What the tests share: recordings, scripted parts, stand-in servers, small models."""
