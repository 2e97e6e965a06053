"""What the manifest says, computed once more beside the training and compared with what the training has."""
