"""The autoencoders of the tutorials: denoising, contractive, and stacked denoising."""
