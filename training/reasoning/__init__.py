"""What the recipe demands of a written answer: its form, its evidence, its result. Pure functions of text."""
