"""What PaCo-FR pre-training is worth beside MAE, SimMIM and no pre-training: studies, their driver, their records."""
