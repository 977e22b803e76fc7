"""Fine-tuning of a whole backbone: recipe, pictures, network, losses, and the one loop."""
