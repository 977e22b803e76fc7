"""PaCo-FR, each of its ideas under its own name, and the baselines MAE and SimMIM on the same parts."""
