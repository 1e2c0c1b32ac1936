"""What words mean for turn taking: remarks, requests for silence, dictation."""
