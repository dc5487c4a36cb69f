"""What makes a run as fast as a hand-written loop: chunks of minibatches, fused updates, memory settings."""
