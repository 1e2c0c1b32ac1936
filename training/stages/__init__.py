"""The stages of the recipe, in their order: hearing, cold start, distillation, verified rewards, self-knowledge."""
