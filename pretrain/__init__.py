"""PaCo-FR pre-training: from unlabelled faces to a checkpoint that facebench can judge."""
