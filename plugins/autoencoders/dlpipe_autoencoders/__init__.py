"""The autoencoders of the tutorials: denoising, contractive, and a stack of denoising ones."""
