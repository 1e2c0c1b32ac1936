"""The image, built and run by Debian's own tools: `make test-container`."""
