"""The English front end: normalization, number words and pronunciations."""
