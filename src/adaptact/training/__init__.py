"""Training: the LightningModule, optimizer groups, precision; ``train(config)`` leaves a run folder."""
