"""Taking up an interrupted run so that it ends in the same bits."""
