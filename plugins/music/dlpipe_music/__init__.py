"""Polyphonic music: the RNN-RBM of the tutorials, and datasets of MIDI files and piano rolls."""
