"""The front end: turns written text into clauses, spoken words and phonemes."""
