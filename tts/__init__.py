"""Speech synthesis: text goes in, speech with word times comes out. Independent of conversations."""
