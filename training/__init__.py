"""How a model is made that reasons about what it hears: data, cold start, grounded distillation, verified rewards.

Follows Step-Audio-R1 (https://arxiv.org/abs/2511.15848) in miniature. What comes out is a checkpoint in Step-Audio's
published layout, which the agent serves.
"""
